/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/history.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/printable.h"
#include "agent/recovery.h"
#include "agent/revision.h"
#include "agent/site.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/time.h"

/* What there is to say of one group. */
struct standing {
	const struct deployment_group *group;
	struct history history;
	char *installed; /* id of the deployment, or NULL */
	char *holder;    /* of the lock, or NULL */
	char *recovered; /* what was done just now, or NULL */
	char *problem;   /* why the rest is not known, or NULL */
};

static void standing_done(struct standing *standing)
{
	history_done(&standing->history);
	free(standing->installed);
	free(standing->holder);
	free(standing->recovered);
	free(standing->problem);
}

/* What was cut off is put in order here too, unless whoever does it holds the lock. */
static int recover(struct standing *standing, const struct root *root, struct error *err)
{
	struct lock lock = { .fd = -1 };
	int r;

	if (standing->holder || !recovery_is_due(root, standing->group->id))
		return 0;
	r = lock_take(&lock, root, standing->group->id, "drover-agent status", 0, err);
	if (r == 0)
		r = recovery_run(root, standing->group->id, &standing->recovered, err);
	lock_release(&lock);
	return r == -EBUSY ? 0 : r;
}

static void look(struct standing *standing, const struct root *root)
{
	const char *id = standing->group->id;
	struct error err = ERROR_NONE;
	int r;

	standing->holder = lock_holder(root, id);
	r = recover(standing, root, &err);
	if (r == 0)
		r = history_load(&standing->history, root, id, &err);
	if (r == 0)
		r = revision_installed(root, id, &standing->installed, &err);
	if (r < 0)
		standing->problem = xstrdup(err.text);
}

static const struct record *installed_record(const struct standing *standing)
{
	return standing->installed ? history_find(&standing->history, standing->installed)
				   : NULL;
}

/* ---- for people */

static void append_revision(struct buf *text, const struct record *record)
{
	printable_append(text, record->location ? record->location : "?");
	buf_printf(text, " (%s)", record->deployment);
}

static void append_kept(
	struct buf *text, const struct standing *standing, const struct root *root)
{
	bool any = false;

	for (size_t i = standing->history.n; i > 0; i--) {
		const struct record *record = &standing->history.records[i - 1];

		if (!revision_is_kept(root, standing->group->id, record->deployment))
			continue;
		buf_puts(text, any ? ", " : "  kept here: ");
		append_revision(text, record);
		if (record->state != RECORD_SUCCEEDED)
			buf_printf(text, " %s", record_state_name(record->state));
		any = true;
	}
	if (any)
		buf_putc(text, '\n');
}

static void append_installed(struct buf *text, const struct standing *standing)
{
	const struct record *record = installed_record(standing);
	char since[20];

	if (!standing->installed) {
		buf_puts(text, " has nothing installed\n");
		return;
	}
	buf_puts(text, " runs ");
	if (!record) {
		buf_printf(text, "%s, not deployed by drover-agent\n", standing->installed);
		return;
	}
	time_format_local(
		(uint64_t)(record->ended_ms ? record->ended_ms : record->started_ms), since);
	printable_append(text, record->location ? record->location : "?");
	buf_printf(text, " since %s (%s%s)\n", since, record->deployment,
		record->rollback ? ", a rollback" : "");
}

static void append_good(struct buf *text, const struct standing *standing)
{
	const struct record *good = history_newest_good(&standing->history);

	if (good &&
		(!standing->installed || strcmp(good->deployment, standing->installed) != 0)) {
		buf_puts(text, "  last that worked: ");
		append_revision(text, good);
		buf_putc(text, '\n');
	}
}

static void append_last(struct buf *text, const struct standing *standing)
{
	const struct record *last =
		standing->history.n ? &standing->history.records[standing->history.n - 1]
				    : NULL;

	if (!last || last->state == RECORD_SUCCEEDED || last->state == RECORD_RUNNING)
		return;
	buf_printf(text, "  last deployment: %s %s", last->deployment,
		record_state_name(last->state));
	if (last->message) {
		buf_puts(text, ": ");
		printable_append(text, last->message);
	}
	buf_putc(text, '\n');
}

static void print_standing(const struct standing *standing, const struct root *root)
{
	cleanup_with(freep) char *label = group_label(standing->group);
	cleanup_with(buf_done) struct buf text = { 0 };

	if (standing->recovered)
		buf_printf(&text, "recovered: %s\n", standing->recovered);
	printable_append(&text, label);
	if (standing->problem)
		buf_printf(&text, ": %s\n", standing->problem);
	else
		append_installed(&text, standing);
	append_good(&text, standing);
	append_kept(&text, standing, root);
	append_last(&text, standing);
	if (standing->holder)
		buf_printf(&text, "  under way: %s\n", standing->holder);
	(void)fwrite(text.data, 1, text.len, stdout);
}

/* ---- for programs */

static void put_text(json_t *json, const char *member, const char *text)
{
	(void)json_object_set_new(json, member, text ? json_text(text) : json_null());
}

static json_t *describe_record(const struct record *record, bool is_kept)
{
	json_t *json = json_object();

	put_text(json, "deployment", record->deployment);
	put_text(json, "location", record->location);
	put_text(json, "state", record_state_name(record->state));
	put_text(json, "user", record->user);
	put_text(json, "event", record->event);
	put_text(json, "script", record->script);
	put_text(json, "message", record->message);
	(void)json_object_set_new(json, "rollback", json_boolean(record->rollback));
	(void)json_object_set_new(json, "kept", json_boolean(is_kept));
	(void)json_object_set_new(json, "started_ms", json_integer(record->started_ms));
	(void)json_object_set_new(json, "ended_ms", json_integer(record->ended_ms));
	return json;
}

static json_t *describe(const struct standing *standing, const struct root *root)
{
	const struct record *good = history_newest_good(&standing->history);
	json_t *json = json_object();
	json_t *deployments = json_array();

	put_text(json, "id", standing->group->id);
	put_text(json, "name", standing->group->name);
	put_text(json, "application", standing->group->application);
	put_text(json, "installed", standing->installed);
	put_text(json, "good", good ? good->deployment : NULL);
	put_text(json, "under_way", standing->holder);
	put_text(json, "recovered", standing->recovered);
	put_text(json, "problem", standing->problem);
	for (size_t i = 0; i < standing->history.n; i++) {
		const struct record *record = &standing->history.records[i];
		bool is_kept = revision_is_kept(root, standing->group->id, record->deployment);

		(void)json_array_append_new(deployments, describe_record(record, is_kept));
	}
	(void)json_object_set_new(json, "deployments", deployments);
	return json;
}

/* ---- */

static bool show_groups(const struct site *site, json_t *list)
{
	bool all_known = true;

	for (size_t i = 0; i < site->groups.n; i++) {
		cleanup_with(standing_done) struct standing standing = {
			.group = &site->groups.items[i],
		};

		look(&standing, &site->root);
		all_known = all_known && !standing.problem;
		if (list)
			(void)json_array_append_new(list, describe(&standing, &site->root));
		else
			print_standing(&standing, &site->root);
	}
	return all_known;
}

static void print_document(json_t *list)
{
	cleanup_with(json_decrefp) json_t *document = json_pack("{s:O}", "groups", list);
	cleanup_with(freep) char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	if (text)
		(void)puts(text);
}

int command_status(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(json_decrefp) json_t *list = options->json ? json_array() : NULL;
	struct error err = ERROR_NONE;
	int r = site_open(&site, options, false, &err);
	bool all_known;

	if (r < 0 && r != -ENOENT)
		return operation_refuse(r, &err);
	if (!options->json && (r == -ENOENT || site.groups.n == 0))
		puts("nothing was ever deployed here");
	all_known = show_groups(&site, list);
	if (list)
		print_document(list);
	return all_known ? EXIT_DONE : EXIT_FAILED;
}
