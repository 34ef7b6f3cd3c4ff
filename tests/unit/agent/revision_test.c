/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/revision.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/root.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "unit.h"

static struct root root;

/* A kept deployment of group g, so many seconds old. */
static void keep(const char *id, int age_s, const char *content)
{
	cleanup_with(freep) char *archive = xasprintf("g/%s/deployment-archive", id);
	cleanup_with(freep) char *file = path_join(archive, "file");
	cleanup_with(freep) char *directory = xasprintf("g/%s", id);
	struct timespec times[2] = { { .tv_sec = 1000000 - age_s },
		{ .tv_sec = 1000000 - age_s } };

	ck_assert_int_eq(file_make_dirs(root.fd, archive, 0755, NULL), 0);
	ck_assert_int_eq(
		file_write_atomic(root.fd, file, content, strlen(content), 0644, NULL), 0);
	ck_assert_int_eq(utimensat(root.fd, directory, times, 0), 0);
}

static void keep_four(void)
{
	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	keep("d-3", 30, "three");
	keep("d-1", 50, "one");
	keep("d-4", 20, "four");
	keep("d-2", 40, "two");
}

static void expect_extra(unsigned max, const char *const *protected, const char *expected)
{
	char **names = NULL;
	cleanup_with(freep) char *joined = xstrdup("");
	size_t n = 0;

	ck_assert_int_eq(
		revision_extra(&root, "g", "d-new", max, protected, &names, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		char *longer = xasprintf("%s%s ", joined, names[i]);

		free(joined);
		joined = longer;
		free(names[i]);
	}
	free(names);
	ck_assert_str_eq(joined, expected);
}

START_TEST(the_oldest_go_first)
{
	keep_four();
	expect_extra(5, NULL, "");
	expect_extra(4, NULL, "d-1 ");
	expect_extra(2, NULL, "d-1 d-2 d-3 ");
	expect_extra(1, NULL, "d-1 d-2 d-3 d-4 ");
}
END_TEST

START_TEST(what_is_protected_stays_and_others_go_instead)
{
	keep_four();
	expect_extra(4, (const char *[]){ "d-1", NULL }, "d-2 ");
	expect_extra(2, (const char *[]){ "d-1", "d-4", NULL }, "d-2 d-3 ");
}
END_TEST

START_TEST(the_current_deployment_counts_but_does_not_go)
{
	keep_four();
	keep("d-new", 99, "new");
	expect_extra(5, NULL, "");
	expect_extra(4, NULL, "d-1 ");
}
END_TEST

START_TEST(a_group_without_a_directory_keeps_nothing)
{
	char **names;
	size_t n;

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_int_eq(revision_extra(&root, "none", "d", 1, NULL, &names, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(what_was_named_is_removed_whole)
{
	keep_four();
	ck_assert_int_eq(revision_remove(&root, "g",
				 (char *[]){ (char *)"d-1", (char *)"d-2", NULL }, NULL),
		0);
	ck_assert(!file_exists(root.fd, "g/d-1"));
	ck_assert(!file_exists(root.fd, "g/d-2"));
	ck_assert(file_exists(root.fd, "g/d-3"));
}
END_TEST

static int same(const char *a, const char *b)
{
	const struct record x = { .deployment = (char *)a }, y = { .deployment = (char *)b };

	return revision_is_same(&root, "g", &x, &y, NULL);
}

START_TEST(revisions_are_told_apart_by_their_content)
{
	keep_four();
	keep("d-5", 10, "three");
	keep("d-6", 10, "eerht");
	ck_assert_int_eq(same("d-3", "d-5"), 1);
	ck_assert_int_eq(same("d-3", "d-6"), 0);
	ck_assert_int_eq(same("d-3", "d-gone"), 0);
	ck_assert_int_eq(same("d-gone", "d-gone"), 1);
	ck_assert_int_eq(fchmodat(root.fd, "g/d-5/deployment-archive/file", 0755, 0), 0);
	ck_assert_int_eq(same("d-3", "d-5"), 0);
}
END_TEST

START_TEST(a_tree_with_one_entry_more_is_another)
{
	keep_four();
	keep("d-5", 10, "three");
	ck_assert_int_eq(symlinkat("x", root.fd, "g/d-5/deployment-archive/link"), 0);
	ck_assert_int_eq(same("d-3", "d-5"), 0);
	ck_assert_int_eq(same("d-5", "d-3"), 0);
	ck_assert_int_eq(symlinkat("x", root.fd, "g/d-3/deployment-archive/link"), 0);
	ck_assert_int_eq(same("d-5", "d-3"), 1);
}
END_TEST

START_TEST(a_copy_of_a_kept_bundle_is_the_same_revision)
{
	const struct record first = { .deployment = (char *)"d-1" };
	const struct record copy = { .deployment = (char *)"d-9", .from = (char *)"d-1" };

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_int_eq(revision_is_same(&root, "g", &first, &copy, NULL), 1);
}
END_TEST

TESTS("agent/revision", the_oldest_go_first, what_is_protected_stays_and_others_go_instead,
	the_current_deployment_counts_but_does_not_go,
	a_group_without_a_directory_keeps_nothing, what_was_named_is_removed_whole,
	revisions_are_told_apart_by_their_content, a_tree_with_one_entry_more_is_another,
	a_copy_of_a_kept_bundle_is_the_same_revision)
