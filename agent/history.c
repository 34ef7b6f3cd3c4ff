/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/root.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/time.h"

static const char *const state_names[] = {
	[RECORD_RUNNING] = "running",
	[RECORD_SUCCEEDED] = "succeeded",
	[RECORD_FAILED] = "failed",
	[RECORD_INTERRUPTED] = "interrupted",
};

/* clang-format off */
static const struct text_member {
	const char *name;
	size_t offset;
} text_members[] = {
	{ "deployment", offsetof(struct record, deployment) },
	{ "location",   offsetof(struct record, location) },
	{ "from",       offsetof(struct record, from) },
	{ "appspec",    offsetof(struct record, appspec) },
	{ "user",       offsetof(struct record, user) },
	{ "event",      offsetof(struct record, event) },
	{ "script",     offsetof(struct record, script) },
	{ "message",    offsetof(struct record, message) },
};

static const struct number_member {
	const char *name;
	size_t offset;
} number_members[] = {
	{ "started_ms",      offsetof(struct record, started_ms) },
	{ "ended_ms",        offsetof(struct record, ended_ms) },
	{ "source_bytes",    offsetof(struct record, source_bytes) },
	{ "source_mtime_ns", offsetof(struct record, source_mtime_ns) },
};
/* clang-format on */

static char **text_of(const struct record *record, const struct text_member *member)
{
	return (char **)(void *)((char *)(uintptr_t)record + member->offset);
}

static int64_t *number_of(const struct record *record, const struct number_member *member)
{
	return (int64_t *)(void *)((char *)(uintptr_t)record + member->offset);
}

const char *record_state_name(enum record_state state)
{
	return state_names[state];
}

void record_set(char **member, const char *text)
{
	char *copy = text ? xstrdup(text) : NULL;

	free(*member);
	*member = copy;
}

void record_done(struct record *record)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_members); i++)
		free(*text_of(record, &text_members[i]));
	*record = (struct record){ 0 };
}

void history_done(struct history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < history->n; i++)
		record_done(&history->records[i]);
	free(history->records);
	free(history->group);
	free(history->name);
	free(history->application);
	*history = (struct history){ 0 };
}

static int parse_state(const json_t *json, enum record_state *ret, struct error *err)
{
	const char *name;
	int r = json_get_string(json, "state", &name, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
		if (strcmp(state_names[i], name) == 0) {
			*ret = (enum record_state)i;
			return 0;
		}
	return error_set(err, -EBADMSG, "no state \"%s\"", name);
}

static int parse_members(const json_t *json, struct record *record, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(text_members) && r == 0; i++) {
		const char *text = NULL;

		r = json_find_string(json, text_members[i].name, &text, err);
		record_set(text_of(record, &text_members[i]), text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(number_members) && r == 0; i++)
		r = json_find_integer(json, number_members[i].name,
			number_of(record, &number_members[i]), err);
	if (r == 0)
		r = json_find_bool(json, "rollback", &record->rollback, err);
	return r;
}

/* Ids become paths, so an unsafe one makes the whole file suspect. */
static int parse_record(const json_t *json, struct record *record, struct error *err)
{
	int r;

	if (!json_is_object(json))
		return error_set(err, -EBADMSG, "a deployment is not an object");
	r = parse_members(json, record, err);
	if (r == 0)
		r = parse_state(json, &record->state, err);
	if (r < 0)
		return r;
	if (!record->deployment || !root_id_is_safe(record->deployment) ||
		(record->from && !root_id_is_safe(record->from)))
		return error_set(err, -EBADMSG, "a deployment has no usable id");
	return 0;
}

static struct record *append(struct history *history)
{
	xgrow(&history->records, &history->cap, history->n);
	history->records[history->n] = (struct record){ 0 };
	return &history->records[history->n++];
}

static int parse_document(const json_t *json, struct history *history, struct error *err)
{
	const char *name = NULL, *application = NULL;
	const json_t *deployments = json_object_get(json, "deployments");
	const json_t *item;
	size_t i;
	int r;

	r = json_find_string(json, "name", &name, err);
	if (r == 0)
		r = json_find_string(json, "application", &application, err);
	if (r < 0)
		return r;
	record_set(&history->name, name);
	record_set(&history->application, application);
	if (!json_is_array(deployments))
		return error_set(err, -EBADMSG, "member \"deployments\" is not an array");
	json_array_foreach(deployments, i, item)
	{
		r = parse_record(item, append(history), err);
		if (r < 0)
			return error_wrap(err, "deployments[%zu]", i);
	}
	return 0;
}

int history_parse(struct history *history, const char *group, const char *text, size_t n,
	struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	cleanup_with(history_done) struct history parsed = { .group = xstrdup(group) };
	int r = json_parse_object(&json, text, n, err);

	if (r == 0)
		r = parse_document(json, &parsed, err);
	if (r < 0)
		return r;
	*history = parsed;
	parsed = (struct history){ 0 };
	return 0;
}

int history_load(
	struct history *history, const struct root *root, const char *group, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-history.json");
	cleanup_with(buf_done) struct buf text = { 0 };
	int r;

	r = file_read(root->instructions_fd, name, HISTORY_LIMIT_BYTES, &text, err);
	if (r == -ENOENT) {
		*history = (struct history){ .group = xstrdup(group) };
		return 0;
	}
	if (r == 0)
		r = history_parse(history, group, text.data, text.len, err);
	if (r < 0)
		(void)error_wrap(err, "%s/deployment-instructions/%s %s", root->path, name,
			r == -EACCES ? "can be read by root only" : "is damaged");
	return r == -EFBIG || r == -EINVAL ? -EBADMSG : r;
}

static json_t *format_record(const struct record *record)
{
	json_t *json = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(text_members); i++) {
		const char *text = *text_of(record, &text_members[i]);

		if (text)
			(void)json_object_set_new(json, text_members[i].name, json_text(text));
	}
	(void)json_object_set_new(json, "state", json_string(state_names[record->state]));
	if (record->rollback)
		(void)json_object_set_new(json, "rollback", json_true());
	for (size_t i = 0; i < ARRAY_SIZE(number_members); i++) {
		int64_t number = *number_of(record, &number_members[i]);

		if (number != 0)
			(void)json_object_set_new(
				json, number_members[i].name, json_integer(number));
	}
	return json;
}

/* Forgets the oldest records whose deployment is no longer on disk. */
static void trim(struct history *history, const struct root *root)
{
	size_t extra = history->n > HISTORY_LIMIT_RECORDS ? history->n - HISTORY_LIMIT_RECORDS
							  : 0;
	size_t kept = 0;

	for (size_t i = 0; i < history->n; i++) {
		struct record *record = &history->records[i];
		cleanup_with(freep) char *path = xasprintf(
			"%s/%s", history->group, record->deployment);

		if (extra > 0 && !file_exists(root->fd, path)) {
			extra--;
			record_done(record);
			continue;
		}
		history->records[kept++] = *record;
	}
	history->n = kept;
}

int history_save(struct history *history, const struct root *root, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(history->group, "-history.json");
	cleanup_with(json_decrefp) json_t *json = json_object();
	json_t *deployments = json_array();

	if (history->n > HISTORY_LIMIT_RECORDS)
		trim(history, root);
	if (history->name)
		(void)json_object_set_new(json, "name", json_text(history->name));
	if (history->application)
		(void)json_object_set_new(json, "application", json_text(history->application));
	for (size_t i = 0; i < history->n; i++)
		(void)json_array_append_new(deployments, format_record(&history->records[i]));
	(void)json_object_set_new(json, "deployments", deployments);
	return json_write_file(json, root->instructions_fd, name, 0600, err);
}

int history_set_aside(
	const struct root *root, const char *group, char **ret_name, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-history.json");
	cleanup_with(freep) char *aside = xasprintf(
		"%s.damaged-%llu", name, (unsigned long long)time_now_ms());

	if (renameat(root->instructions_fd, name, root->instructions_fd, aside) < 0)
		return error_set(err, -errno,
			"cannot put %s/deployment-instructions/%s aside: %m", root->path, name);
	*ret_name = take(&aside);
	return 0;
}

struct record *history_add(struct history *history, const char *deployment)
{
	struct record *record = append(history);

	record->deployment = xstrdup(deployment);
	record->state = RECORD_RUNNING;
	record->started_ms = (int64_t)time_now_ms();
	return record;
}

struct record *history_find(const struct history *history, const char *deployment)
{
	for (size_t i = history->n; i > 0; i--)
		if (strcmp(history->records[i - 1].deployment, deployment) == 0)
			return &history->records[i - 1];
	return NULL;
}

const struct record *history_newest_good(const struct history *history)
{
	for (size_t i = history->n; i > 0; i--)
		if (history->records[i - 1].state == RECORD_SUCCEEDED)
			return &history->records[i - 1];
	return NULL;
}

struct record *history_running(const struct history *history)
{
	for (size_t i = history->n; i > 0; i--)
		if (history->records[i - 1].state == RECORD_RUNNING)
			return &history->records[i - 1];
	return NULL;
}
