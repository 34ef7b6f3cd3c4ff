/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static char *const environment[] = { (char *)"A=b", (char *)"ODD=caf\xe9", (char *)"E=", NULL };

static const struct hook_spec spec = {
	.deployment_id = "d-1",
	.event = "AfterInstall",
	.location = "scripts/a b.sh",
	.bundle_dir = "/srv/b\xff",
	.working_dir = "/",
	.timeout_s = 30,
	.runas = "nobody",
	.sudo = true,
	.environment = environment,
	.scripts_log = "/log/scripts.log",
	.first_of_event = true,
};

static const char request_text[] =
	"{\"deployment_id\":\"d-1\",\"event\":\"AfterInstall\",\"location\":\"scripts/a b.sh\","
	"\"bundle_dir\":{\"hex\":\"2f7372762f62ff\"},\"working_dir\":\"/\","
	"\"runas\":\"nobody\",\"scripts_log\":\"/log/scripts.log\",\"deployments_log\":null,"
	"\"environment\":[\"A=b\",{\"hex\":\"4f44443d636166e9\"},\"E=\"],\"timeout_s\":30,"
	"\"sudo\":true,\"first_of_event\":true}\n";

static const char started_text[] =
	"{\"boot_id\":\"0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f\",\"pid\":12,\"start_time\":34,"
	"\"script_pid\":56,\"script_start_time\":78,"
	"\"cgroup\":\"/sys/fs/cgroup/drover-hook-1.scope/script\"}\n";

static const char result_text[] =
	"{\"code\":4,\"exit_status\":3,\"signal\":0,\"message\":\"m\",\"log\":\"[stdout]x\\n\","
	"\"note\":null,\"duration_ms\":1234}\n";

static void assert_file(const char *name, const char *expected)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(file_read(test_dir_fd(), name, 100000, &text, NULL), 0);
	ck_assert_str_eq(text.data, expected);
}

START_TEST(a_request_keeps_any_bytes)
{
	cleanup_with(request_done) struct request request = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(request_write(test_dir_fd(), &spec, &err), 0);
	assert_file("request.json", request_text);
	ck_assert_int_eq(request_read(&request, test_dir_fd(), &err), 0);
	ck_assert_str_eq(request.location, "scripts/a b.sh");
	ck_assert_str_eq(request.bundle_dir, "/srv/b\xff");
	ck_assert_str_eq(request.runas, "nobody");
	ck_assert_str_eq(request.environment[1], "ODD=caf\xe9");
	ck_assert_str_eq(request.environment[2], "E=");
	ck_assert_ptr_null(request.environment[3]);
	ck_assert_ptr_null(request.deployments_log);
	ck_assert_uint_eq(request.timeout_s, 30);
	ck_assert(request.sudo && request.first_of_event);
}
END_TEST

START_TEST(a_start_is_read_as_it_was_written)
{
	cleanup_with(started_done) struct started started = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(started_parse(&started, started_text, strlen(started_text), &err), 0);
	ck_assert_str_eq(started.boot_id, "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f");
	ck_assert_int_eq(started.pid, 12);
	ck_assert_uint_eq(started.start_time, 34);
	ck_assert_int_eq(started.script_pid, 56);
	ck_assert_uint_eq(started.script_start_time, 78);
	ck_assert_str_eq(started.cgroup, "/sys/fs/cgroup/drover-hook-1.scope/script");
	ck_assert_int_eq(started_write(test_dir_fd(), &started, &err), 0);
	assert_file("started", started_text);
}
END_TEST

START_TEST(a_result_is_read_as_it_was_written)
{
	cleanup_with(result_done) struct hook_result result = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(result_parse(&result, result_text, strlen(result_text), &err), 0);
	ck_assert_int_eq(result.code, HOOK_SCRIPT_FAILED);
	ck_assert_int_eq(result.exit_status, 3);
	ck_assert_str_eq(result.log, "[stdout]x\n");
	ck_assert_ptr_null(result.note);
	ck_assert_uint_eq(result.duration_ms, 1234);
	ck_assert_int_eq(result_write(test_dir_fd(), &result, &err), 0);
	assert_file("result.json", result_text);
}
END_TEST

/* The last byte is a newline, without which each is complete. */
START_TEST(whatever_is_cut_off_is_refused)
{
	struct request request = { 0 };
	struct started started = { 0 };
	struct hook_result result = { 0 };
	struct error err = ERROR_NONE;

	for (size_t n = 0; n < strlen(request_text) - 1; n++)
		ck_assert_int_eq(request_parse(&request, request_text, n, &err), -EBADMSG);
	for (size_t n = 0; n < strlen(started_text) - 1; n++)
		ck_assert_int_eq(started_parse(&started, started_text, n, &err), -EBADMSG);
	for (size_t n = 0; n < strlen(result_text) - 1; n++)
		ck_assert_int_eq(result_parse(&result, result_text, n, &err), -EBADMSG);
}
END_TEST

/* A copy in which one part is another. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_ptr_nonnull(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

START_TEST(a_request_that_does_not_fit_is_refused)
{
	static const struct {
		const char *from, *to, *message;
	} rows[] = {
		{ "\"timeout_s\":30", "\"timeout_s\":0",
			"member \"timeout_s\" is 0, allowed are 1 to 2147483647" },
		{ "\"timeout_s\":30", "\"timeout_s\":1.5",
			"member \"timeout_s\" is not an integer" },
		{ "\"sudo\":true", "\"sudo\":1", "member \"sudo\" is neither true nor false" },
		{ "\"/log/scripts.log\"", "\"scripts.log\"",
			"member \"scripts_log\" is not an absolute path" },
		{ "\"d-1\"", "\"\"", "member \"deployment_id\" is empty" },
		{ "\"d-1\"", "null", "member \"deployment_id\" is missing" },
		{ "\"d-1\"", "7", "member \"deployment_id\" is no text" },
		{ "2f7372762f62ff", "2f7372762f62f", "member \"bundle_dir\" is no text" },
		{ "2f7372762f62ff", "2f7372762f6200", "member \"bundle_dir\" is no text" },
		{ "\"A=b\"", "\"=b\"", "member \"environment\": entry 0 is not NAME=value" },
		{ "\"A=b\"", "\"A\"", "member \"environment\": entry 0 is not NAME=value" },
		{ "\"sudo\"", "\"su\"", "unknown member \"su\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_with(freep) char *text = changed(
			request_text, rows[i].from, rows[i].to);
		struct request request = { 0 };
		struct error err = ERROR_NONE;

		ck_assert_int_eq(request_parse(&request, text, strlen(text), &err), -EBADMSG);
		ck_assert_str_eq(err.text, rows[i].message);
	}
}
END_TEST

START_TEST(a_start_that_could_get_the_wrong_ones_killed_is_refused)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ ":12", ":1" },
		{ ":12", ":-1" },
		{ ":12", ":4294967298" },
		{ ":56", ":0" },
		{ ":56", ":1" },
		{ "-0f0f0f0f0f0f\"", "\"" },
		{ "/sys/fs/cgroup/drover-hook-1.scope/script", "/sys/fs/cgroup" },
		{ "/sys/fs/cgroup/drover-hook-1.scope/script",
			"/sys/fs/cgroup/system.slice/script" },
		{ "/sys/fs/cgroup/drover-hook-1.scope/script",
			"/sys/fs/cgroup/drover-hook-1.scope/../script" },
		{ "/sys/fs/cgroup/drover-hook-1.scope/script",
			"/sys/fs/cgroup/drover-hook-1.scope" },
		{ "/sys/fs/cgroup/drover-hook-1.scope/script", "/drover-hook-1.scope/script" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_with(freep) char *text = changed(
			started_text, rows[i].from, rows[i].to);
		struct started started = { 0 };
		struct error err = ERROR_NONE;

		ck_assert_int_eq(started_parse(&started, text, strlen(text), &err), -EBADMSG);
	}
}
END_TEST

START_TEST(a_result_that_does_not_fit_is_refused)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ ":4,", ":8," },
		{ ":4,", ":-1," },
		{ ":3,", ":256," },
		{ ":3,", ":-2," },
		{ ":0,", ":65," },
		{ "\"m\"", "\"\"" },
		{ "\"m\"", "null" },
		{ ":1234", ":-1" },
		{ "null", "7" },
	};
	cleanup_with(freep) char *much = xcalloc(1, 2051);
	cleanup_with(freep) char *text = NULL;
	struct hook_result result = { 0 };
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_with(freep) char *one = changed(result_text, rows[i].from, rows[i].to);

		ck_assert_int_eq(result_parse(&result, one, strlen(one), &err), -EBADMSG);
	}
	(void)memset(much, 'x', 2049);
	text = changed(result_text, "[stdout]x\\n", much);
	ck_assert_int_eq(result_parse(&result, text, strlen(text), &err), -EBADMSG);
	ck_assert_str_eq(err.text, "member \"log\" is longer than 2048 bytes");
}
END_TEST

START_TEST(a_result_without_text_still_has_a_log)
{
	cleanup_with(result_done) struct hook_result result = { 0 };
	static const char text[] =
		"{\"code\":0,\"exit_status\":0,\"signal\":0,\"message\":\"m\","
		"\"duration_ms\":0,\"later\":1}";

	ck_assert_int_eq(result_parse(&result, text, strlen(text), NULL), 0);
	ck_assert_str_eq(result.log, "");
}
END_TEST

START_TEST(texts_that_are_too_long_are_cut_so_that_the_result_can_be_read)
{
	cleanup_with(result_done) struct hook_result result = { 0 };
	cleanup_with(freep) char *much = xcalloc(1, 10001);
	struct error err = ERROR_NONE;

	(void)memset(much, 0xff, 10000);
	ck_assert_int_eq(
		result_write(test_dir_fd(),
			&(struct hook_result){
				.exit_status = -1, .message = much, .log = much, .note = much },
			&err),
		0);
	ck_assert_int_eq(result_read(&result, test_dir_fd(), &err), 0);
	ck_assert_uint_eq(strlen(result.message), 4095); /* whole characters of three bytes */
	ck_assert_uint_eq(strlen(result.log), 2046);
	ck_assert_uint_eq(strlen(result.note), 4095);
}
END_TEST

START_TEST(a_request_that_the_runner_would_refuse_is_not_written)
{
	struct hook_spec wrong = spec;
	struct error err = ERROR_NONE;

	wrong.timeout_s = 0;
	ck_assert_int_eq(request_write(test_dir_fd(), &wrong, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "cannot ask for the script: member \"timeout_s\" is 0, "
				   "allowed are 1 to 2147483647");
	ck_assert(!file_exists(test_dir_fd(), "request.json"));
}
END_TEST

TESTS("record", a_request_keeps_any_bytes, a_start_is_read_as_it_was_written,
	a_result_is_read_as_it_was_written, whatever_is_cut_off_is_refused,
	a_request_that_does_not_fit_is_refused,
	a_start_that_could_get_the_wrong_ones_killed_is_refused,
	a_result_that_does_not_fit_is_refused, a_result_without_text_still_has_a_log,
	texts_that_are_too_long_are_cut_so_that_the_result_can_be_read,
	a_request_that_the_runner_would_refuse_is_not_written)
