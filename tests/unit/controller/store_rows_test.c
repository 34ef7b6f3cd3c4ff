/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/fleet.h"
#include "controller/tags.h"
#include "store_case.h"
#include "store_loading.h"

/* What is put is what is loaded, found and paged after a restart. */

START_TEST(an_empty_store_loads_nothing)
{
	cleanup_with(store_closep) struct store *store = open_store();

	assert_loads(store, "");
}
END_TEST

static void put_group(struct store *store, struct application *application, const char *name,
	char *target_revision)
{
	static char settings[] = "{}";
	struct group group = {
		.application = application,
		.created_ms = 8,
		.settings = settings,
		.target_revision = target_revision,
	};

	(void)snprintf(group.id, sizeof(group.id), "id-%.10s-%.10s", application->name, name);
	set_text(group.name, name);
	set_text(group.config_name, "half");
	set_text(group.last_successful, "d-000000001");
	set_text(group.last_attempted, "d-000000002");
	store_put_group(store, &group);
}

START_TEST(applications_and_groups_come_back)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct application shop = application_of("shop");
	struct application bank = application_of("bank");
	char revision[] = "{\"r\":1}";

	store_put_application(store, &shop);
	store_put_application(store, &bank);
	put_group(store, &shop, "web", NULL);
	put_group(store, &shop, "db", revision);
	put_group(store, &bank, "web", NULL);
	must_commit(store);
	store = reopen(store);
	assert_loads(store, "application:bank application:shop "
			    "group:bank/web/half/8/{}/d-000000001/d-000000002/- "
			    "group:shop/db/half/8/{}/d-000000001/d-000000002/{\"r\":1} "
			    "group:shop/web/half/8/{}/d-000000001/d-000000002/- ");

	/* Again: the same rows. */
	put_group(store, &shop, "db", NULL);
	store_rename_application(store, shop.id, "store");
	store_delete_group(store, "id-bank-web");
	must_commit(store);
	assert_loads(store, "application:bank application:store "
			    "group:store/db/half/8/{}/d-000000001/d-000000002/- "
			    "group:store/web/half/8/{}/d-000000001/d-000000002/- ");

	/* Its groups go with it. */
	store_delete_application(store, shop.id);
	must_commit(store);
	assert_loads(store, "application:bank ");
}
END_TEST

START_TEST(configurations_come_back)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_config config = {
		.id = "c1",
		.name = "most",
		.minimum = { MINIMUM_FLEET_PERCENT, 75, false },
		.created_ms = 9,
	};

	store_put_config(store, &config);
	must_commit(store);
	store = reopen(store);
	assert_loads(store, "config:most/1/75/0/9 ");
	store_delete_config(store, "c1");
	must_commit(store);
	assert_loads(store, "");
}
END_TEST

START_TEST(hosts_come_back_with_their_tags)
{
	cleanup_with(store_closep) struct store *store = open_store();
	char arn[] = "arn:aws:iam::0:user/web-1";
	char empty[] = "";
	struct host host = { .name = "web-1", .iam_arn = arn, .is_session_arn = true };

	host.instance_arn = empty;
	host.registered_ms = 10;
	tags_set(&host.tags, "role", "web");
	tags_set(&host.tags, "a key", "it's \"1\"; -- \xc3\xa4");
	store_put_host(store, &host);
	must_commit(store);
	store = reopen(store);
	assert_loads(store, "host:web-1/arn:aws:iam::0:user/web-1/1//10/0"
			    "/a key=it's \"1\"; -- \xc3\xa4/role=web ");

	(void)tags_remove(&host.tags, "a key");
	host.deregistered_ms = 11;
	store_put_host(store, &host);
	must_commit(store);
	assert_loads(store, "host:web-1/arn:aws:iam::0:user/web-1/1//10/11/role=web ");
	tags_done(&host.tags);
}
END_TEST

START_TEST(an_arn_is_one_registered_hosts_only)
{
	cleanup_with(store_closep) struct store *store = open_store();
	char arn[] = "arn:1";
	char empty[] = "";
	struct host host = { .name = "old", .iam_arn = arn, .instance_arn = empty };

	host.deregistered_ms = 1;
	store_put_host(store, &host);
	host.deregistered_ms = 0;
	set_text(host.name, "new");
	store_put_host(store, &host);
	must_commit(store);
	set_text(host.name, "third");
	store_put_host(store, &host);
	ck_assert_int_eq(store_commit(store, NULL), -EINVAL);
}
END_TEST

START_TEST(keys_come_back)
{
	cleanup_with(store_closep) struct store *store = open_store();
	char arn[] = "arn:2";
	char applications[] = "[\"shop\"]";
	char secret[] = "s3cr3t";
	struct key key = {
		.id = "AKIA2345678901234567",
		.name = "ci",
		.role = KEY_DEPLOYER,
		.user_arn = arn,
		.applications = applications,
		.secret = secret,
		.created_ms = 12,
	};

	store_put_key(store, &key);
	must_commit(store);
	key.disabled = true;
	store_put_key(store, &key);
	must_commit(store);
	store = reopen(store);
	assert_loads(store, "key:AKIA2345678901234567/ci/1/arn:2/[\"shop\"]/s3cr3t/1/12 ");
	store_delete_key(store, key.id);
	must_commit(store);
	assert_loads(store, "");
}
END_TEST

START_TEST(host_records_come_back_and_go_with_their_group)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct application shop = application_of("shop");
	struct host_record record = { { true, REVISION_OLD }, "d-000000001", 1234 };
	struct host_record found;

	store_put_application(store, &shop);
	put_group(store, &shop, "web", NULL);
	store_put_host_record(store, "web-1", "id-shop-web", &record);
	must_commit(store);
	record.history = (struct host_history){ false, REVISION_CURRENT };
	store_put_host_record(store, "web-2", "id-shop-web", &record);
	must_commit(store);
	store = reopen(store);
	ck_assert_int_eq(
		store_find_host_record(store, "web-1", "id-shop-web", &found, NULL), 1);
	ck_assert(found.history.healthy);
	ck_assert_int_eq(found.history.revision, REVISION_OLD);
	ck_assert_str_eq(found.deployment_id, "d-000000001");
	ck_assert_uint_eq(found.written_ms, 1234);
	ck_assert_int_eq(
		store_find_host_record(store, "web-2", "id-shop-web", &found, NULL), 1);
	ck_assert(!found.history.healthy);
	ck_assert_int_eq(found.history.revision, REVISION_CURRENT);
	ck_assert_int_eq(
		store_find_host_record(store, "web-3", "id-shop-web", &found, NULL), 0);
	store_delete_group(store, "id-shop-web");
	must_commit(store);
	ck_assert_int_eq(
		store_find_host_record(store, "web-1", "id-shop-web", &found, NULL), 0);
}
END_TEST

START_TEST(revisions_come_back_and_go_with_their_application)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct application shop = application_of("shop");
	char location[] = "{\"revisionType\":\"S3\"}";
	char description[] = "d";
	struct revision_record record = {
		.location = location,
		.description = description,
		.registered_ms = 1,
		.first_used_ms = 2,
		.last_used_ms = 3,
	};
	struct revision_record found = { 0 };

	set_text(record.application_id, shop.id);
	store_put_application(store, &shop);
	store_put_revision(store, &record);
	record.last_used_ms = 4;
	store_put_revision(store, &record);
	must_commit(store);
	store = reopen(store);
	ck_assert_int_eq(store_find_revision(store, shop.id, location, &found, NULL), 1);
	ck_assert_str_eq(found.application_id, shop.id);
	ck_assert_str_eq(found.location, location);
	ck_assert_str_eq(found.description, "d");
	ck_assert_uint_eq(found.registered_ms, 1);
	ck_assert_uint_eq(found.first_used_ms, 2);
	ck_assert_uint_eq(found.last_used_ms, 4);
	revision_record_done(&found);
	ck_assert_int_eq(store_find_revision(store, shop.id, "{}", &found, NULL), 0);
	store_delete_application(store, shop.id);
	must_commit(store);
	ck_assert_int_eq(store_find_revision(store, shop.id, location, &found, NULL), 0);
}
END_TEST

START_TEST(values_come_back)
{
	cleanup_with(store_closep) struct store *store = open_store();
	char *value;

	ck_assert_ptr_null(store_get_value(store, "clock"));
	store_put_value(store, "clock", "1");
	store_put_value(store, "clock", "2");
	must_commit(store);
	store = reopen(store);
	value = store_get_value(store, "clock");
	ck_assert_str_eq(value, "2");
	free(value);
	store_put_value(store, "clock", NULL);
	store_put_value(store, "never", NULL);
	must_commit(store);
	ck_assert_ptr_null(store_get_value(store, "clock"));
}
END_TEST

START_TEST(a_loader_ends_the_load_and_leaves_kinds_out)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct loading loading = { .fail_with = -EPROTO };
	struct store_loader nothing = { 0 };
	struct application shop = application_of("shop");
	struct application bank = application_of("bank");
	struct error err = ERROR_NONE;

	store_put_application(store, &shop);
	store_put_application(store, &bank);
	must_commit(store);
	ck_assert_int_eq(load_into(&loading, store, &err), -EPROTO);
	ck_assert_int_eq(err.code, -EPROTO);
	ck_assert_str_eq(loading.order.data, "application:bank ");
	buf_done(&loading.order);
	ck_assert_int_eq(store_load(store, &nothing, &err), 0);
}
END_TEST

START_TEST(a_fleet_is_loaded)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(fleet_freep) struct fleet *fleet = fleet_new();
	struct application shop = application_of("shop");
	struct error err = ERROR_NONE;
	const struct group *group;

	store_put_application(store, &shop);
	put_group(store, &shop, "web", NULL);
	must_commit(store);
	ck_assert_int_eq(fleet_load(fleet, store, &err), 0);
	group = fleet_find_group_by_id(fleet, "id-shop-web");
	ck_assert_ptr_nonnull(group);
	ck_assert_str_eq(group->application->name, "shop");
	ck_assert_uint_eq(group->application->n_groups, 1);

	/* Once more: what is there already was not written by us. */
	ck_assert_int_eq(fleet_load(fleet, store, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "the database holds application shop twice");
}
END_TEST

/* ---- pages ---- */

START_TEST(names_are_paged_in_order)
{
	cleanup_with(store_closep) struct store *store = open_store();
	static const char *const all[] = { "b", "a", "C", "a b", "\xc3\xa4" };
	struct names names = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct application application = application_of(all[i]);

		store_put_application(store, &application);
		put_group(store, &application, "g1", NULL);
		put_group(store, &application, "g2", NULL);
	}
	/* What is not committed yet is seen as well. */
	ck_assert_int_eq(store_page_applications(store, "", 2, add_name, &names, NULL), 0);
	ck_assert_str_eq(names.text, "C a ");
	ck_assert_int_eq(store_page_applications(store, "a", 2, add_name, &names, NULL), 0);
	ck_assert_str_eq(names.text, "C a a b b ");
	ck_assert_int_eq(store_page_applications(store, "b", 2, add_name, &names, NULL), 0);
	ck_assert_int_eq(
		store_page_applications(store, "\xc3\xa4", 2, add_name, &names, NULL), 0);
	ck_assert_str_eq(names.text, "C a a b b \xc3\xa4 ");

	names = (struct names){ 0 };
	ck_assert_int_eq(store_page_groups(store, "id-b", "", 100, add_name, &names, NULL), 0);
	ck_assert_str_eq(names.text, "g1 g2 ");
	ck_assert_int_eq(
		store_page_groups(store, "id-b", "g1", 100, add_name, &names, NULL), 0);
	ck_assert_str_eq(names.text, "g1 g2 g2 ");
	ck_assert_int_eq(store_page_groups(store, "id-b", "", 0, add_name, &names, NULL), 0);
	ck_assert_int_eq(store_page_hosts(store, "", 100, add_name, &names, NULL), 0);
	ck_assert_int_eq(store_page_configs(store, "", 100, add_name, &names, NULL), 0);
	ck_assert_uint_eq(names.n, 3);
}
END_TEST

TESTS("store_rows", an_empty_store_loads_nothing, applications_and_groups_come_back,
	configurations_come_back, hosts_come_back_with_their_tags,
	an_arn_is_one_registered_hosts_only, keys_come_back,
	host_records_come_back_and_go_with_their_group,
	revisions_come_back_and_go_with_their_application, values_come_back,
	a_loader_ends_the_load_and_leaves_kinds_out, a_fleet_is_loaded,
	names_are_paged_in_order)
