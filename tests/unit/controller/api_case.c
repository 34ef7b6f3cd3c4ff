/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/time.h"
#include "controller/answer.h"
#include "controller/clock.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "controller/store.h"
#include "unit.h"

enum { TABLES_LIMIT = 16 };

struct parts api_parts;
uint64_t api_now_ms = API_CASE_START_MS;

static const struct operation *operations[TABLES_LIMIT];
static size_t n_operations;
static struct core_clock test_clock;
static char region[] = "eu-x-1";
static struct settings test_settings = { .account = "000000000000",
	.region = region,
	.rollout = {
		.start_timeout_ms = 300000,
		.event_timeout_ms = 3600000,
		.gone_timeout_ms = 300000,
		.traffic_timeout_ms = 3600000,
		.deployment_timeout_ms = 43200000,
		.vanish_percent = 20,
		.vanish_window_ms = 60000,
	} };

static void load(void)
{
	cleanup_with(freep) char *path = xasprintf("%s/droverd.db", test_dir());
	struct error err = ERROR_NONE;

	core_clock_init(&test_clock, api_now_ms, time_boot_ms(), 0);
	api_parts = (struct parts){ .settings = &test_settings, .started_ms = api_now_ms };
	ck_assert_msg(loop_new(&api_parts.loop, &err) == 0, "%s", err.text);
	ck_assert_msg(store_open(&api_parts.store, path, &err) == 0, "%s", err.text);
	api_parts.fleet = fleet_new();
	ck_assert_msg(fleet_load(api_parts.fleet, api_parts.store, &err) == 0, "%s", err.text);
	api_parts.deployments = deployments_new(api_parts.loop, api_parts.fleet,
		api_parts.store, &test_settings, &test_clock, NULL);
	ck_assert_msg(
		deployments_load(api_parts.deployments, api_now_ms, &err) == 0, "%s", err.text);
}

void api_start(const struct operation *const *tables, size_t n_tables)
{
	ck_assert_uint_le(n_tables, TABLES_LIMIT);
	memcpy(operations, tables, n_tables * sizeof(*tables));
	n_operations = n_tables;
	(void)log_set_level("error");
	load();
}

void api_stop(void)
{
	deployments_free(api_parts.deployments);
	fleet_free(api_parts.fleet);
	store_close(api_parts.store);
	loop_free(api_parts.loop);
	api_parts = (struct parts){ 0 };
}

void api_restart(void)
{
	api_stop();
	load();
}

static call_fn *find_operation(const char *name)
{
	for (size_t i = 0; i < n_operations; i++) {
		for (const struct operation *one = operations[i]; one->name; one++) {
			if (strcmp(one->name, name) == 0)
				return one->handle;
		}
	}
	ck_abort_msg("there is no operation %s", name);
	return NULL;
}

json_t *api_parse(const char *text)
{
	cleanup_with(freep) char *copy = xstrdup(text);
	json_error_t error;
	json_t *json;

	for (char *c = copy; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	json = json_loads(copy, JSON_DECODE_ANY, &error);
	ck_assert_msg(json != NULL, "%s: %s", text, error.text);
	return json;
}

static void on_ended(struct call *call)
{
	(void)call;
}

json_t *api_run(const char *operation, const char *input, int *ret_status)
{
	cleanup_with(json_decrefp) json_t *json = api_parse(input);

	return api_run_json(operation, json, ret_status);
}

json_t *api_run_json(const char *operation, const json_t *input, int *ret_status)
{
	struct error err = ERROR_NONE;
	struct call call;
	json_t *output;

	call_init(&call, &api_parts, on_ended);
	call.operation = operation;
	call.input = input;
	call.now_ms = api_now_ms;
	call.who.is_root = true;
	store_set_actor(api_parts.store, "", api_now_ms);
	find_operation(operation)(&call);
	ck_assert_msg(call.state == CALL_ENDED, "%s did not end", operation);
	ck_assert_msg(store_commit(api_parts.store, &err) == 0, "%s: %s", operation, err.text);
	*ret_status = call.status;
	output = json_incref(call.output);
	call_done(&call);
	return output;
}

/* ---- comparing ---- */

static bool is_alike(const json_t *given, const json_t *expected)
{
	const char *name;
	json_t *value;
	size_t i;

	if (json_is_string(expected) && strcmp(json_string_value(expected), "*") == 0)
		return given;
	if (json_is_array(expected) && json_array_size(given) == json_array_size(expected)) {
		json_array_foreach((json_t *)expected, i, value)
		{
			if (!is_alike(json_array_get(given, i), value))
				return false;
		}
		return json_is_array(given);
	}
	if (json_is_object(expected) && json_object_size(given) == json_object_size(expected)) {
		json_object_foreach((json_t *)expected, name, value)
		{
			if (!is_alike(json_object_get(given, name), value))
				return false;
		}
		return json_is_object(given);
	}
	return json_equal(given, expected);
}

void api_compare(const char *what, const json_t *given, const char *expected)
{
	cleanup_with(json_decrefp) json_t *json = api_parse(expected);
	cleanup_with(freep) char *is = json_dumps(given, ANSWER_FLAGS | JSON_ENCODE_ANY);
	cleanup_with(freep) char *should_be = json_dumps(json, ANSWER_FLAGS | JSON_ENCODE_ANY);

	ck_assert_msg(
		is_alike(given, json), "%s:\n  answers %s\n  expected %s", what, is, should_be);
}

void api_expect(const char *operation, const char *input, const char *answer)
{
	cleanup_with(freep) char *what = xasprintf("%s %s", operation, input);
	cleanup_with(json_decrefp) json_t *output = NULL;
	int status;

	output = api_run(operation, input, &status);
	api_compare(what, output, answer);
	ck_assert_msg(status == 200, "%s: status %d", what, status);
}

void api_expect_error(
	const char *operation, const char *input, const char *type, const char *words)
{
	cleanup_with(json_decrefp) json_t *output = NULL;
	const char *message;
	const char *given;
	int status;

	output = api_run(operation, input, &status);
	given = json_string_value(json_object_get(output, "__type"));
	message = json_string_value(json_object_get(output, "message"));
	ck_assert_msg(given != NULL, "%s %s: no error", operation, input);
	ck_assert_msg(strcmp(given, type) == 0, "%s %s: %s (%s), expected %s", operation, input,
		given, message, type);
	ck_assert_msg(strstr(message, words) != NULL, "%s %s: '%s' without '%s'", operation,
		input, message, words);
	ck_assert_int_eq(status, 400);
}

void api_expect_lines(const struct api_line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct api_line *line = &lines[i];

		if (line->type)
			api_expect_error(line->operation, line->input, line->type, line->words);
		else
			api_expect(line->operation, line->input, line->words);
	}
}
