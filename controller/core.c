/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The core as a process: what parent and doors send comes in here, and what is told to all of
 * them goes out. What requests do is elsewhere: doorway.h, request.h, turn.h.
 */
#include "controller/core.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "controller/core_confine.h"
#include "controller/credential.h"
#include "controller/desk.h"
#include "controller/door_settings.h"
#include "controller/doorway.h"
#include "controller/fleet.h"
#include "controller/parent.h"
#include "controller/settings.h"
#include "controller/sign.h"
#include "controller/state.h"

enum {
	STATUS_MS = 10 * 1000,
	TICKETS_MS = 12 * 3600 *
		     1000, /* a ticket lives for a day: two keys are enough for it */
	/* The rest of SERVICE_STOP_MS is for closing the database. */
	DRAIN_MS = SERVICE_STOP_MS - 300,
};

struct core {
	struct loop *loop;
	struct settings *settings;
	struct state state;
	struct desk desk;
	struct door_settings door_settings;
	struct parent parent;
	struct loop_timer status_timer;
	struct loop_timer stop_timer;
	struct loop_timer tickets_timer;
	char status[256]; /* told last */
};

static void fail(struct core *core, const char *what, const struct error *why)
{
	log_error("%s: %s", what, why->text);
	loop_exit(core->loop, EXIT_FAILURE);
}

/* ---- doors */

static void end_if_alone(struct core *core)
{
	if (core->desk.is_draining && !core->desk.doorways)
		loop_exit(core->loop, EXIT_SUCCESS);
}

static void on_door_gone(struct doorway *doorway)
{
	struct core *core = container_of(doorway->desk, struct core, desk);
	struct doorway **at = &core->desk.doorways;

	while (*at != doorway)
		at = &(*at)->next;
	*at = doorway->next;
	doorway_free(doorway);
	end_if_alone(core);
}

static int tell_settings(struct core *core, struct doorway *doorway, struct error *err)
{
	cleanup_with(credential_wipe) struct buf payload = { 0 };
	struct exchange_settings settings;

	door_settings_select(
		&core->door_settings, core->settings, doorway->is_local, &settings, &payload);
	return doorway_set(doorway, &settings, &payload, err);
}

/* Takes the descriptor over. */
static int add_door(struct core *core, int fd, bool is_local, struct error *err)
{
	struct doorway *doorway = NULL;
	int r = doorway_new(&doorway, &core->desk, core->loop, fd, is_local, on_door_gone, err);

	if (r < 0)
		return r;
	doorway->next = core->desk.doorways;
	core->desk.doorways = doorway;
	return tell_settings(core, doorway, err);
}

static void release_all(struct core *core)
{
	for (struct doorway *at = core->desk.doorways; at; at = at->next)
		doorway_release(at);
}

/* ---- the turn */

/* What is parked rests on what is about to be dropped. */
static void on_lost(struct turn *turn, const struct error *why)
{
	struct desk *desk = container_of(turn, struct desk, turn);
	struct core *core = container_of(desk, struct core, desk);
	struct error err = ERROR_NONE;

	(void)why;
	release_all(core);
	if (state_reload(&core->state, &err) == 0)
		return;
	/* There is nothing to answer from any more, and requests may be waiting in this very
	 * turn; a new core reads it, or says what is wrong. */
	log_error("the state cannot be read again: %s", err.text);
	_exit(EXIT_FAILURE);
}

/* ---- the parent */

static void send_status(struct core *core)
{
	char text[sizeof(core->status)];

	(void)snprintf(text, sizeof(text),
		"%" PRIu32 " hosts registered, %" PRIu64 " requests waiting, %" PRIu64
		" served, %" PRIu64 " refused",
		fleet_n_hosts(core->state.parts.fleet), core->desk.n_parked,
		core->desk.n_requests, core->desk.n_refused);
	if (strcmp(text, core->status) == 0)
		return;
	strcpy(core->status, text);
	parent_tell_status(&core->parent, text);
}

static void on_status_due(struct loop_timer *timer)
{
	struct core *core = container_of(timer, struct core, status_timer);
	struct error err = ERROR_NONE;

	send_status(core);
	if (loop_timer_start(core->loop, timer, STATUS_MS, on_status_due, &err) < 0)
		log_warning("no status is told any more: %s", err.text);
}

static void on_tickets_due(struct loop_timer *timer)
{
	struct core *core = container_of(timer, struct core, tickets_timer);
	struct error err = ERROR_NONE;
	int r = door_settings_rotate(&core->door_settings, &err);

	for (struct doorway *at = core->desk.doorways; at && r == 0; at = at->next)
		r = tell_settings(core, at, &err);
	if (r == 0)
		r = loop_timer_start(core->loop, timer, TICKETS_MS, on_tickets_due, &err);
	if (r < 0)
		log_warning("the keys of TLS tickets stay as they are: %s", err.text);
}

static void on_stop_due(struct loop_timer *timer)
{
	struct core *core = container_of(timer, struct core, stop_timer);

	loop_exit(core->loop, EXIT_SUCCESS);
}

static void on_stop(struct parent *parent)
{
	struct core *core = container_of(parent, struct core, parent);
	struct error err = ERROR_NONE;

	core->desk.is_draining = true;
	turn_end(&core->desk.turn);
	release_all(core);
	for (struct doorway *at = core->desk.doorways; at; at = at->next)
		doorway_drain(at);
	if (loop_timer_start(core->loop, &core->stop_timer, DRAIN_MS, on_stop_due, &err) < 0)
		fail(core, "cannot stop in order", &err);
	end_if_alone(core);
}

static void add_finding(struct buf *ret, const char *text)
{
	if (ret->len > 0)
		buf_puts(ret, "; ");
	buf_puts(ret, text);
}

static void add_refusal(struct buf *ret, const char *what, struct error *err)
{
	(void)error_wrap(err, "%s", what);
	add_finding(ret, err->text);
}

static void renew_settings(struct core *core, struct buf *ret)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(settings_freep) struct settings *fresh = NULL;
	struct error err = ERROR_NONE;

	if (settings_load(&fresh, core->settings->path, &found, &err) < 0)
		add_refusal(ret,
			"the configuration is not taken, the one before stays in force", &err);
	else
		settings_renew(core->settings, fresh, &found);
	for (size_t i = 0; i < found.n; i++) {
		cleanup_with(freep) char *text = diagnostic_format(&found.items[i]);

		add_finding(ret, text);
	}
	if (core->settings->log_level)
		log_configure_level(core->settings->log_level);
}

static void renew_keys(struct core *core, struct buf *ret)
{
	struct error err = ERROR_NONE;

	if (signer_reload(core->state.signer, core->settings, &err) < 0)
		add_refusal(ret,
			"the keys for orders are not taken, those before stay in force", &err);
	err = ERROR_NONE;
	if (door_settings_load(&core->door_settings, core->settings, &err) < 0)
		add_refusal(ret,
			"the server's certificate is not taken, the one before stays in force",
			&err);
	for (struct doorway *at = core->desk.doorways; at; at = at->next) {
		err = ERROR_NONE;
		if (tell_settings(core, at, &err) < 0)
			add_finding(ret, err.text);
	}
}

/* What is wrong stays as it was, and the log says so; what is right counts. */
static void on_reload(struct parent *parent)
{
	struct core *core = container_of(parent, struct core, parent);
	cleanup_with(buf_done) struct buf text = { 0 };

	renew_settings(core, &text);
	renew_keys(core, &text);
	parent_tell_reloaded(parent, text.data ? text.data : "");
}

static void on_door(struct parent *parent, int fd, bool is_local)
{
	struct core *core = container_of(parent, struct core, parent);
	struct error err = ERROR_NONE;

	if (add_door(core, fd, is_local, &err) < 0)
		log_error("%s", err.text);
}

static const struct parent_events events = {
	.on_door = on_door,
	.on_reload = on_reload,
	.on_stop = on_stop,
};

/* ---- the process */

static int open_core(struct core *core, struct core_start *start, struct error *err)
{
	int r = loop_new(&core->loop, err);

	if (r == 0)
		r = parent_start(&core->parent, core->loop, start->channel_fd, &events, err);
	if (r == 0)
		r = state_open(&core->state, core->loop, core->settings, err);
	if (r == 0)
		r = door_settings_load(&core->door_settings, core->settings, err);
	if (r < 0)
		return r;
	core->desk.parts = &core->state.parts;
	core->desk.turn = (struct turn){ .store = core->state.parts.store,
		.clock = &core->state.clock,
		.on_lost = on_lost };
	core->state.parts.desk = &core->desk;
	r = turn_start(&core->desk.turn, core->loop, err);
	if (r == 0)
		r = loop_timer_start(
			core->loop, &core->tickets_timer, TICKETS_MS, on_tickets_due, err);
	for (size_t i = 0; i < start->n_doors && r == 0; i++)
		r = add_door(core, start->doors[i].fd, start->doors[i].is_local, err);
	return r;
}

static void close_core(struct core *core)
{
	/*
	 * Changes that nobody waits for any more are kept all the same. A core that could not
	 * be opened may have a store and no turn yet.
	 */
	if (core->desk.turn.store)
		turn_end(&core->desk.turn);
	turn_stop(&core->desk.turn);
	loop_timer_stop(&core->status_timer);
	loop_timer_stop(&core->stop_timer);
	loop_timer_stop(&core->tickets_timer);
	while (core->desk.doorways) {
		struct doorway *doorway = core->desk.doorways;

		core->desk.doorways = doorway->next;
		(void)channel_flush(&doorway->channel);
		doorway_free(doorway);
	}
	if (core->state.parts.store)
		state_close(&core->state);
	door_settings_done(&core->door_settings);
	parent_stop(&core->parent);
	loop_free(core->loop);
	settings_free(core->settings);
}

int core_main(struct core_start *start)
{
	struct core core = { .settings = start->settings };
	struct error err = ERROR_NONE;
	int r;

	/* A file at its limit is to be as a full disk is. */
	(void)signal(SIGXFSZ, SIG_IGN);
	r = core_confine(&err);
	if (r == 0)
		r = open_core(&core, start, &err);
	if (r == 0) {
		parent_tell_ready(&core.parent);
		on_status_due(&core.status_timer);
		r = loop_run(core.loop, &err);
	}
	if (r < 0)
		log_error("%s", err.text);
	close_core(&core);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
