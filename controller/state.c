/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/admin_key.h"
#include "controller/commands.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "controller/sign.h"
#include "controller/store.h"

static void unload(struct state *state)
{
	struct parts *parts = &state->parts;

	/* Who watches goes before what is watched. */
	commands_free(parts->commands);
	deployments_free(parts->deployments);
	fleet_free(parts->fleet);
	parts->commands = NULL;
	parts->deployments = NULL;
	parts->fleet = NULL;
}

static int load(struct state *state, struct error *err)
{
	struct parts *parts = &state->parts;
	int r;

	parts->fleet = fleet_new();
	r = fleet_load(parts->fleet, parts->store, err);
	if (r < 0)
		return r;
	parts->commands = commands_new(parts->loop, parts->fleet, parts->store, parts->settings,
		&state->clock, state->signer);
	parts->deployments = deployments_new(parts->loop, parts->fleet, parts->store,
		parts->settings, &state->clock, commands_listener(parts->commands));
	commands_open(parts->commands, parts->deployments);
	return deployments_load(parts->deployments, core_clock_now_ms(&state->clock), err);
}

static struct key *key_of(const struct admin_key *from)
{
	struct key *key = xcalloc(1, sizeof(*key));

	memcpy(key->id, from->id, sizeof(key->id));
	strcpy(key->name, ADMIN_KEY_NAME);
	key->role = KEY_ADMINISTRATOR;
	key->user_arn = xstrdup("");
	key->applications = xstrdup("[]");
	key->secret = xstrdup(from->secret);
	key->created_ms = from->created_ms;
	return key;
}

/* Once for each id: one that an administrator deletes stays deleted. */
static int take_admin_key(struct state *state, struct error *err)
{
	struct parts *parts = &state->parts;
	cleanup_with(freep) char *name = NULL;
	cleanup_with(freep) char *seen = NULL;
	struct admin_key admin;
	struct key *key;
	int r;

	r = admin_key_read(&admin, parts->settings->admin_key, err);
	if (r == -ENOENT)
		return 0; /* it may be taken away */
	if (r < 0)
		return r;
	name = xasprintf("admin key %s", admin.id);
	seen = store_get_value(parts->store, name);
	if (!seen) {
		key = key_of(&admin);
		store_set_actor(parts->store, "", core_clock_now_ms(&state->clock));
		store_put_key(parts->store, key);
		store_put_value(parts->store, name, "taken");
		if (fleet_add_key(parts->fleet, key) < 0)
			key_free(key); /* there is one of this id already */
		r = store_commit(parts->store, err);
	}
	explicit_bzero(&admin, sizeof(admin));
	return r;
}

int state_open(
	struct state *state, struct loop *loop, struct settings *settings, struct error *err)
{
	int r;

	*state = (struct state){ .parts = { .loop = loop, .settings = settings } };
	r = store_open(&state->parts.store, settings->database, err);
	if (r < 0)
		return r;
	core_clock_load(&state->clock, state->parts.store);
	state->parts.started_ms = core_clock_now_ms(&state->clock);
	r = signer_new(&state->signer, settings, err);
	if (r == 0)
		r = load(state, err);
	if (r == 0)
		r = take_admin_key(state, err);
	if (r < 0)
		state_close(state);
	return r;
}

int state_reload(struct state *state, struct error *err)
{
	int r;

	unload(state);
	store_undo(state->parts.store);
	r = load(state, err);
	if (r < 0)
		unload(state);
	return r;
}

void state_close(struct state *state)
{
	unload(state);
	signer_free(state->signer);
	state->signer = NULL;
	store_close(state->parts.store);
	state->parts.store = NULL;
}
