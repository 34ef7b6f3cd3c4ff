/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/target_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "controller/answer.h"
#include "controller/arn.h"
#include "controller/store.h"

enum { LOG_TAIL_BYTES = 4096 };

/* ---- words */

static const struct state_name {
	enum target_state state;
	const char *name;
} state_names[] = {
	{ TARGET_PENDING, "Pending" },
	{ TARGET_SENT, "InProgress" },
	{ TARGET_RUNNING, "InProgress" },
	{ TARGET_SUCCEEDED, "Succeeded" },
	{ TARGET_FAILED, "Failed" },
	{ TARGET_SKIPPED, "Skipped" },
};

const char *target_state_name(enum target_state state)
{
	return state_names[state].name;
}

int target_states_of(const char *name)
{
	int mask = 0;

	if (strcmp(name, "Unknown") == 0 || strcmp(name, "Ready") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
		if (strcmp(state_names[i].name, name) == 0)
			mask |= 1 << state_names[i].state;
	return mask > 0 ? mask : -ENOENT;
}

static const char *event_status_name(enum event_status status)
{
	static const char *const names[] = { "Pending", "InProgress", "Succeeded", "Failed",
		"Skipped" };

	return names[status];
}

/* The agents' codes; the API has no name for 6 (output left open) and 7 (agent restarted). */
static const char *error_code_name(const struct event_record *record)
{
	static const char *const names[] = { "Success", "ScriptMissing", "ScriptNotExecutable",
		"ScriptTimedOut", "ScriptFailed", "UnknownError", "ScriptFailed",
		"UnknownError" };

	if (record->error_code >= 0 && (size_t)record->error_code < ARRAY_SIZE(names))
		return names[record->error_code];
	return record->status == EVENT_STATUS_SUCCEEDED ? "Success" : "UnknownError";
}

/* ---- events */

/* The end of the text, from the beginning of a character on. */
static const char *tail_of(const char *text)
{
	size_t n = strlen(text);

	if (n <= LOG_TAIL_BYTES)
		return text;
	text += n - LOG_TAIL_BYTES;
	while (((unsigned char)*text & 0xC0) == 0x80)
		text++;
	return text;
}

static json_t *text_or_empty(const char *text)
{
	return json_text(text ? text : "");
}

static json_t *diagnostics_to_json(const struct event_record *record)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "errorCode", error_code_name(record),
		"scriptName", text_or_empty(record->script_name), "message",
		text_or_empty(record->message), "logTail",
		text_or_empty(record->log_tail ? tail_of(record->log_tail) : NULL));
}

struct events {
	json_t *list;
	enum rollout_lifecycle lifecycle;
};

/* What is known of an event goes to its place in the list, which holds all of them. */
static void add_event(void *context, const struct event_record *record)
{
	const struct events *events = context;
	size_t length = rollout_lifecycle_length(events->lifecycle);
	enum target_event first = rollout_lifecycle_at(events->lifecycle, 0);
	json_t *event;

	if (record->event < first || record->event >= first + length)
		return;
	event = json_array_get(events->list, record->event - first);
	answer_time(event, "startTime", record->started_ms);
	answer_time(event, "endTime", record->ended_ms);
	if (record->ended_ms > 0)
		(void)json_object_set_new(event, "diagnostics", diagnostics_to_json(record));
}

static json_t *events_to_json(
	const struct target_frame *frame, const struct target_record *record, struct error *err)
{
	struct events events = { json_array(), frame->lifecycle };

	for (size_t i = 0; i < rollout_lifecycle_length(frame->lifecycle); i++)
		(void)json_array_append_new(events.list,
			json_pack("{s:s, s:s}", "lifecycleEventName",
				target_event_name(rollout_lifecycle_at(frame->lifecycle, i)),
				"status", event_status_name(record->target.events[i])));
	if (store_read_events(frame->store, frame->deployment_id, record->position, add_event,
		    &events, err) < 0) {
		json_decref(events.list);
		return NULL;
	}
	return events.list;
}

json_t *target_to_json(const struct target_frame *frame, const struct target_record *record,
	bool is_summary, struct error *err)
{
	cleanup_with(freep) char *arn = arn_of_target(frame->settings, record->host_name);
	json_t *events = events_to_json(frame, record, err);
	json_t *target;

	if (!events)
		return NULL;
	target = json_object();
	answer_text(target, "deploymentId", frame->deployment_id);
	answer_text(target, is_summary ? "instanceId" : "targetId", record->host_name);
	if (!is_summary)
		answer_text(target, "targetArn", arn);
	answer_text(target, "status", target_state_name(record->target.state));
	answer_time(target, "lastUpdatedAt", record->updated_ms);
	(void)json_object_set_new(target, "lifecycleEvents", events);
	return target;
}
