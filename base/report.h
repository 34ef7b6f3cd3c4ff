/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diagnostic.h"

/*
 * Where the parts of the parser put what they find: each with its place in the one file that
 * is read. At most REPORT_LIMIT errors and as many warnings are kept; one more of each says
 * that there were others, so that a hostile file cannot fill the memory with complaints.
 */
enum { REPORT_LIMIT = 100 };

struct report {
	const char *name; /* the file, for messages; borrowed */
	struct diagnostics *diagnostics;
	size_t n_errors;
	size_t n_warnings;
};

void report_error(struct report *report, struct mark mark, const char *id, const char *format,
	...) __attribute__((format(printf, 4, 5)));
void report_warning(struct report *report, struct mark mark, const char *id, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* ", did you mean 'x'?" or "", the nearest of the names; empty as well once no more warnings
 * are kept, since looking takes time. */
struct hint {
	char text[96];
};
struct hint report_hint(
	const struct report *report, const char *name, const char *const *names, size_t n);

/*
 * A text as a message shows it: control characters escaped, cut after 60 characters. For one
 * message: the array lives as long as the block that holds the call.
 */
enum { QUOTE_SIZE = 60 * 4 + 8 };
const char *quote_into(char ret[static QUOTE_SIZE], const char *text);
#define quote(text) quote_into((char[QUOTE_SIZE]){ 0 }, text)
