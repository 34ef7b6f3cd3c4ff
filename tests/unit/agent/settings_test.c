/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static struct settings settings;
static struct error err;

static int load(const char *text)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "agent.yml");

	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), "agent.yml", text, strlen(text), 0644, NULL),
		0);
	return settings_load(&settings, path, true, &err);
}

static void expect_refusal(const char *text, const char *part)
{
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
	ck_assert_ptr_null(settings.root_dir);
}

START_TEST(an_empty_file_gives_the_defaults)
{
	ck_assert_int_eq(load("---\n"), 0);
	ck_assert_ptr_null(settings.root_dir);
	ck_assert_uint_eq(settings.max_revisions, 5);
	ck_assert(settings.deployments_log);
	ck_assert(!settings.start_in_root);
}
END_TEST

START_TEST(keys_may_be_plain_or_symbols)
{
	ck_assert_int_eq(
		load("---\n:root_dir: '/opt/x//y/'\n:max_revisions: 2\n"
		     "enable_deployments_log: false\n:log_dir: '/var/log'\nproxy_uri:\n"),
		0);
	ck_assert_str_eq(settings.root_dir, "/opt/x/y");
	ck_assert_uint_eq(settings.max_revisions, 2);
	ck_assert(!settings.deployments_log);
	settings_done(&settings);
}
END_TEST

START_TEST(a_wrong_value_is_refused_with_its_line)
{
	expect_refusal("max_revisions: 0\n", "agent.yml:1: max_revisions '0'");
	expect_refusal("\nmax_revisions: many\n", "agent.yml:2: max_revisions 'many'");
	expect_refusal("root_dir: relative\n", "agent.yml:1: root_dir 'relative'");
	expect_refusal("root_dir: /a/../b\n", "root_dir '/a/../b'");
	expect_refusal("enable_deployments_log: perhaps\n", "neither true nor false");
	expect_refusal("hook_working_directory: home\n", "neither bundle nor root");
	expect_refusal("root_dir: /x\nmax_revisions: -1\n", "agent.yml:2");
	expect_refusal("root_dir: [/x]\n", "agent.yml:1: root_dir takes one plain value");
	expect_refusal("max_revisions: {a: 1}\n", "agent.yml:1: max_revisions takes one plain");
}
END_TEST

START_TEST(what_is_no_mapping_is_refused)
{
	expect_refusal("- a\n", "is not a mapping");
	expect_refusal("a: [", "agent.yml:");
}
END_TEST

START_TEST(a_file_that_is_not_there_is_an_error_only_if_it_was_named)
{
	ck_assert_int_eq(settings_load(&settings, "/nonexistent/agent.yml", false, &err), 0);
	ck_assert_uint_eq(settings.max_revisions, 5);
	ck_assert_int_eq(
		settings_load(&settings, "/nonexistent/agent.yml", true, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/agent.yml"));
}
END_TEST

TESTS("agent/settings", an_empty_file_gives_the_defaults, keys_may_be_plain_or_symbols,
	a_wrong_value_is_refused_with_its_line, what_is_no_mapping_is_refused,
	a_file_that_is_not_there_is_an_error_only_if_it_was_named)
