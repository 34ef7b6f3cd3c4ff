/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <jansson.h>

/*
 * Values of answers. Reals in them are times only: seconds since 1970 with three digits, as
 * AWS sends them. An answer is therefore written with json_dumps(answer, ANSWER_FLAGS), or
 * clients see 1795190163.1179999.
 */
#define ANSWER_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(13))

/* Sets a time; none if it is 0. */
void answer_time(json_t *object, const char *member, uint64_t time_ms);

/* Sets a text; none if it is NULL or empty. What is not UTF-8 becomes U+FFFD. */
void answer_text(json_t *object, const char *member, const char *text);

/* Sets what a text holds that the controller once stored as JSON; none if it is NULL. */
void answer_json(json_t *object, const char *member, const char *text);
