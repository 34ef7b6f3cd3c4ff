/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "controller/fleet.h"
#include "controller/tags.h"
#include "store_case.h"

/* What is put is what is loaded, found and paged after a restart. */

/* What a load says, a word for each row in order; and the last of each kind. */
struct loading {
	struct store_loader loader;
	struct buf order;
	struct deployment_record *deployment;
	struct target_record target;
	struct delivery delivery;
	int fail_with; /* at the first application */
};

static struct loading *self(struct store_loader *loader)
{
	return container_of(loader, struct loading, loader);
}

static int on_application(struct store_loader *loader, struct application *application)
{
	struct loading *loading = self(loader);

	buf_printf(&loading->order, "application:%s ", application->name);
	free(application);
	return loading->fail_with;
}

static int on_config(struct store_loader *loader, struct deployment_config *config)
{
	buf_printf(&self(loader)->order, "config:%s/%d/%u/%d/%u ", config->name,
		config->minimum.type, config->minimum.value, config->minimum.predefined,
		(unsigned)config->created_ms);
	free(config);
	return 0;
}

static int on_group(struct store_loader *loader, struct group *group, const char *application)
{
	buf_printf(&self(loader)->order, "group:%s/%s/%s/%u/%s/%s/%s/%s ", application,
		group->name, group->config_name, (unsigned)group->created_ms, group->settings,
		group->last_successful, group->last_attempted,
		group->target_revision ? group->target_revision : "-");
	group_free(group);
	return 0;
}

static int on_host(struct store_loader *loader, struct host *host)
{
	struct buf *order = &self(loader)->order;

	buf_printf(order, "host:%s/%s/%d/%s/%u/%u", host->name, host->iam_arn,
		host->is_session_arn, host->instance_arn, (unsigned)host->registered_ms,
		(unsigned)host->deregistered_ms);
	for (size_t i = 0; i < host->tags.n; i++)
		buf_printf(order, "/%s=%s", host->tags.items[i].key, host->tags.items[i].value);
	buf_puts(order, " ");
	host_free(host);
	return 0;
}

static int on_key(struct store_loader *loader, struct key *key)
{
	buf_printf(&self(loader)->order, "key:%s/%s/%d/%s/%s/%s/%d/%u ", key->id, key->name,
		key->role, key->user_arn, key->applications, key->secret, key->disabled,
		(unsigned)key->created_ms);
	key_free(key);
	return 0;
}

static int on_deployment(struct store_loader *loader, struct deployment_record *record)
{
	buf_printf(&self(loader)->order, "deployment:%s ", record->id);
	deployment_record_done(record);
	free(record);
	return 0;
}

static int on_target(struct store_loader *loader, const char *deployment_id,
	const struct target_record *record)
{
	buf_printf(&self(loader)->order, "target:%s/%u/%s ", deployment_id, record->position,
		record->host_name);
	self(loader)->target = *record;
	return 0;
}

static int on_delivery(struct store_loader *loader, const char *deployment_id,
	uint32_t position, enum target_event event, const struct delivery *delivery)
{
	buf_printf(&self(loader)->order, "delivery:%s/%u/%d/%s/%u/%d/%d ", deployment_id,
		position, event, delivery->id, (unsigned)delivery->offered_ms,
		delivery->is_acknowledged, delivery->is_noop);
	return 0;
}

static int load_into(struct loading *loading, struct store *store, struct error *err)
{
	loading->loader = (struct store_loader){ on_application, on_config, on_group, on_host,
		on_key, on_deployment, on_target, on_delivery };
	return store_load(store, &loading->loader, err);
}

#define assert_loads(store, expected)                                                          \
	do {                                                                                   \
		struct loading loading_ = { 0 };                                               \
		struct error err_ = ERROR_NONE;                                                \
		ck_assert_msg(load_into(&loading_, store, &err_) == 0, "%s", err_.text);       \
		ck_assert_str_eq(loading_.order.data ? loading_.order.data : "", expected);    \
		buf_done(&loading_.order);                                                     \
	} while (0)

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
	struct host_record record = { { true, REVISION_OLD }, "d-000000001" };
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

START_TEST(a_deployment_comes_back_whole)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(deployment_record_done) struct deployment_record found = { 0 };
	struct deployment_record record = deployment_of("d-ABCDEFGHI", 100);
	char code[] = "HEALTH_CONSTRAINTS";
	char text[] = "too many";
	char json[] = "{\"x\":[1]}";

	store_put_deployment(store, &record);
	must_commit(store);
	record.started_ms = 101;
	record.completed_ms = 102;
	set_text(record.status, "Failed");
	set_text(record.rolled_back_by, "d-111111111");
	set_text(record.rollback_of, "d-222222222");
	record.error_code = code;
	record.error_message = text;
	record.rollback_message = text;
	record.previous_revision = json;
	record.rollout = json;
	for (uint32_t i = 0; i < 6; i++)
		record.overview[i] = i + 1;
	store_put_deployment(store, &record);
	must_commit(store);
	store = reopen(store);

	ck_assert_int_eq(store_find_deployment(store, "d-ABCDEFGHI", &found, NULL), 1);
	ck_assert_str_eq(found.application_name, "shop");
	ck_assert_str_eq(found.group_id, "group-1");
	ck_assert_str_eq(found.group_name, "web");
	ck_assert_str_eq(found.config_name, "CodeDeployDefault.OneAtATime");
	ck_assert_str_eq(found.revision, "{\"revisionType\":\"S3\"}");
	ck_assert_str_eq(found.previous_revision, json);
	ck_assert_str_eq(found.description, "first");
	ck_assert_str_eq(found.creator, "user");
	ck_assert_str_eq(found.created_by, "AKIA2345678901234567");
	ck_assert_uint_eq(found.created_ms, 100);
	ck_assert_uint_eq(found.started_ms, 101);
	ck_assert_uint_eq(found.completed_ms, 102);
	ck_assert_str_eq(found.status, "Failed");
	ck_assert_str_eq(found.error_code, code);
	ck_assert_str_eq(found.error_message, text);
	for (uint32_t i = 0; i < 6; i++)
		ck_assert_uint_eq(found.overview[i], i + 1);
	ck_assert_str_eq(found.file_exists, "DISALLOW");
	ck_assert_str_eq(found.rolled_back_by, "d-111111111");
	ck_assert_str_eq(found.rollback_of, "d-222222222");
	ck_assert_str_eq(found.rollback_message, text);
	ck_assert_str_eq(found.rollout, json);
	ck_assert_str_eq(found.messages, "[]");
	ck_assert_ptr_null(found.alarm_override);
	ck_assert(!found.restart && !found.only_outdated);
	ck_assert_int_eq(store_find_deployment(store, "d-JKLMNOPQR", &found, NULL), 0);
}
END_TEST

START_TEST(a_target_comes_back_whole)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record deployment = deployment_of("d-ABCDEFGHI", 100);
	struct target_record record = target_of(4000000000U);
	struct target_record found = { 0 };

	record.target = (struct target){
		.history = { true, REVISION_CURRENT },
		.gone = true,
		.held = true,
		.gone_since_ms = 50,
		.state = TARGET_FAILED,
		.reason = REASON_HOST_GONE,
		.step = 6,
		.events = { EVENT_STATUS_SUCCEEDED, EVENT_STATUS_FAILED, EVENT_STATUS_SKIPPED },
		.touched = true,
		.vanished = true,
		.since_ms = 60,
	};
	store_put_deployment(store, &deployment);
	store_put_target(store, deployment.id, &record);
	must_commit(store);
	store = reopen(store);
	ck_assert_int_eq(
		store_find_target(store, deployment.id, record.host_name, &found, NULL), 1);
	ck_assert_uint_eq(found.position, 4000000000U);
	ck_assert_uint_eq(found.updated_ms, 5);
	ck_assert(found.target.history.healthy && found.target.gone && found.target.held);
	ck_assert(found.target.touched && found.target.vanished);
	ck_assert_int_eq(found.target.history.revision, REVISION_CURRENT);
	ck_assert_uint_eq(found.target.gone_since_ms, 50);
	ck_assert_int_eq(found.target.state, TARGET_FAILED);
	ck_assert_int_eq(found.target.reason, REASON_HOST_GONE);
	ck_assert_uint_eq(found.target.step, 6);
	ck_assert_mem_eq(
		found.target.events, record.target.events, sizeof(found.target.events));
	ck_assert_uint_eq(found.target.since_ms, 60);
	ck_assert_int_eq(store_find_target(store, deployment.id, "other", &found, NULL), 0);
}
END_TEST

START_TEST(a_target_of_no_deployment_is_refused)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct target_record record = target_of(0);
	struct error err = ERROR_NONE;

	store_put_target(store, "d-ABCDEFGHI", &record);
	ck_assert_int_eq(store_commit(store, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "FOREIGN KEY"));
}
END_TEST

static void add_event(void *context, const struct event_record *record)
{
	buf_printf(context, "%d/%d/%u/%u/%d/%s/%s/%s ", record->event, record->status,
		(unsigned)record->started_ms, (unsigned)record->ended_ms, record->error_code,
		record->script_name ? record->script_name : "-",
		record->message ? record->message : "-",
		record->log_tail ? record->log_tail : "-");
}

START_TEST(events_come_back_in_order)
{
	cleanup_with(store_closep) struct store *store = open_store();
	char script[] = "scripts/start.sh";
	char message[] = "it failed";
	char tail[] = "line\nline\n";
	struct event_record start = { TARGET_APPLICATION_START, EVENT_STATUS_IN_PROGRESS, 20, 0,
		-1, NULL, NULL, NULL };
	struct event_record stop = { TARGET_APPLICATION_STOP, EVENT_STATUS_SUCCEEDED, 10, 11, 0,
		NULL, NULL, NULL };
	struct buf text = { 0 };

	store_put_event(store, "d-ABCDEFGHI", 3, &start);
	store_put_event(store, "d-ABCDEFGHI", 3, &stop);
	store_put_event(store, "d-ABCDEFGHI", 4, &stop);
	must_commit(store);
	start.status = EVENT_STATUS_FAILED;
	start.ended_ms = 21;
	start.error_code = 4;
	start.script_name = script;
	start.message = message;
	start.log_tail = tail;
	store_put_event(store, "d-ABCDEFGHI", 3, &start);
	must_commit(store);
	store = reopen(store);
	ck_assert_int_eq(store_read_events(store, "d-ABCDEFGHI", 3, add_event, &text, NULL), 0);
	ck_assert_str_eq(text.data, "3/2/10/11/0/-/-/- "
				    "8/3/20/21/4/scripts/start.sh/it failed/line\nline\n ");
	buf_done(&text);
}
END_TEST

START_TEST(only_open_deployments_are_loaded)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record open = deployment_of("d-OPEN00000", 100);
	struct deployment_record over = deployment_of("d-OVER00000", 50);
	struct deployment_record later = deployment_of("d-LATER0000", 100);
	struct target_record target = target_of(0);
	struct delivery delivery = { "id-1", 5, true, false };

	store_put_deployment(store, &over);
	store_put_deployment(store, &open);
	store_put_deployment(store, &later);
	store_put_target(store, over.id, &target);
	store_put_target(store, open.id, &target);
	target = target_of(1);
	store_put_target(store, open.id, &target);
	store_put_delivery(store, over.id, 0, TARGET_INSTALL, &delivery, true);
	store_put_delivery(store, open.id, 1, TARGET_INSTALL, &delivery, true);
	must_commit(store);
	set_text(over.status, "Succeeded");
	over.completed_ms = 60;
	store_put_deployment(store, &over);
	must_commit(store);
	store = reopen(store);
	assert_loads(store, "deployment:d-OPEN00000 deployment:d-LATER0000 "
			    "target:d-OPEN00000/0/host-00000 target:d-OPEN00000/1/host-00001 "
			    "delivery:d-OPEN00000/1/6/id-1/5/1/0 ");
}
END_TEST

START_TEST(a_deployment_that_is_over_has_a_status_that_says_so)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record record = deployment_of("d-OPEN00000", 100);

	record.completed_ms = 101;
	store_put_deployment(store, &record);
	ck_assert_int_eq(store_commit(store, NULL), -EINVAL);
}
END_TEST

START_TEST(the_first_delivery_of_an_event_drops_those_before)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record record = deployment_of("d-OPEN00000", 100);
	struct delivery a = { "a", 1, false, false };
	struct delivery b = { "b", 2, false, false };
	struct delivery c = { "c", 3, false, true };

	store_put_deployment(store, &record);
	store_put_delivery(store, record.id, 0, TARGET_INSTALL, &b, true);
	store_put_delivery(store, record.id, 0, TARGET_INSTALL, &a, false);
	a.is_acknowledged = true;
	store_put_delivery(store, record.id, 0, TARGET_INSTALL, &a, false);
	store_put_delivery(store, record.id, 1, TARGET_INSTALL, &b, false);
	must_commit(store);
	assert_loads(store, "deployment:d-OPEN00000 delivery:d-OPEN00000/0/6/b/2/0/0 "
			    "delivery:d-OPEN00000/0/6/a/1/1/0 "
			    "delivery:d-OPEN00000/1/6/b/2/0/0 ");
	store_put_delivery(store, record.id, 0, TARGET_AFTER_INSTALL, &c, true);
	must_commit(store);
	assert_loads(store, "deployment:d-OPEN00000 delivery:d-OPEN00000/0/7/c/3/0/1 "
			    "delivery:d-OPEN00000/1/6/b/2/0/0 ");
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

/* Deployments of one millisecond are told apart by their order. */
static void put_deployments(struct store *store)
{
	static const struct {
		const char *id;
		uint64_t created_ms;
		const char *application;
		const char *group;
		const char *status;
	} rows[] = {
		{ "d-000000001", 10, "shop", "g1", "Succeeded" },
		{ "d-000000002", 20, "shop", "g2", "Failed" },
		{ "d-000000003", 20, "bank", "g3", "Succeeded" },
		{ "d-000000004", 20, "shop", "g1", "InProgress" },
		{ "d-000000005", 30, "shop", "g1", "Created" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct deployment_record record = deployment_of(rows[i].id, rows[i].created_ms);

		set_text(record.application_name, rows[i].application);
		set_text(record.group_id, rows[i].group);
		set_text(record.status, rows[i].status);
		store_put_deployment(store, &record);
	}
	must_commit(store);
}

#define assert_deployments(store, after, limit, expected, ...)                                 \
	do {                                                                                   \
		struct deployment_filter filter_ = { __VA_ARGS__ };                            \
		struct names names_ = { 0 };                                                   \
		ck_assert_int_eq(store_page_deployments(store, &filter_, after, limit,         \
					 add_name, &names_, NULL),                             \
			0);                                                                    \
		ck_assert_str_eq(names_.text, expected);                                       \
	} while (0)

START_TEST(deployments_are_paged_from_the_newest)
{
	cleanup_with(store_closep) struct store *store = open_store();
	static const char *const ended[] = { "Succeeded", "Failed" };
	static const char *const part_of_a_word[] = { "Fail" };
	struct deployment_filter all = { 0 };
	struct names names = { 0 };
	struct error err = ERROR_NONE;

	put_deployments(store);
	assert_deployments(store, "", 2, "d-000000005 d-000000004 ", .group_id = NULL);
	assert_deployments(
		store, "d-000000004", 2, "d-000000003 d-000000002 ", .group_id = NULL);
	assert_deployments(store, "d-000000002", 2, "d-000000001 ", .group_id = NULL);
	assert_deployments(store, "d-000000001", 2, "", .group_id = NULL);
	assert_deployments(
		store, "", 9, "d-000000005 d-000000004 d-000000001 ", .group_id = "g1");
	assert_deployments(store, "d-000000004", 9, "d-000000001 ", .group_id = "g1",
		.application_name = "shop");
	assert_deployments(store, "d-000000005", 2, "d-000000004 d-000000002 ",
		.application_name = "shop");
	assert_deployments(store, "", 9, "d-000000003 d-000000002 d-000000001 ",
		.statuses = ended, .n_statuses = 2);
	assert_deployments(store, "", 9, "", .statuses = part_of_a_word, .n_statuses = 1);
	assert_deployments(store, "", 9, "d-000000004 d-000000003 d-000000002 ",
		.created_from_ms = 11, .created_to_ms = 20);
	assert_deployments(store, "", 9, "d-000000005 d-000000004 ", .group_id = "g1",
		.created_from_ms = 20);
	ck_assert_int_eq(
		store_page_deployments(store, &all, "d-999999999", 2, add_name, &names, &err),
		-ENOENT);
}
END_TEST

START_TEST(deployments_follow_their_application_to_its_new_name)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct application shop = application_of("shop");

	store_put_application(store, &shop);
	put_deployments(store);
	store_rename_application(store, shop.id, "store");
	must_commit(store);
	assert_deployments(store, "", 9, "", .application_name = "shop");
	assert_deployments(store, "", 9, "d-000000005 d-000000004 d-000000002 d-000000001 ",
		.application_name = "store");
}
END_TEST

static void add_target(void *context, const struct target_record *record)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%u", record->position);
	add_name(context, text);
}

START_TEST(targets_are_paged_by_position_and_state)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record deployment = deployment_of("d-ABCDEFGHI", 100);
	struct names names = { 0 };

	store_put_deployment(store, &deployment);
	for (uint32_t i = 0; i < 12; i++) {
		struct target_record record = target_of(i);

		record.target.state = (enum target_state)(i % N_TARGET_STATES);
		store_put_target(store, deployment.id, &record);
	}
	must_commit(store);
	ck_assert_int_eq(
		store_page_targets(store, deployment.id, 0, -1, 5, add_target, &names, NULL),
		0);
	ck_assert_str_eq(names.text, "0 1 2 3 4 ");
	names = (struct names){ 0 };
	ck_assert_int_eq(store_page_targets(store, deployment.id,
				 1U << TARGET_PENDING | 1U << TARGET_SKIPPED, 0, 9, add_target,
				 &names, NULL),
		0);
	ck_assert_str_eq(names.text, "5 6 11 ");
	names = (struct names){ 0 };
	ck_assert_int_eq(
		store_page_targets(store, deployment.id, 0, 11, 9, add_target, &names, NULL),
		0);
	ck_assert_str_eq(names.text, "");
}
END_TEST

TESTS("store_rows", an_empty_store_loads_nothing, applications_and_groups_come_back,
	configurations_come_back, hosts_come_back_with_their_tags,
	an_arn_is_one_registered_hosts_only, keys_come_back,
	host_records_come_back_and_go_with_their_group, a_deployment_comes_back_whole,
	a_target_comes_back_whole, a_target_of_no_deployment_is_refused,
	events_come_back_in_order, only_open_deployments_are_loaded,
	a_deployment_that_is_over_has_a_status_that_says_so,
	the_first_delivery_of_an_event_drops_those_before,
	revisions_come_back_and_go_with_their_application, values_come_back,
	a_loader_ends_the_load_and_leaves_kinds_out, a_fleet_is_loaded,
	names_are_paged_in_order, deployments_are_paged_from_the_newest,
	deployments_follow_their_application_to_its_new_name,
	targets_are_paged_by_position_and_state)
