/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/tags.h"
#include "unit.h"

static struct application *add_application(struct fleet *fleet, const char *name)
{
	struct application *application = xcalloc(1, sizeof(*application));

	(void)snprintf(application->id, sizeof(application->id), "id-of-%s", name);
	(void)snprintf(application->name, sizeof(application->name), "%s", name);
	ck_assert_int_eq(fleet_add_application(fleet, application), 0);
	return application;
}

static struct group *make_group(
	struct application *application, const char *name, const char *settings)
{
	struct group *group = xcalloc(1, sizeof(*group));

	(void)snprintf(group->id, sizeof(group->id), "%.10s/%.20s", application->id, name);
	(void)snprintf(group->name, sizeof(group->name), "%s", name);
	(void)strcpy(group->config_name, "CodeDeployDefault.AllAtOnce");
	group->application = application;
	group->settings = xstrdup(settings);
	ck_assert_int_eq(group_read_settings(group, NULL), 0);
	return group;
}

static struct group *add_group(
	struct fleet *fleet, struct application *application, const char *name)
{
	struct group *group = make_group(application, name, "{}");

	ck_assert_int_eq(fleet_add_group(fleet, group), 0);
	return group;
}

/* tag: "key=value". */
static struct host *make_host(const char *name, const char *tag)
{
	struct host *host = xcalloc(1, sizeof(*host));

	(void)snprintf(host->name, sizeof(host->name), "%s", name);
	host->iam_arn = xasprintf("arn:%s", name);
	host->instance_arn = xstrdup("");
	if (tag) {
		char *key = xstrndup(tag, strcspn(tag, "="));

		tags_set(&host->tags, key, strchr(tag, '=') + 1);
		free(key);
	}
	return host;
}

static struct host *add_host(struct fleet *fleet, const char *name, const char *tag)
{
	struct host *host = make_host(name, tag);

	ck_assert_int_eq(fleet_add_host(fleet, host), 0);
	return host;
}

START_TEST(a_new_fleet_knows_the_predefined_configurations)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	const struct deployment_config *config = fleet_find_config(
		fleet, "CodeDeployDefault.HalfAtATime");

	ck_assert_ptr_nonnull(fleet_find_config(fleet, "CodeDeployDefault.OneAtATime"));
	ck_assert_ptr_nonnull(fleet_find_config(fleet, "CodeDeployDefault.AllAtOnce"));
	ck_assert_ptr_nonnull(config);
	ck_assert_int_eq(config->minimum.type, MINIMUM_FLEET_PERCENT);
	ck_assert(config->minimum.predefined);
	ck_assert_ptr_null(fleet_find_config(fleet, "codedeploydefault.allatonce"));
}
END_TEST

START_TEST(a_name_is_taken_once_and_moves_with_a_rename)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct application *shop = add_application(fleet, "shop");
	struct application *bank = add_application(fleet, "bank");
	cleanup_with(freep) struct application *again = xcalloc(1, sizeof(*again));

	(void)strcpy(again->name, "shop");
	ck_assert_int_eq(fleet_add_application(fleet, again), -EEXIST);
	ck_assert_int_eq(fleet_rename_application(fleet, shop, "bank"), -EEXIST);
	ck_assert_int_eq(fleet_rename_application(fleet, shop, "store"), 0);
	ck_assert_ptr_eq(fleet_find_application(fleet, "store"), shop);
	ck_assert_ptr_eq(fleet_find_application(fleet, "bank"), bank);
	ck_assert_ptr_null(fleet_find_application(fleet, "shop"));
	fleet_remove_application(fleet, shop);
	ck_assert_ptr_null(fleet_find_application(fleet, "store"));
}
END_TEST

START_TEST(groups_are_found_within_their_application)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct application *shop = add_application(fleet, "shop");
	struct application *bank = add_application(fleet, "bank");
	struct group *of_shop = add_group(fleet, shop, "web");
	struct group *of_bank = add_group(fleet, bank, "web");
	struct group *twice = make_group(shop, "web", "{}");

	ck_assert_int_eq(fleet_add_group(fleet, twice), -EEXIST);
	group_free(twice);
	ck_assert_ptr_eq(fleet_find_group(fleet, shop, "web"), of_shop);
	ck_assert_ptr_eq(fleet_find_group(fleet, bank, "web"), of_bank);
	ck_assert_ptr_eq(fleet_find_group_by_id(fleet, of_bank->id), of_bank);
	ck_assert_uint_eq(shop->n_groups, 1);
	ck_assert_int_eq(fleet_rename_group(fleet, of_shop, "www"), 0);
	ck_assert_int_eq(fleet_rename_group(fleet, of_shop, "www"), -EEXIST);
	/* The application's rename leaves its groups where they are. */
	ck_assert_int_eq(fleet_rename_application(fleet, shop, "store"), 0);
	ck_assert_ptr_eq(fleet_find_group(fleet, shop, "www"), of_shop);
	ck_assert_ptr_null(fleet_find_group(fleet, shop, "web"));
	fleet_remove_group(fleet, of_shop);
	ck_assert_ptr_null(fleet_find_group(fleet, shop, "www"));
	ck_assert_uint_eq(shop->n_groups, 0);
	ck_assert_ptr_eq(fleet_find_group(fleet, bank, "web"), of_bank);
}
END_TEST

START_TEST(a_configuration_counts_the_groups_that_use_it)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	const struct deployment_config *all = fleet_find_config(
		fleet, "CodeDeployDefault.AllAtOnce");
	const struct deployment_config *one = fleet_find_config(
		fleet, "CodeDeployDefault.OneAtATime");
	struct group *group = add_group(fleet, add_application(fleet, "shop"), "web");

	ck_assert_uint_eq(all->n_groups, 1);
	fleet_set_group_config(fleet, group, "CodeDeployDefault.OneAtATime");
	ck_assert_uint_eq(all->n_groups, 0);
	ck_assert_uint_eq(one->n_groups, 1);
	fleet_remove_group(fleet, group);
	ck_assert_uint_eq(one->n_groups, 0);
}
END_TEST

START_TEST(a_host_is_found_by_name_and_by_arn)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct host *web = add_host(fleet, "web-1", NULL);
	struct host *same_name = make_host("web-1", NULL);
	struct host *same_arn = make_host("web-2", NULL);

	free(same_arn->iam_arn);
	same_arn->iam_arn = xstrdup("arn:web-1");
	ck_assert_int_eq(fleet_add_host(fleet, same_name), -EEXIST);
	ck_assert_int_eq(fleet_add_host(fleet, same_arn), -EEXIST);
	ck_assert_ptr_eq(fleet_find_host(fleet, "web-1"), web);
	ck_assert_ptr_eq(fleet_find_host_by_arn(fleet, "arn:web-1"), web);
	ck_assert_ptr_null(fleet_find_host(fleet, "web-2"));
	ck_assert_uint_eq(fleet_n_hosts(fleet), 1);
	host_free(same_name);
	host_free(same_arn);
}
END_TEST

START_TEST(a_deregistered_host_keeps_its_name_until_another_takes_it)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct host *old = add_host(fleet, "web-1", NULL);
	struct host *new;

	old->heard_ms = 5; /* presence holds on to it */
	fleet_deregister_host(fleet, old, 77);
	fleet_deregister_host(fleet, old, 99);
	ck_assert_uint_eq(old->deregistered_ms, 77);
	ck_assert_uint_eq(fleet_n_hosts(fleet), 0);
	ck_assert_ptr_eq(fleet_find_host(fleet, "web-1"), old);
	ck_assert_ptr_null(fleet_find_host_by_arn(fleet, "arn:web-1"));

	new = add_host(fleet, "web-1", NULL);
	ck_assert_ptr_eq(fleet_find_host(fleet, "web-1"), new);
	ck_assert_ptr_eq(fleet_find_host_by_arn(fleet, "arn:web-1"), new);
	ck_assert_uint_eq(fleet_n_hosts(fleet), 1);
	ck_assert_uint_eq(old->heard_ms, 5); /* still there */
}
END_TEST

START_TEST(a_deregistered_host_may_be_added_beside_one_with_its_arn)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct host *now = add_host(fleet, "now", NULL);
	struct host *then = make_host("then", NULL);

	free(then->iam_arn);
	then->iam_arn = xstrdup("arn:now");
	then->deregistered_ms = 1;
	ck_assert_int_eq(fleet_add_host(fleet, then), 0);
	ck_assert_ptr_eq(fleet_find_host_by_arn(fleet, "arn:now"), now);
	ck_assert_ptr_eq(fleet_find_host(fleet, "then"), then);
}
END_TEST

/* The names of the hosts that a group with these settings selects, each with a blank behind. */
static char *selected(const struct fleet *fleet, const char *settings)
{
	struct application application = { .id = "a" };
	struct group *group = make_group(&application, "g", settings);
	cleanup_with(freep) struct host **hosts = NULL;
	size_t n = fleet_select(fleet, group, &hosts);
	struct buf names = { 0 };

	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s ", hosts[i]->name);
	group_free(group);
	return buf_steal(&names);
}

#define assert_selected(fleet, settings, names)                                                \
	do {                                                                                   \
		cleanup_with(freep) char *found_ = selected(fleet, settings);                  \
		ck_assert_str_eq(found_, names);                                               \
	} while (0)

START_TEST(a_group_selects_registered_hosts_by_name)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();

	(void)add_host(fleet, "c", "role=web");
	(void)add_host(fleet, "a", "role=web");
	(void)add_host(fleet, "b", "role=db");
	(void)add_host(fleet, "d", NULL);
	fleet_deregister_host(fleet, add_host(fleet, "e", "role=web"), 1);

	assert_selected(fleet, "{}", "");
	assert_selected(fleet,
		"{\"onPremisesInstanceTagFilters\":[{\"Key\":\"role\",\"Value\":\"web\","
		"\"Type\":\"KEY_AND_VALUE\"}]}",
		"a c ");
	/* Either kind may choose a host. */
	assert_selected(fleet,
		"{\"onPremisesInstanceTagFilters\":[{\"Key\":\"role\",\"Value\":\"web\","
		"\"Type\":\"KEY_AND_VALUE\"}],"
		"\"ec2TagFilters\":[{\"Value\":\"db\",\"Type\":\"VALUE_ONLY\"}]}",
		"a b c ");
	/* Every list of a set must. */
	assert_selected(fleet,
		"{\"onPremisesTagSet\":{\"onPremisesTagSetList\":["
		"[{\"Key\":\"role\",\"Type\":\"KEY_ONLY\"}],"
		"[{\"Value\":\"db\",\"Type\":\"VALUE_ONLY\"}]]}}",
		"b ");
	assert_selected(fleet,
		"{\"ec2TagSet\":{\"ec2TagSetList\":["
		"[{\"Key\":\"role\",\"Type\":\"KEY_ONLY\"}]]}}",
		"a b c ");
}
END_TEST

START_TEST(settings_say_when_to_roll_back)
{
	struct application application = { .id = "a" };
	struct group *group = make_group(&application, "g",
		"{\"autoRollbackConfiguration\":{\"enabled\":true,"
		"\"events\":[\"DEPLOYMENT_FAILURE\",\"DEPLOYMENT_STOP_ON_REQUEST\"]}}");

	ck_assert(group->auto_rollback.enabled);
	ck_assert(group->auto_rollback.on_failure);
	ck_assert(group->auto_rollback.on_stop);
	ck_assert(!group->auto_rollback.on_alarm);
	group_free(group);
}
END_TEST

/* clang-format off */
static const struct {
	const char *settings;
	const char *text;
} bad_settings[] = {
	{ "", "settings of group g: " },
	{ "[]", "settings of group g: " },
	{ "{\"onPremisesInstanceTagFilters\":[{\"Type\":\"SOME\",\"Key\":\"k\"}]}",
		"settings of group g: onPremisesInstanceTagFilters: filter 1: Type is 'SOME'" },
	{ "{\"autoRollbackConfiguration\":{\"enabled\":1}}",
		"settings of group g: autoRollbackConfiguration: " },
	{ "{\"autoRollbackConfiguration\":{\"events\":[\"NOON\"]}}",
		"settings of group g: autoRollbackConfiguration: unknown event 'NOON'" },
};
/* clang-format on */

START_TEST(settings_that_make_no_sense_change_nothing)
{
	struct application application = { .id = "a" };
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(bad_settings); i++) {
		struct group *group = make_group(&application, "g",
			"{\"ec2TagFilters\":[{\"Key\":\"k\",\"Type\":\"KEY_ONLY\"}]}");

		free(group->settings);
		group->settings = xstrdup(bad_settings[i].settings);
		ck_assert_int_lt(group_read_settings(group, &err), 0);
		ck_assert_msg(strncmp(err.text, bad_settings[i].text,
				      strlen(bad_settings[i].text)) == 0,
			"%s", err.text);
		ck_assert_uint_eq(group->ec2.n_lists, 1);
		group_free(group);
	}
}
END_TEST

static void count_group(void *context, struct group *group)
{
	(void)group;
	++*(unsigned *)context;
}

START_TEST(a_large_fleet_is_searched_and_taken_down)
{
	enum { N = 20000 };
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct application *shop = add_application(fleet, "shop");
	unsigned n_groups = 0;

	for (unsigned i = 0; i < N; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "host-%05u", i * 7919 % N);
		(void)add_host(fleet, name, "role=web");
		if (i < 100)
			(void)add_group(fleet, shop, name);
	}
	ck_assert_uint_eq(fleet_n_hosts(fleet), N);
	ck_assert_str_eq(fleet_find_host(fleet, "host-12345")->name, "host-12345");
	ck_assert_str_eq(fleet_find_host_by_arn(fleet, "arn:host-19999")->name, "host-19999");
	ck_assert_ptr_null(fleet_find_host(fleet, "host-20000"));
	fleet_each_group(fleet, count_group, &n_groups);
	ck_assert_uint_eq(n_groups, 100);
}
END_TEST

START_TEST(keys_are_found_by_id)
{
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct key *key = xcalloc(1, sizeof(*key));

	(void)strcpy(key->id, "AKIA2345678901234567");
	key->secret = xstrdup("s");
	ck_assert_int_eq(fleet_add_key(fleet, key), 0);
	ck_assert_int_eq(fleet_add_key(fleet, key), -EEXIST);
	ck_assert_ptr_eq(fleet_find_key(fleet, "AKIA2345678901234567"), key);
	fleet_remove_key(fleet, key);
	ck_assert_ptr_null(fleet_find_key(fleet, "AKIA2345678901234567"));
}
END_TEST

TESTS("fleet", a_new_fleet_knows_the_predefined_configurations,
	a_name_is_taken_once_and_moves_with_a_rename, groups_are_found_within_their_application,
	a_configuration_counts_the_groups_that_use_it, a_host_is_found_by_name_and_by_arn,
	a_deregistered_host_keeps_its_name_until_another_takes_it,
	a_deregistered_host_may_be_added_beside_one_with_its_arn,
	a_group_selects_registered_hosts_by_name, settings_say_when_to_roll_back,
	settings_that_make_no_sense_change_nothing, a_large_fleet_is_searched_and_taken_down,
	keys_are_found_by_id)
