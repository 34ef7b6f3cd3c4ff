/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "unit.h"

static void expect_path(const char *name, const char *path)
{
	char ret[ENTRY_PATH_MAX + 1];

	ck_assert_ptr_null(entry_path_normalise(ret, name));
	ck_assert_str_eq(ret, path);
}

static void expect_refused(const char *name, const char *reason)
{
	char ret[ENTRY_PATH_MAX + 1];

	ck_assert_str_eq(entry_path_normalise(ret, name), reason);
}

static void expect_link(const char *path, const char *target, bool needs_look, bool visits_root)
{
	struct entry_link link;

	ck_assert_ptr_null(entry_link_judge(&link, path, target));
	ck_assert_int_eq(link.needs_look, needs_look);
	ck_assert_int_eq(link.visits_root, visits_root);
}

static void expect_link_refused(const char *path, const char *target, const char *reason)
{
	struct entry_link link;

	ck_assert_str_eq(entry_link_judge(&link, path, target), reason);
}

START_TEST(dots_and_double_slashes_are_taken_away)
{
	expect_path("a", "a");
	expect_path("./a//b/./c/", "a/b/c");
	expect_path("./", "");
	expect_path("a/...", "a/...");
	expect_path("..a/b..", "..a/b..");
}
END_TEST

START_TEST(any_bytes_are_a_name)
{
	expect_path("a b\n\xff\x01\\/x", "a b\n\xff\x01\\/x");
}
END_TEST

START_TEST(names_that_lead_elsewhere_are_refused)
{
	expect_refused("", "has an empty name");
	expect_refused("/etc/passwd", "has an absolute name");
	expect_refused("//etc", "has an absolute name");
	expect_refused("..", "has '..' in its name");
	expect_refused("a/../b", "has '..' in its name");
	expect_refused("a/b/..", "has '..' in its name");
	expect_refused("./../b", "has '..' in its name");
}
END_TEST

START_TEST(a_component_has_255_bytes_at_most)
{
	char name[300];
	char ret[ENTRY_PATH_MAX + 1];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	ck_assert_ptr_null(entry_path_normalise(ret, name));
	name[255] = 'x';
	name[256] = '\0';
	ck_assert_str_eq(entry_path_normalise(ret, name),
		"has a name of more than 255 bytes between two slashes");
}
END_TEST

START_TEST(a_path_has_3840_bytes_at_most)
{
	char ret[ENTRY_PATH_MAX + 1];
	char name[5000] = { 0 };

	for (size_t i = 0; i < 1920; i++)
		memcpy(name + 2 * i, "a/", 2);
	ck_assert_ptr_null(entry_path_normalise(ret, name));
	ck_assert_uint_eq(strlen(ret), 3839);
	memcpy(name + 3840, "ab", 2);
	ck_assert_str_eq(entry_path_normalise(ret, name), "has a name of more than 3840 bytes");
}
END_TEST

START_TEST(a_link_may_lead_anywhere_inside)
{
	expect_link("l", "a", false, false);
	expect_link("l", "./a//b/", false, false);
	expect_link("a/b/l", "../c", false, false);
	expect_link("a/b/l", "../../c", false, true);
	expect_link("a/l", "..", false, true);
}
END_TEST

START_TEST(a_link_that_leads_outside_is_refused)
{
	const char *outside = "is a link that points outside the bundle";

	expect_link_refused("l", "..", outside);
	expect_link_refused("l", "../x", outside);
	expect_link_refused("a/l", "../../x", outside);
	expect_link_refused("a/l", "b/../../..", outside);
	expect_link_refused("a/l", "../x/../../y", outside);
	expect_link_refused("l", "", "is a link to nowhere");
	expect_link_refused("l", "/etc/passwd",
		"is a link with an absolute target, which points outside the bundle");
}
END_TEST

START_TEST(back_after_a_name_needs_a_look)
{
	expect_link("a/b/l", "c/../d", true, false);
	expect_link("l", "c/..", true, true);
	expect_link("a/l", "../b/..", true, true);
}
END_TEST

START_TEST(names_are_shown_without_control_characters)
{
	struct buf text = { 0 };
	cleanup_with(freep) char *shown = NULL;

	entry_append_printable(&text, "a\n\x1b[31m\xc3\xa9\xff\xc2\x9b\\");
	shown = buf_steal(&text);
	ck_assert_str_eq(shown, "a\\x0a\\x1b[31m\xc3\xa9\\xff\\xc2\\x9b\\x5c");
}
END_TEST

TESTS("entry", dots_and_double_slashes_are_taken_away, any_bytes_are_a_name,
	names_that_lead_elsewhere_are_refused, a_component_has_255_bytes_at_most,
	a_path_has_3840_bytes_at_most, a_link_may_lead_anywhere_inside,
	a_link_that_leads_outside_is_refused, back_after_a_name_needs_a_look,
	names_are_shown_without_control_characters)
