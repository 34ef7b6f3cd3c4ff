/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <string.h>

#include "appspec/appspec.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "unit.h"

/* "1:1 E-VERSION, 3:5 W-KEY-UNKNOWN": what an appspec's text gives rise to. The caller frees.
 */
static inline char *findings_of(const char *text)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct buf list = { 0 };
	int r = appspec_parse(&spec, text, strlen(text), "appspec.yml", &found);

	ck_assert_int_eq(r, found.n_errors ? -EINVAL : 0);
	ck_assert((spec == NULL) == (r < 0));
	for (size_t i = 0; i < found.n; i++)
		buf_printf(&list, "%s%u:%u %s", i ? ", " : "", found.items[i].line,
			found.items[i].column, found.items[i].id);
	return buf_steal(&list);
}

#define assert_findings(text, expected)                                                        \
	do {                                                                                   \
		cleanup_with(freep) char *found_ = findings_of(text);                          \
		ck_assert_str_eq(found_, expected);                                            \
	} while (0)

/* The text of the only finding. */
#define assert_says(text, expected)                                                            \
	do {                                                                                   \
		cleanup_with(appspec_freep) struct appspec *spec_ = NULL;                      \
		cleanup_with(diagnostics_done) struct diagnostics list_ = { 0 };               \
		cleanup_with(freep) char *line_ = NULL;                                        \
                                                                                               \
		(void)appspec_parse(&spec_, text, strlen(text), "appspec.yml", &list_);        \
		ck_assert_uint_eq(list_.n, 1);                                                 \
		line_ = diagnostic_format(&list_.items[0]);                                    \
		ck_assert_str_eq(line_, expected);                                             \
	} while (0)

/* Parses what must have no errors; warnings are allowed. */
static inline struct appspec *parse_valid(const char *text)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct appspec *spec = NULL;
	int r = appspec_parse(&spec, text, strlen(text), "appspec.yml", &found);
	cleanup_with(freep) char *first = diagnostics_first_error(&found);

	ck_assert_msg(r == 0, "%s", first ? first : "no error, but not parsed");
	return spec;
}

#define HEAD "version: 0.0\nos: linux\n"
