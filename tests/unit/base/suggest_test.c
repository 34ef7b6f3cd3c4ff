/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include "base/cleanup.h"
#include "unit.h"

static const char *const names[] = { "BeforeInstall", "AfterInstall", "owner", "mode", "os" };

static const char *nearest(const char *name)
{
	return suggest(name, names, ARRAY_SIZE(names));
}

START_TEST(a_slip_of_letters_finds_the_name_that_was_meant)
{
	ck_assert_str_eq(nearest("AfterInnstall"), "AfterInstall");
	ck_assert_str_eq(nearest("BeforInstal"), "BeforeInstall");
	ck_assert_str_eq(nearest("after_install"), "AfterInstall");
	ck_assert_str_eq(nearest("onwer"), "owner");
	ck_assert_str_eq(nearest("moed"), "mode");
	ck_assert_str_eq(nearest("MODE"), "mode");
	ck_assert_str_eq(nearest("OS"), "os");
}
END_TEST

START_TEST(what_resembles_nothing_gets_no_suggestion)
{
	ck_assert_ptr_null(nearest(""));
	ck_assert_ptr_null(nearest("x"));
	ck_assert_ptr_null(nearest("CustomEvent"));
	ck_assert_ptr_null(nearest("oo"));
	ck_assert_ptr_null(
		nearest("AfterInstallAfterInstallAfterInstallAfterInstallAfterInstall"
			"AfterInstall"));
}
END_TEST

TESTS("suggest", a_slip_of_letters_finds_the_name_that_was_meant,
	what_resembles_nothing_gets_no_suggestion)
