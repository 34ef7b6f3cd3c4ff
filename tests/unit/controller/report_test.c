/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "controller/model.h"
#include "unit.h"

static struct event_record read_payload(const char *payload, size_t n, bool succeeded)
{
	cleanup_with(json_decrefp) json_t *diagnostics = json_object();
	struct event_record record = { 0 };

	json_object_set_new(diagnostics, "Format", json_string("JSON"));
	json_object_set_new(diagnostics, "Payload", json_stringn(payload, n));
	report_read(diagnostics, succeeded, &record);
	return record;
}

static void reads(const char *payload, bool succeeded, int code, const char *script,
	const char *message, const char *log)
{
	struct event_record record = read_payload(payload, strlen(payload), succeeded);

	ck_assert_int_eq(record.error_code, code);
	ck_assert_str_eq(record.script_name, script);
	ck_assert_str_eq(record.message, message);
	ck_assert_str_eq(record.log_tail, log);
	event_record_done(&record);
}

START_TEST(what_agents_send_is_taken_over)
{
	reads("{\"error_code\":4,\"script_name\":\"s.sh\",\"message\":\"status 3\","
	      "\"log\":\"[stderr]no\\n\"}",
		false, 4, "s.sh", "status 3", "[stderr]no\n");
	reads("{\"error_code\":0,\"script_name\":\"\",\"message\":\"Succeeded: "
	      "\",\"log\":\"\"}",
		true, 0, "", "Succeeded", "");
	reads("{\"message\":\"Succeeded: BundleSource=downloaded\"}", true, 0, "",
		"Succeeded: BundleSource=downloaded", "");
}
END_TEST

START_TEST(a_code_that_is_none_is_unknown)
{
	reads("{\"error_code\":\"Unknown\"}", false, 5, "", "", "");
	reads("{\"error_code\":0}", false, 5, "", "", "");
	reads("{\"error_code\":8}", false, 5, "", "", "");
	reads("{\"error_code\":-1}", false, 5, "", "", "");
	reads("{\"error_code\":4.0}", false, 5, "", "", "");
	reads("{\"error_code\":99999999999999999}", false, 5, "", "", "");
	reads("{}", false, -1, "", "", "");
	reads("{\"error_code\":4}", true, 0, "", "", "");
}
END_TEST

START_TEST(what_is_not_json_is_shown_as_it_came)
{
	reads("out of memory", false, -1, "", "out of memory", "");
	reads("[1]", false, -1, "", "[1]", "");
	reads("", true, 0, "", "Succeeded", "");
	reads("{\"message\":7,\"log\":null,\"script_name\":[]}", false, -1, "", "", "");
}
END_TEST

START_TEST(diagnostics_may_be_anything)
{
	const char *const texts[] = { "[]", "{}", "{\"Payload\":7}", "{\"Payload\":null}" };
	struct event_record record = { 0 };

	report_read(NULL, false, &record);
	ck_assert_int_eq(record.error_code, -1);
	ck_assert_str_eq(record.message, "");
	event_record_done(&record);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_with(json_decrefp) json_t *any = json_loads(texts[i], 0, NULL);

		report_read(any, true, &record);
		ck_assert_str_eq(record.message, "Succeeded");
		event_record_done(&record);
		ck_assert(!report_is_noop(any));
	}
}
END_TEST

START_TEST(zero_bytes_in_output_spoil_nothing)
{
	reads("{\"error_code\":4,\"log\":\"a\\u0000b\"}", false, 4, "", "",
		"a\xef\xbf\xbd"
		"b");
}
END_TEST

static struct event_record read_long(const char *member, const char *unit, size_t n)
{
	struct event_record record;
	json_t *payload = json_object();
	char *text = xcalloc(n, strlen(unit) + 1);
	char *dumped;

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * strlen(unit), unit, strlen(unit));
	memcpy(text, "<", 1);
	text[n * strlen(unit) - 1] = '>';
	json_object_set_new(payload, member, json_string(text));
	dumped = json_dumps(payload, 0);
	record = read_payload(dumped, strlen(dumped), false);
	free(dumped);
	free(text);
	json_decref(payload);
	return record;
}

START_TEST(a_long_log_keeps_its_end)
{
	struct event_record record = read_long("log", "x", 300000);

	ck_assert_uint_eq(strlen(record.log_tail), REPORT_LIMIT_LOG_BYTES);
	ck_assert_int_eq(record.log_tail[REPORT_LIMIT_LOG_BYTES - 1], '>');
	event_record_done(&record);
}
END_TEST

START_TEST(a_long_message_keeps_its_beginning)
{
	struct event_record record = read_long("message", "y", 300000);

	ck_assert_uint_eq(strlen(record.message), REPORT_LIMIT_MESSAGE_BYTES);
	ck_assert_int_eq(record.message[0], '<');
	event_record_done(&record);
}
END_TEST

/* Three bytes a character, which 4,096 is no multiple of. */
START_TEST(texts_are_cut_between_characters)
{
	char text[5002];
	cleanup_with(freep) char *payload = NULL;
	struct event_record record;

	for (size_t i = 0; i + 3 <= 5001; i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	text[5001] = '\0';
	payload = xasprintf("{\"log\":\"%s\",\"message\":\"%s\"}", text, text);
	record = read_payload(payload, strlen(payload), false);
	ck_assert_uint_eq(strlen(record.log_tail), 4095);
	ck_assert_uint_eq(strlen(record.message), 4095);
	ck_assert(memcmp(record.log_tail, text, 4095) == 0);
	ck_assert(memcmp(record.message, text, 4095) == 0);
	event_record_done(&record);
}
END_TEST

/* One byte becomes three: cut once more, between characters. */
START_TEST(repaired_texts_stay_within_the_limit)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	struct event_record record;

	buf_puts(&payload, "{\"log\":\"");
	for (int i = 0; i < 4096; i++)
		buf_puts(&payload, "\\u0000");
	buf_puts(&payload, "\"}");
	record = read_payload(payload.data, payload.len, false);
	ck_assert_uint_eq(strlen(record.log_tail), 4095);
	ck_assert(memcmp(record.log_tail, "\xef\xbf\xbd", 3) == 0);
	event_record_done(&record);
}
END_TEST

START_TEST(noops_are_announced)
{
	cleanup_with(json_decrefp) json_t *yes = json_loads(
		"{\"Payload\":\"{\\\"IsCommandNoop\\\":true}\"}", 0, NULL);
	cleanup_with(json_decrefp) json_t *no = json_loads(
		"{\"Payload\":\"{\\\"IsCommandNoop\\\":false}\"}", 0, NULL);

	ck_assert(report_is_noop(yes));
	ck_assert(!report_is_noop(no));
	ck_assert(!report_is_noop(NULL));
}
END_TEST

START_TEST(codes_have_the_names_of_the_api)
{
	ck_assert_str_eq(report_error_name(0), "Success");
	ck_assert_str_eq(report_error_name(1), "ScriptMissing");
	ck_assert_str_eq(report_error_name(2), "ScriptNotExecutable");
	ck_assert_str_eq(report_error_name(3), "ScriptTimedOut");
	ck_assert_str_eq(report_error_name(4), "ScriptFailed");
	ck_assert_str_eq(report_error_name(5), "UnknownError");
	ck_assert_str_eq(report_error_name(6), "ScriptFailed");
	ck_assert_str_eq(report_error_name(7), "UnknownError");
	ck_assert_str_eq(report_error_name(-1), "UnknownError");
	ck_assert_str_eq(report_error_name(99), "UnknownError");
}
END_TEST

TESTS("report", what_agents_send_is_taken_over, a_code_that_is_none_is_unknown,
	what_is_not_json_is_shown_as_it_came, diagnostics_may_be_anything,
	zero_bytes_in_output_spoil_nothing, a_long_log_keeps_its_end,
	a_long_message_keeps_its_beginning, texts_are_cut_between_characters,
	repaired_texts_stay_within_the_limit, noops_are_announced,
	codes_have_the_names_of_the_api)
