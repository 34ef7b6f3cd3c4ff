/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "controller/call.h"

/*
 * The core without doors, for tests of operations: real fleet, store (in test_dir()) and
 * deployments; the test moves the clock. One at a time: check runs each test in a process of
 * its own.
 *
 * JSON is written with ' for ". In what is expected, '*' stands for any value; members and
 * elements must be exactly those.
 */
#define API_CASE_START_MS 1795190400123 /* 2026-11-20 16:00:00.123 */

extern struct parts api_parts;
extern uint64_t api_now_ms;

/* Begins with an empty database; the tables hold the operations that the test calls. */
void api_start(const struct operation *const *tables, size_t n_tables);

/* As after a kill: everything is loaded anew from what was committed. */
void api_restart(void);
void api_stop(void);

/* The answer, 200 or not, for the caller to release; commits what was changed. */
json_t *api_run(const char *operation, const char *input, int *ret_status);

json_t *api_run_json(const char *operation, const json_t *input, int *ret_status);

/* JSON with ' for ", for the caller to release. */
json_t *api_parse(const char *text);

/* It must succeed with this answer. */
void api_expect(const char *operation, const char *input, const char *answer);

/* It must fail with status 400, this __type, and a message that holds these words. */
void api_expect_error(
	const char *operation, const char *input, const char *type, const char *words);

/* Whether they are alike; otherwise the test fails and shows both. */
void api_compare(const char *what, const json_t *given, const char *expected);

/* One line of a table: an error if `type` is not NULL, else the answer. */
struct api_line {
	const char *operation;
	const char *input;
	const char *type;
	const char *words; /* or the answer */
};
void api_expect_lines(const struct api_line *lines, size_t n);
