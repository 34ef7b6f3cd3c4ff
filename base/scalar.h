/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * What a plain (unquoted) scalar means by the rules of YAML 1.1 as Ruby's library
 * applies them: `yes` is a boolean, `0755` an octal number, `0888`, `0o755` and `1e3` are
 * text, `1,000` is a number. Dates are text here.
 */
enum scalar_type { SCALAR_NULL, SCALAR_BOOLEAN, SCALAR_INTEGER, SCALAR_FLOAT, SCALAR_TEXT };

enum scalar_type scalar_type(const char *text);

/* For a text of type boolean. */
bool scalar_boolean(const char *text);

/* For a text of type integer; what does not fit is INT64_MAX or INT64_MIN. Base 60 as YAML 1.1
 * has it: 5:00 is 300. */
int64_t scalar_integer(const char *text);

/* For a text of type float; `.inf` and `.nan` as well. */
double scalar_float(const char *text);

/* Integers that are not written as plain decimal digits. */
bool scalar_is_octal(const char *text);       /* 0755 */
bool scalar_is_sexagesimal(const char *text); /* 5:00 */
