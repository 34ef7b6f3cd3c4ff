/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent/report.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/time.h"

static const char *const kinds[] = {
	[NOTICE_STARTED] = "started",
	[NOTICE_FINDING] = "finding",
	[NOTICE_PROGRESS] = "progress",
	[NOTICE_EVENT_STARTED] = "event-started",
	[NOTICE_SCRIPT_STARTED] = "script-started",
	[NOTICE_SCRIPT_ENDED] = "script-ended",
	[NOTICE_EVENT_ENDED] = "event-ended",
	[NOTICE_ENDED] = "ended",
};

static const char *const outcomes[] = {
	[DEPLOYMENT_SUCCEEDED] = "succeeded",
	[DEPLOYMENT_FAILED] = "failed",
	[DEPLOYMENT_REFUSED] = "refused",
	[DEPLOYMENT_CANCELLED] = "cancelled",
};

static void put_text(json_t *json, const char *member, const char *text)
{
	if (text)
		(void)json_object_set_new(json, member, json_text(text));
}

static void put_number(json_t *json, const char *member, uint64_t number)
{
	(void)json_object_set_new(json, member, json_integer((json_int_t)number));
}

static void print_line(json_t *json)
{
	cleanup_with(freep) char *line = json_dumps(json, JSON_COMPACT);

	if (line)
		(void)puts(line);
	(void)fflush(stdout);
	json_decref(json);
}

static json_t *object_of(const char *type)
{
	json_t *json = json_object();
	char now[21];

	time_format_utc(time_now_ms(), now);
	put_text(json, "type", type);
	put_text(json, "time", now);
	return json;
}

static void put_result(json_t *json, const struct deployment_result *result)
{
	put_text(json, "outcome", outcomes[result->outcome]);
	put_number(json, "code", (uint64_t)result->code);
	put_text(json, "event", result->event);
	put_text(json, "script", result->script);
	put_text(json, "message", result->message);
	put_text(json, "log", result->log);
	put_number(json, "duration_ms", result->duration_ms);
}

static void put_sizes(json_t *json, const struct deployment_notice *notice)
{
	put_number(json, "bytes", notice->bytes);
	put_number(json, "files", notice->files);
	if (notice->total_bytes > 0)
		put_number(json, "total_bytes", notice->total_bytes);
}

static void put_end(json_t *json, const struct deployment_notice *notice)
{
	(void)json_object_set_new(json, "failed", json_boolean(notice->failed));
	put_number(json, "duration_ms", notice->duration_ms);
}

static void put_members(
	json_t *json, const struct report *report, const struct deployment_notice *notice)
{
	switch (notice->kind) {
	case NOTICE_STARTED:
		put_text(json, "group", report->label);
		put_text(json, "location", report->location);
		put_text(json, "user", report->user);
		put_sizes(json, notice);
		break;
	case NOTICE_FINDING:
		put_text(json, "severity",
			notice->severity == SEVERITY_ERROR ? "error" : "warning");
		break;
	case NOTICE_PROGRESS:
		put_sizes(json, notice);
		break;
	case NOTICE_EVENT_ENDED:
		(void)json_object_set_new(json, "skipped", json_boolean(notice->skipped));
		put_end(json, notice);
		break;
	case NOTICE_SCRIPT_ENDED:
		put_end(json, notice);
		break;
	case NOTICE_ENDED:
		put_result(json, notice->result);
		break;
	case NOTICE_EVENT_STARTED:
	case NOTICE_SCRIPT_STARTED:
		break;
	}
}

/* With --quiet only how it ended, and only if badly. */
static bool is_wanted(const struct report *report, const struct deployment_notice *notice)
{
	return !report->quiet || (notice->kind == NOTICE_ENDED &&
					 notice->result->outcome != DEPLOYMENT_SUCCEEDED);
}

void report_json_notice(const struct report *report, const struct deployment_notice *notice)
{
	json_t *json;

	if (!is_wanted(report, notice))
		return;
	json = object_of(kinds[notice->kind]);
	put_text(json, "deployment", report->id);
	put_text(json, "event", notice->event);
	put_text(json, "script", notice->script);
	put_text(json, "bundle_of", notice->bundle_of);
	put_text(json, "text", notice->text);
	put_members(json, report, notice);
	print_line(json);
}

void report_json_note(const char *text)
{
	json_t *json = object_of("note");

	put_text(json, "text", text);
	print_line(json);
}
