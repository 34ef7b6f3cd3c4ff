/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/report.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"
#include "controller/model.h"

/* What agents report; the API has no name for the last two. */
enum { CODE_SUCCESS, CODE_UNKNOWN = 5, CODE_RESTARTED = 7 };

static const char *const names[] = {
	"Success", "ScriptMissing", "ScriptNotExecutable", "ScriptTimedOut", "ScriptFailed",
	"UnknownError", "ScriptFailed", /* it left its output open */
	"UnknownError",                 /* the agent was started anew meanwhile */
};

const char *report_error_name(int code)
{
	if (code < 0 || code >= (int)ARRAY_SIZE(names))
		code = CODE_UNKNOWN;
	return names[code];
}

/* ---- texts */

static bool is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The first bytes of it, or the last ones, without half a character. */
static char *cut(const char *text, size_t n, size_t limit, bool keep_end)
{
	cleanup_with(buf_done) struct buf valid = { 0 };
	const char *at;

	/* Before the repair too, which may make three bytes of one. */
	if (n > limit) {
		text += keep_end ? n - limit : 0;
		n = limit;
	}
	for (; keep_end && n > 0 && is_inside(*text); n--)
		text++;
	utf8_append_valid(&valid, text, n);
	if (valid.len <= limit)
		return buf_steal(&valid);
	if (keep_end) {
		at = valid.data + valid.len - limit;
		while (is_inside(*at))
			at++;
		return xstrdup(at);
	}
	while (limit > 0 && is_inside(valid.data[limit]))
		limit--;
	return xstrndup(valid.data, limit);
}

static char *text_of(const json_t *payload, const char *member, size_t limit, bool keep_end)
{
	const json_t *text = json_object_get(payload, member);

	if (!json_is_string(text))
		return xstrdup("");
	return cut(json_string_value(text), json_string_length(text), limit, keep_end);
}

/* ---- the report */

/* A number of the table; a failure of another kind, such as "Unknown", is unknown. */
static int code_of(const json_t *payload, bool succeeded)
{
	const json_t *code = json_object_get(payload, "error_code");
	json_int_t value = json_is_integer(code) ? json_integer_value(code) : CODE_UNKNOWN;

	if (succeeded)
		return CODE_SUCCESS;
	if (!code)
		return -1;
	return value > CODE_SUCCESS && value <= CODE_RESTARTED ? (int)value : CODE_UNKNOWN;
}

/* AWS's agents end a message without a note in ": ". */
static void trim(char *message)
{
	if (strcmp(message, "Succeeded: ") == 0)
		message[strlen("Succeeded")] = '\0';
}

static json_t *parse(const char *text, size_t n)
{
	json_error_t error;
	json_t *json;

	json = json_loadb(text, n, JSON_ALLOW_NUL, &error);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* Not the JSON it should be: shown as it came, which beats nothing. */
static char *raw_message(const json_t *payload, bool succeeded)
{
	if (json_string_length(payload) > 0)
		return cut(json_string_value(payload), json_string_length(payload),
			REPORT_LIMIT_MESSAGE_BYTES, false);
	return xstrdup(succeeded ? "Succeeded" : "");
}

void report_read(const json_t *diagnostics, bool succeeded, struct event_record *ret)
{
	const json_t *payload = json_object_get(diagnostics, "Payload");
	cleanup_with(json_decrefp) json_t *report = NULL;

	if (json_is_string(payload))
		report = parse(json_string_value(payload), json_string_length(payload));
	ret->error_code = code_of(report, succeeded);
	ret->script_name = text_of(report, "script_name", REPORT_LIMIT_SCRIPT_BYTES, false);
	ret->log_tail = text_of(report, "log", REPORT_LIMIT_LOG_BYTES, true);
	if (report)
		ret->message = text_of(report, "message", REPORT_LIMIT_MESSAGE_BYTES, false);
	else
		ret->message = raw_message(payload, succeeded);
	trim(ret->message);
}

bool report_is_noop(const json_t *diagnostics)
{
	const json_t *payload = json_object_get(diagnostics, "Payload");
	cleanup_with(json_decrefp) json_t *report = NULL;

	if (json_is_string(payload))
		report = parse(json_string_value(payload), json_string_length(payload));
	return json_is_true(json_object_get(report, "IsCommandNoop"));
}
