/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/group.h"

#include <errno.h>
#include <string.h>

#include "agent/root.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static struct root root;
static struct groups groups;

static void put(const char *name, const char *text)
{
	ck_assert_int_eq(
		file_write_atomic(root.instructions_fd, name, text, strlen(text), 0600, NULL),
		0);
}

static void open_root(void)
{
	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
}

static void load(void)
{
	ck_assert_int_eq(groups_load(&groups, &root, NULL), 0);
}

static void put_shop_and_blog(void)
{
	open_root();
	put("id-1-history.json",
		"{\"name\":\"prod\",\"application\":\"shop\",\"deployments\":[]}");
	put("id-2-history.json",
		"{\"name\":\"prod\",\"application\":\"blog\",\"deployments\":[]}");
	load();
}

static void expect(const char *name, const char *application, bool may_be_new, const char *id)
{
	const struct group_wish wish = { name, application, may_be_new };
	cleanup_with(group_done) struct deployment_group group = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_msg(groups_choose(&groups, &wish, &group, &err) == 0, "%s", err.text);
	ck_assert_str_eq(group.id, id);
}

static void expect_refusal(
	const char *name, const char *application, bool may_be_new, const char *part)
{
	const struct group_wish wish = { name, application, may_be_new };
	struct deployment_group group = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(groups_choose(&groups, &wish, &group, &err), -EINVAL);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
}

START_TEST(a_host_without_groups_gets_one_called_default)
{
	open_root();
	load();
	expect(NULL, NULL, true, "default");
	expect_refusal(NULL, NULL, false, "nothing was ever deployed here");
}
END_TEST

START_TEST(the_only_group_need_not_be_named)
{
	open_root();
	put("web_last_successful_install", "/x");
	load();
	expect(NULL, NULL, false, "web");
	expect("web", NULL, false, "web");
}
END_TEST

START_TEST(a_group_is_found_by_id_name_and_label)
{
	put_shop_and_blog();
	expect("id-2", NULL, false, "id-2");
	expect("shop/prod", NULL, false, "id-1");
	expect("prod", "blog", false, "id-2");
}
END_TEST

START_TEST(what_means_several_is_refused_with_the_choice)
{
	put_shop_and_blog();
	expect_refusal("prod", NULL, true,
		"prod means several groups; choose one with --group: shop/prod (id:id-1), "
		"blog/prod "
		"(id:id-2)");
	expect_refusal(NULL, NULL, true, "this host has several groups");
}
END_TEST

START_TEST(a_name_that_is_anothers_id_is_ambiguous)
{
	open_root();
	put("prod-history.json", "{\"name\":\"other\",\"deployments\":[]}");
	put("uuid-history.json", "{\"name\":\"prod\",\"deployments\":[]}");
	load();
	expect_refusal("prod", NULL, true, "prod means several groups");
	expect("id:prod", NULL, true, "prod");
	expect("other", NULL, true, "prod");
}
END_TEST

START_TEST(an_unknown_group_is_new_or_refused)
{
	put_shop_and_blog();
	expect("stage", NULL, true, "stage");
	expect("wiki/prod", NULL, true, "prod");
	expect_refusal("stage", NULL, false, "stage: no such group");
	expect_refusal("a/b/c", NULL, true, "cannot name a new group");
	expect_refusal("..", NULL, true, "cannot name a new group");
	expect_refusal("a/b", "c", true, "differ");
}
END_TEST

START_TEST(a_damaged_history_may_hide_the_name)
{
	open_root();
	put("uuid-history.json", "{");
	load();
	expect_refusal("prod", NULL, true, "the history of group id uuid is damaged");
	expect("uuid", NULL, true, "uuid");
}
END_TEST

TESTS("agent/group", a_host_without_groups_gets_one_called_default,
	the_only_group_need_not_be_named, a_group_is_found_by_id_name_and_label,
	what_means_several_is_refused_with_the_choice, a_name_that_is_anothers_id_is_ambiguous,
	an_unknown_group_is_new_or_refused, a_damaged_history_may_hide_the_name)
