/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store.h"

#include <errno.h>
#include <stdlib.h>

#include "store_case.h"
#include "store_loading.h"

/* Deployments with their targets, events and deliveries: put, loaded, found, paged. */

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

START_TEST(a_deployment_that_is_over_has_a_status_that_says_so)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_record record = deployment_of("d-OPEN00000", 100);

	record.completed_ms = 101;
	store_put_deployment(store, &record);
	ck_assert_int_eq(store_commit(store, NULL), -EINVAL);
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

TESTS("store_deployments", a_deployment_comes_back_whole, a_target_comes_back_whole,
	a_target_of_no_deployment_is_refused, events_come_back_in_order,
	a_deployment_that_is_over_has_a_status_that_says_so,
	deployments_are_paged_from_the_newest,
	deployments_follow_their_application_to_its_new_name,
	targets_are_paged_by_position_and_state,
	the_first_delivery_of_an_event_drops_those_before, only_open_deployments_are_loaded)
