/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <check.h>

/* Every test file defines this; main.c runs it. */
Suite *suite(void);

/* A fresh empty directory for the test that runs, removed after it: path and descriptor. */
const char *test_dir(void);
int test_dir_fd(void);

/* A suite of one test case, from a NULL-terminated list of tests. */
Suite *suite_of(const char *name, const TTest *const *tests);

#define TESTS(name, ...)                                                                       \
	Suite *suite(void)                                                                     \
	{                                                                                      \
		const TTest *const list[] = { __VA_ARGS__, NULL };                             \
                                                                                               \
		return suite_of(name, list);                                                   \
	}
