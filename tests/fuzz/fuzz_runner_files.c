/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The three files by which the agent and a hook's runner speak to each other. The first byte
 * says which one: 'r'equest.json, 's'tarted or result.json ('d'one).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "hooks/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void parse_request(const char *text, size_t n)
{
	struct request request = { 0 };
	struct error err = ERROR_NONE;

	if (request_parse(&request, text, n, &err) < 0) {
		check(err.text[0] && !request.location && !request.environment);
		return;
	}
	check(request.timeout_s > 0 && request.location[0] && request.bundle_dir[0] == '/');
	for (char **at = request.environment; *at; at++)
		check(strchr(*at, '='));
	request_done(&request);
}

static void parse_started(const char *text, size_t n)
{
	struct started started = { 0 };
	struct error err = ERROR_NONE;

	if (started_parse(&started, text, n, &err) < 0) {
		check(err.text[0] && !started.cgroup);
		return;
	}
	check(started.pid > 1 && started.script_pid > 1 && strlen(started.boot_id) == 36);
	check(!started.cgroup || !strstr(started.cgroup, "/../"));
	started_done(&started);
}

static void parse_result(const char *text, size_t n)
{
	struct hook_result result = { 0 };
	struct error err = ERROR_NONE;

	if (result_parse(&result, text, n, &err) < 0) {
		check(err.text[0] && !result.message);
		return;
	}
	check(result.message[0] && strlen(result.log) <= RESULT_LOG_LIMIT_BYTES);
	check(result.code <= HOOK_FAILED_AFTER_RESTART && result.signal <= 64);
	result_done(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data + 1;

	if (n == 0)
		return 0;
	if (data[0] == 'r')
		parse_request(text, n - 1);
	else if (data[0] == 's')
		parse_started(text, n - 1);
	else
		parse_result(text, n - 1);
	return 0;
}
