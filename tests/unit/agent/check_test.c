/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/check.h"

#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "unit.h"

static void put(const char *name, const char *text)
{
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), name, text, strlen(text), 0755, NULL), 0);
}

/* The exit status, and what was printed, for a path below the test's directory. */
static int check(const char *name, bool strict, bool json, char **ret)
{
	cleanup_with(freep) char *path = path_join(test_dir(), name);
	size_t n = 0;
	FILE *out = open_memstream(ret, &n);
	int status = check_path(path, strict, json, out);

	ck_assert_int_eq(fclose(out), 0);
	return status;
}

static int status_of(const char *name, bool strict)
{
	cleanup_with(freep) char *text = NULL;

	return check(name, strict, false, &text);
}

#define GOOD                                                                                   \
	"version: 0.0\nos: linux\nfiles: [{source: www, destination: /srv/a}]\n"               \
	"hooks: {AfterInstall: [{location: a.sh}]}\n"

START_TEST(the_exit_status_tells_clean_from_warned_from_wrong)
{
	put("good.yml", GOOD);
	put("odd.yml", GOOD "unknown: 1\n");
	put("bad.yml", "version: 1\nos: linux\n");
	ck_assert_int_eq(status_of("good.yml", true), 0);
	ck_assert_int_eq(status_of("odd.yml", false), 0);
	ck_assert_int_eq(status_of("odd.yml", true), 1);
	ck_assert_int_eq(status_of("bad.yml", false), 2);
	ck_assert_int_eq(status_of("missing.yml", false), 2);
}
END_TEST

START_TEST(a_directory_is_checked_as_a_bundle)
{
	cleanup_with(freep) char *text = NULL;
	cleanup_with(freep) char *expected = NULL;

	put("appspec.yml", GOOD);
	put("a.sh", "#!/bin/sh\n");
	ck_assert_int_eq(check("", false, false, &text), 2);
	expected = xasprintf("appspec.yml:3:18: error: source 'www' is not in the bundle\n"
			     "%s/: 1 error, 0 warnings\n",
		test_dir());
	ck_assert_str_eq(text, expected);
	ck_assert_int_eq(mkdirat(test_dir_fd(), "www", 0755), 0);
	ck_assert_int_eq(status_of("", true), 0);
}
END_TEST

START_TEST(one_wrapping_directory_is_stripped)
{
	ck_assert_int_eq(mkdirat(test_dir_fd(), "repo-abc", 0755), 0);
	ck_assert_int_eq(mkdirat(test_dir_fd(), "repo-abc/www", 0755), 0);
	put("repo-abc/appspec.yml", GOOD);
	put("repo-abc/a.sh", "#!/bin/sh\n");
	ck_assert_int_eq(status_of("", true), 0);
	put("another", "");
	ck_assert_int_eq(status_of("", true), 2);
}
END_TEST

START_TEST(findings_come_as_one_object_too)
{
	cleanup_with(freep) char *text = NULL;
	cleanup_with(freep) char *expected = NULL;

	put("bad.yml", "version: 1\nos: linux\n");
	ck_assert_int_eq(check("bad.yml", false, true, &text), 2);
	expected = xasprintf("{\"path\":\"%s/bad.yml\",\"errors\":1,\"warnings\":0,"
			     "\"diagnostics\":[{\"severity\":\"error\",\"file\":\"%s/bad.yml\","
			     "\"line\":1,\"column\":10,\"id\":\"E-VERSION\",\"text\":\"version "
			     "must be 0.0, the only one there is, found the number '1'\"}]}\n",
		test_dir(), test_dir());
	ck_assert_str_eq(text, expected);
}
END_TEST

START_TEST(what_a_terminal_would_obey_is_not_printed)
{
	cleanup_with(freep) char *text = NULL;

	put("appspec.yml", "version: 0.0\nos: linux\n"
			   "hooks: {AfterInstall: [{location: \"\\e[2Ja\"}]}\n");
	ck_assert_int_eq(check("", false, false, &text), 2);
	ck_assert_ptr_null(strchr(text, '\x1b'));
	ck_assert_ptr_nonnull(strstr(text, "[2Ja' is not in the bundle"));
}
END_TEST

START_TEST(a_broken_archive_is_an_error_and_leaves_no_scratch)
{
	cleanup_with(freep) char *scratch = path_join(test_dir(), "scratch");

	ck_assert_int_eq(mkdirat(test_dir_fd(), "scratch", 0755), 0);
	ck_assert_int_eq(setenv("TMPDIR", scratch, 1), 0);
	put("a.zip", "PK\x03\x04 but no more");
	ck_assert_int_eq(status_of("a.zip", false), 2);
	/* Empty, or it could not be removed. */
	ck_assert_int_eq(unlinkat(test_dir_fd(), "scratch", AT_REMOVEDIR), 0);
}
END_TEST

TESTS("check", the_exit_status_tells_clean_from_warned_from_wrong,
	a_directory_is_checked_as_a_bundle, one_wrapping_directory_is_stripped,
	findings_come_as_one_object_too, what_a_terminal_would_obey_is_not_printed,
	a_broken_archive_is_an_error_and_leaves_no_scratch)
