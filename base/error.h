/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Failures that an operator will read: a negative errno for code, a sentence for people.
 *
 * Functions that can fail return zero or more on success and a negative errno on failure; where
 * the failure will be read, their last parameter is a `struct error *`, filled once where most
 * is known. Callers add where they stood with error_wrap(). Every function here accepts err ==
 * NULL, so that a caller who does not care need not own one.
 */
struct error {
	int code;        /* 0, or the negative errno given to error_set() */
	char text[1024]; /* one sentence, lower case, no full stop; cut with "..." if longer */
};

/* clang-format off */
#define ERROR_NONE ((struct error){ 0 })
/* clang-format on */

/* Fills err; %m stands for r's text. Returns r, so that it can be returned at once. */
int error_set(struct error *err, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Another code for the same words: what was not found may be wrong use to the caller. Returns
 * r. */
int error_recode(struct error *err, int r);

/* Puts "<formatted>: " before the text that err holds. Returns err's code (or -EIO if err is
 * NULL or empty). */
int error_wrap(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
