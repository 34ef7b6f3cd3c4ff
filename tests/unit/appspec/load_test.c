/* SPDX-License-Identifier: Apache-2.0 */

/* Finding the appspec of a bundle. */
#include "appspec/appspec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "findings.h"

static void put(const char *name, const char *text)
{
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), name, text, strlen(text), 0644, NULL), 0);
}

/* Loads, and compares the first error's text; NULL expects none. */
static int load(const char *name, char **ret_name, const char *error)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	int r = appspec_load(&spec, test_dir_fd(), name, &found);
	cleanup_with(freep) char *first = diagnostics_first_error(&found);

	ck_assert_str_eq(first ? first : "", error ? error : "");
	if (r == 0 && ret_name)
		*ret_name = take(&spec->name);
	return r;
}

START_TEST(appspec_yml_goes_before_appspec_yaml)
{
	cleanup_with(freep) char *first = NULL;
	cleanup_with(freep) char *second = NULL;

	put("appspec.yaml", HEAD);
	ck_assert_int_eq(load(NULL, &first, NULL), 0);
	ck_assert_str_eq(first, "appspec.yaml");
	put("appspec.yml", HEAD);
	ck_assert_int_eq(load(NULL, &second, NULL), 0);
	ck_assert_str_eq(second, "appspec.yml");
}
END_TEST

START_TEST(a_name_given_is_the_only_one_looked_for)
{
	cleanup_with(freep) char *name = NULL;

	put("appspec.yml", HEAD);
	ck_assert_int_eq(load("other.yml", NULL,
				 "other.yml: error: the bundle holds no other.yml; there is "
				 "'appspec.yml', but the name must be exactly that"),
		-ENOENT);
	ck_assert_int_eq(mkdirat(test_dir_fd(), "deploy", 0755), 0);
	put("deploy/other.yml", HEAD);
	ck_assert_int_eq(load("deploy/other.yml", &name, NULL), 0);
	ck_assert_str_eq(name, "deploy/other.yml");
}
END_TEST

START_TEST(a_name_outside_the_bundle_is_refused)
{
	static const char *const names[] = { "", "/etc/appspec.yml", "../appspec.yml",
		"a/../../appspec.yml" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
		struct appspec *spec = NULL;

		ck_assert_int_eq(appspec_load(&spec, test_dir_fd(), names[i], &found), -EINVAL);
		ck_assert_str_eq(found.items[0].id, "E-APPSPEC-NAME");
	}
}
END_TEST

START_TEST(a_missing_appspec_is_told_with_what_is_there_instead)
{
	ck_assert_int_eq(load(NULL, NULL,
				 "appspec.yml: error: the bundle holds no appspec.yml or "
				 "appspec.yaml in its first directory"),
		-ENOENT);
	put("AppSpec.yml", HEAD);
	ck_assert_int_eq(
		load(NULL, NULL,
			"appspec.yml: error: the bundle holds no appspec.yml or "
			"appspec.yaml in its first directory; there is 'AppSpec.yml', but "
			"the name must be exactly that"),
		-ENOENT);
}
END_TEST

START_TEST(links_are_followed_inside_the_bundle_only)
{
	ck_assert_int_eq(mkdirat(test_dir_fd(), "deploy", 0755), 0);
	put("deploy/linux.yml", HEAD);
	ck_assert_int_eq(symlinkat("deploy/linux.yml", test_dir_fd(), "appspec.yml"), 0);
	ck_assert_int_eq(load(NULL, NULL, NULL), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", test_dir_fd(), "out.yml"), 0);
	ck_assert_int_eq(load("out.yml", NULL,
				 "out.yml: error: out.yml is a link that leaves the bundle"),
		-EXDEV);
}
END_TEST

START_TEST(what_is_no_regular_file_is_not_read)
{
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "appspec.yml", 0644), 0);
	ck_assert_int_eq(
		load(NULL, NULL, "appspec.yml: error: appspec.yml is not a regular file"),
		-EINVAL);
}
END_TEST

TESTS("load", appspec_yml_goes_before_appspec_yaml, a_name_given_is_the_only_one_looked_for,
	a_name_outside_the_bundle_is_refused,
	a_missing_appspec_is_told_with_what_is_there_instead,
	links_are_followed_inside_the_bundle_only, what_is_no_regular_file_is_not_read)
