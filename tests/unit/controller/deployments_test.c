/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include "controller/rollout_why.h"

static struct deployment_request all_at_once(const struct world *world, const char *revision)
{
	struct deployment_request request = world_request(world, revision);

	request.config = fleet_find_config(world->fleet, "CodeDeployDefault.AllAtOnce");
	return request;
}

static void deploy_well(struct world *world, const char *revision, unsigned n_hosts)
{
	struct deployment_request request = world_request(world, revision);

	world_deploy(world, &request);
	all_run(world, n_hosts);
	ck_assert_ptr_null(world_open(world));
}

START_TEST(a_deployment_runs_over_its_hosts_and_is_written_down)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;

	world_init(&world, 3, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	ck_assert_ptr_eq(world.group->active, world_open(&world));
	ck_assert_uint_eq(world.n_told, 1);
	ck_assert_uint_eq(world_open(&world)->record.overview[0], 2);
	ck_assert_uint_eq(world_open(&world)->record.overview[1], 1);
	ck_assert_str_eq(world_open(&world)->record.status, "InProgress");
	all_run(&world, 3);
	ck_assert_ptr_null(world_open(&world));
	ck_assert_ptr_null(world.group->active);
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Succeeded");
	ck_assert_str_eq(record.revision, REVISION(1));
	ck_assert_ptr_null(record.error_code);
	ck_assert_uint_eq(record.overview[2], 3);
	ck_assert_uint_ge(record.completed_ms, record.started_ms);
	ck_assert_str_eq(world.group->last_successful, world.id);
	ck_assert_str_eq(world.group->last_attempted, world.id);
	ck_assert_str_eq(world.group->target_revision, REVISION(1));
	ck_assert_int_eq(
		world_target(&world, world.id, "web-2").target.state, TARGET_SUCCEEDED);
	world_done(&world);
}
END_TEST

static unsigned n_events;
static struct event_record first_event;

static void note_event(void *context, const struct event_record *record)
{
	(void)context;
	if (n_events++ == 0)
		first_event = *record;
	first_event.script_name = NULL;
	first_event.message = NULL;
	first_event.log_tail = NULL;
}

START_TEST(events_are_written_with_their_times_and_diagnostics)
{
	struct deployment_request request;
	struct world world;
	uint64_t began_ms;

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	(void)host_takes(&world, "web-1");
	began_ms = world.now_ms;
	world.now_ms += 500;
	host_ends(&world, "web-1", EVENT_STATUS_SUCCEEDED);
	n_events = 0;
	ck_assert_int_eq(
		store_read_events(world.store, world.id, 0, note_event, NULL, NULL), 0);
	ck_assert_uint_eq(n_events, 1);
	ck_assert_int_eq(first_event.event, TARGET_APPLICATION_STOP);
	ck_assert_int_eq(first_event.status, EVENT_STATUS_SUCCEEDED);
	ck_assert_uint_eq(first_event.started_ms, began_ms);
	ck_assert_uint_eq(first_event.ended_ms, world.now_ms);
	ck_assert_int_eq(first_event.error_code, 0);
	world_done(&world);
}
END_TEST

static char last_message[256];

static void note_message(void *context, const struct event_record *record)
{
	(void)context;
	(void)snprintf(last_message, sizeof(last_message), "%d/%d %s", record->event,
		record->status, record->message);
}

START_TEST(a_silent_agent_fails_and_the_event_says_why)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;
	struct target_record target;

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	pass_deadline(&world);
	ck_assert_ptr_null(world_open(&world));
	ck_assert_uint_eq(world.n_withdrawn, 1);
	target = world_target(&world, world.id, "web-1");
	ck_assert_int_eq(target.target.state, TARGET_FAILED);
	ck_assert_int_eq(target.target.reason, REASON_AGENT_SILENT);
	ck_assert_int_eq(
		store_read_events(world.store, world.id, 0, note_message, NULL, NULL), 0);
	ck_assert_str_eq(last_message,
		"3/4 the agent did not take the command in time: see that the agent runs and "
		"can do its work");
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Failed");
	ck_assert_str_eq(record.error_code, "HEALTH_CONSTRAINTS");
	ck_assert_ptr_nonnull(strstr(record.error_message,
		"(1 of 1 hosts failed, at least 0 must stay healthy; first web-1 in "
		"ApplicationStop: the agent did not take the command in time)"));
	world_done(&world);
}
END_TEST

START_TEST(a_group_without_hosts_ends_at_once)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;

	world_init(&world, 0, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	ck_assert_ptr_null(world_open(&world));
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Failed");
	ck_assert_str_eq(record.error_code, "NO_INSTANCES");
	ck_assert_uint_gt(record.completed_ms, 0);
	ck_assert_str_eq(world.group->last_attempted, world.id);
	world_done(&world);
}
END_TEST

START_TEST(a_busy_group_refuses_another)
{
	struct deployment_request request;
	struct world world;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	struct error err = ERROR_NONE;

	world_init(&world, 2, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	ck_assert_int_eq(
		deployments_create(world.deployments, &request, world.now_ms, id, &err),
		-EBUSY);
	ck_assert_str_eq(world.group->active->record.id, world.id);
	world_done(&world);
}
END_TEST

/* ---- histories */

static struct host_record history_of(const struct world *world, const char *host)
{
	struct host_record record = { 0 };

	ck_assert_int_eq(
		store_find_host_record(world->store, host, "id-prod", &record, NULL), 1);
	return record;
}

START_TEST(hosts_take_their_result_along)
{
	struct deployment_request request;
	struct world world;

	world_init(&world, 3, "");
	request = world_request(&world, REVISION(1));
	request.config = fleet_find_config(world.fleet, "CodeDeployDefault.AllAtOnce");
	world_deploy(&world, &request);
	(void)host_runs(&world, "web-1", -1);
	(void)host_runs(&world, "web-2", -1);
	(void)host_runs(&world, "web-3", TARGET_INSTALL);
	ck_assert_ptr_null(world_open(&world));
	ck_assert(history_of(&world, "web-1").history.healthy);
	ck_assert_int_eq(history_of(&world, "web-1").history.revision, REVISION_CURRENT);
	ck_assert_str_eq(history_of(&world, "web-1").deployment_id, world.id);
	ck_assert(!history_of(&world, "web-3").history.healthy);
	ck_assert_str_eq(history_of(&world, "web-3").deployment_id, "");
	/* The one that failed comes first next time. */
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	ck_assert_ptr_nonnull(busy_target(world_host(&world, "web-3")));
	ck_assert(!world_open(&world)->targets[2].history.healthy);
	ck_assert_int_eq(world_open(&world)->targets[0].history.revision, REVISION_CURRENT);
	ck_assert_str_eq(world_open(&world)->record.previous_revision, REVISION(1));
	world_done(&world);
}
END_TEST

START_TEST(only_outdated_leaves_hosts_alone_that_have_the_revision)
{
	struct deployment_request request;
	struct world world;

	world_init(&world, 2, "");
	deploy_well(&world, REVISION(1), 2);
	(void)world_add_host(&world, 3);
	request = world_request(&world, REVISION(1));
	request.only_outdated = true;
	world_deploy(&world, &request);
	ck_assert_uint_eq(world_open(&world)->rollout.n_targets, 1);
	ck_assert_uint_eq(world_open(&world)->rollout.config.n_bystanders, 2);
	all_run(&world, 3);
	/* Of another revision all of them are outdated. */
	request.revision = REVISION(2);
	world_deploy(&world, &request);
	ck_assert_uint_eq(world_open(&world)->rollout.n_targets, 3);
	all_run(&world, 3);
	/* And of the one they have, none: a success without targets. */
	world_deploy(&world, &request);
	ck_assert_ptr_null(world_open(&world));
	ck_assert_str_eq(world.group->last_successful, world.id);
	world_done(&world);
}
END_TEST

START_TEST(a_host_that_missed_a_revision_counts_as_old)
{
	struct deployment_request request;
	struct world world;

	world_init(&world, 2, "");
	deploy_well(&world, REVISION(1), 2);
	world_host(&world, "web-2")->tags.items[0].value[0] = 'x';
	deploy_well(&world, REVISION(2), 1);
	world_host(&world, "web-2")->tags.items[0].value[0] = 'w';
	ck_assert_int_eq(history_of(&world, "web-2").history.revision, REVISION_CURRENT);
	request = world_request(&world, REVISION(3));
	world_deploy(&world, &request);
	ck_assert_int_eq(world_open(&world)->targets[0].history.revision, REVISION_CURRENT);
	ck_assert_int_eq(world_open(&world)->targets[1].history.revision, REVISION_OLD);
	world_done(&world);
}
END_TEST

START_TEST(a_revision_counts_as_registered_from_its_first_use)
{
	cleanup_with(revision_record_done) struct revision_record record = { 0 };
	struct world world;

	world_init(&world, 1, "");
	deploy_well(&world, REVISION(1), 1);
	ck_assert_int_eq(
		store_find_revision(world.store, "id-shop", REVISION(1), &record, NULL), 1);
	ck_assert_uint_gt(record.registered_ms, 0);
	ck_assert_uint_eq(record.first_used_ms, record.last_used_ms);
	world_done(&world);
}
END_TEST

/* ---- one deployment at a time on a host */

START_TEST(two_groups_take_turns_on_a_host)
{
	struct deployment_request request;
	struct deployment *second;
	struct world world;

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	request.group = world_group(&world, "all");
	world_deploy(&world, &request);
	second = world_open(&world);
	ck_assert_int_eq(second->targets[0].state, TARGET_PENDING);
	ck_assert_int_eq(rollout_why(&second->rollout).reason, REASON_HELD);
	world_restart(&world);
	second = world_open(&world);
	ck_assert_int_eq(second->targets[0].state, TARGET_PENDING);
	ck_assert(second->targets[0].held);
	while (busy_target(world_host(&world, "web-1"))->deployment != second) {
		(void)host_takes(&world, "web-1");
		host_ends(&world, "web-1", EVENT_STATUS_SUCCEEDED);
	}
	ck_assert_ptr_null(world_group(&world, "prod")->active);
	ck_assert_int_eq(second->targets[0].state, TARGET_SENT);
	ck_assert_ptr_null(busy_target(world_host(&world, "web-1"))->next_of_host);
	all_run(&world, 1);
	ck_assert_ptr_null(world_open(&world));
	world_done(&world);
}
END_TEST

/* Whenever one begins on a host, no other is under way there, over many hosts and groups. */
START_TEST(overlapping_groups_never_meet_on_a_host)
{
	struct deployment_request request;
	struct world world;
	char name[16];

	world_init(&world, 10, "");
	request = world_request(&world, REVISION(1));
	request.config = fleet_find_config(world.fleet, "CodeDeployDefault.HalfAtATime");
	world_deploy(&world, &request);
	request.group = world_group(&world, "all");
	world_deploy(&world, &request);
	for (unsigned step = 0; step < 1000 && world.group->active; step++) {
		unsigned i = 1 + step * 7 % 10;

		for (unsigned k = 1; k <= 10; k++) {
			const struct deployment_target *target;
			unsigned n_busy = 0;

			(void)snprintf(name, sizeof(name), "web-%u", k);
			for (target = world_host(&world, name)->open; target;
				target = target->next_of_host)
				n_busy += target->deployment->targets[target->position].state ==
						  TARGET_SENT ||
					  target->deployment->targets[target->position].state ==
						  TARGET_RUNNING;
			ck_assert_uint_le(n_busy, 1);
		}
		(void)snprintf(name, sizeof(name), "web-%u", i);
		if (host_takes(&world, name))
			host_ends(&world, name, EVENT_STATUS_SUCCEEDED);
	}
	all_run(&world, 10);
	ck_assert_ptr_null(world.group->active);
	ck_assert_ptr_null(world_group(&world, "all")->active);
	world_done(&world);
}
END_TEST

START_TEST(where_it_is_configured_both_run_at_once)
{
	struct deployment_request request;
	struct world world;

	world_init(&world, 1, "");
	world.settings.rollout.concurrent_on_a_host = true;
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	request.group = world_group(&world, "all");
	world_deploy(&world, &request);
	ck_assert_int_eq(world_open(&world)->targets[0].state, TARGET_SENT);
	ck_assert_int_eq(world.group->active->targets[0].state, TARGET_SENT);
	world_done(&world);
}
END_TEST

/* ---- stop and deletion */

START_TEST(a_stop_waits_for_the_event_under_way)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;
	char stopped[DEPLOYMENT_ID_LENGTH + 1];

	world_init(&world, 2, "");
	request = all_at_once(&world, REVISION(1));
	world_deploy(&world, &request);
	memcpy(stopped, world.id, sizeof(stopped));
	(void)host_takes(&world, "web-1");
	ck_assert_int_eq(deployments_stop(world.deployments, world_open(&world),
				 STOP_ROLLBACK_AS_CONFIGURED, world.now_ms),
		0);
	ck_assert_ptr_nonnull(world_open(&world));
	ck_assert_int_eq(deployments_stop(world.deployments, world_open(&world),
				 STOP_ROLLBACK_AS_CONFIGURED, world.now_ms),
		-ESTALE);
	ck_assert_ptr_null(
		deployments_command_for(world.deployments, world_host(&world, "web-2")));
	world_restart(&world);
	host_ends(&world, "web-1", EVENT_STATUS_SUCCEEDED);
	ck_assert_ptr_null(world_open(&world));
	record = world_record(&world, stopped);
	ck_assert_str_eq(record.status, "Stopped");
	ck_assert_str_eq(record.error_code, "MANUAL_STOP");
	ck_assert_str_eq(record.rolled_back_by, "");
	ck_assert_int_eq(world_target(&world, stopped, "web-1").target.state, TARGET_FAILED);
	ck_assert_int_eq(world_target(&world, stopped, "web-2").target.state, TARGET_SKIPPED);
	world_done(&world);
}
END_TEST

START_TEST(a_stop_may_roll_back)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	cleanup_with(deployment_record_done) struct deployment_record back = { 0 };
	struct deployment_request request;
	struct world world;

	world_init(&world, 2, "");
	deploy_well(&world, REVISION(1), 2);
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	(void)host_runs(&world, "web-1", -1);
	(void)host_takes(&world, "web-2");
	(void)host_takes(&world, "web-1");
	(void)deployments_stop(
		world.deployments, world_open(&world), STOP_ROLLBACK, world.now_ms);
	if (busy_target(world_host(&world, "web-1")))
		host_ends(&world, "web-1", EVENT_STATUS_SUCCEEDED);
	if (world_open(&world))
		host_ends(&world, "web-2", EVENT_STATUS_SUCCEEDED);
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Stopped");
	ck_assert_str_eq(world.group->active->record.id, record.rolled_back_by);
	all_run(&world, 2);
	back = world_record(&world, record.rolled_back_by);
	ck_assert_str_eq(back.status, "Succeeded");
	ck_assert_str_eq(back.revision, REVISION(1));
	world_done(&world);
}
END_TEST

START_TEST(without_an_earlier_success_it_says_that_there_is_no_rollback)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;

	world_init(&world, 2, ROLLBACK_SETTING);
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	if (!host_runs(&world, "web-1", TARGET_INSTALL))
		(void)host_runs(&world, "web-2", TARGET_INSTALL);
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Failed");
	ck_assert_str_eq(record.rolled_back_by, "");
	ck_assert_ptr_nonnull(strstr(record.rollback_message, "No rollback"));
	ck_assert_ptr_null(world.group->active);
	world_done(&world);
}
END_TEST

START_TEST(a_deleted_group_ends_its_deployment)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;
	struct group *group;

	world_init(&world, 2, ROLLBACK_SETTING);
	deploy_well(&world, REVISION(1), 2);
	group = world_group(&world, "all");
	request = all_at_once(&world, REVISION(2));
	request.group = group;
	world_deploy(&world, &request);
	(void)host_takes(&world, "web-1");
	deployments_group_deleted(
		world.deployments, group, "DEPLOYMENT_GROUP_MISSING", world.now_ms);
	ck_assert_ptr_null(group->active);
	fleet_remove_group(world.fleet, group);
	store_delete_group(world.store, "id-all");
	ck_assert_ptr_nonnull(world_open(&world));
	world_restart(&world);
	ck_assert_ptr_null(world_open(&world)->group);
	host_ends(&world, "web-1", EVENT_STATUS_SUCCEEDED);
	ck_assert_ptr_null(world_open(&world));
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Stopped");
	ck_assert_str_eq(record.error_code, "DEPLOYMENT_GROUP_MISSING");
	ck_assert_ptr_nonnull(record.error_message);
	ck_assert_str_eq(record.rolled_back_by, "");
	world_done(&world);
}
END_TEST

/* ---- rollback */

static void name_host(char name[static 16], unsigned number)
{
	(void)snprintf(name, 16, "web-%u", number);
}

/* Four hosts have the new revision; the fifth loses its power in the middle of Install. */
static void lose_power(struct world *world, char ret_dead[static 16])
{
	struct deployment_target *lost = NULL;
	char name[16];

	for (unsigned i = 1; world_open(world)->rollout.n_state[TARGET_SUCCEEDED] < 4;
		i = i % 10 + 1) {
		name_host(name, i);
		(void)host_runs(world, name, -1);
	}
	for (unsigned i = 1; !lost; i++) {
		name_host(ret_dead, i);
		lost = busy_target(world_host(world, ret_dead));
	}
	while (deployment_target_event(lost) != TARGET_INSTALL) {
		(void)host_takes(world, ret_dead);
		host_ends(world, ret_dead, EVENT_STATUS_SUCCEEDED);
	}
	(void)host_takes(world, ret_dead);
	lost->host->is_present = false;
	deployments_host_gone(world->deployments, lost->host, world->now_ms);
	pass_deadline(world);
}

static void check_rollback(const struct world *world, const struct deployment_record *failed)
{
	const struct deployment *back = world->group->active;
	char message[128];

	ck_assert_ptr_nonnull(back);
	ck_assert_str_eq(back->record.id, failed->rolled_back_by);
	ck_assert_str_eq(back->record.creator, "codeDeployRollback");
	ck_assert_str_eq(back->record.rollback_of, failed->id);
	ck_assert_str_eq(back->record.revision, REVISION(1));
	ck_assert_str_eq(back->record.file_exists, "OVERWRITE");
	ck_assert(back->record.ignore_application_stop_failures);
	ck_assert_uint_eq(back->rollout.n_targets, 5);
	(void)snprintf(message, sizeof(message),
		"Deployment %s is triggered to roll back deployment %s.",
		failed->rolled_back_by, failed->id);
	ck_assert_str_eq(failed->rollback_message, message);
	ck_assert_str_eq(back->record.rollback_message, message);
}

/* Untouched, or rolled back: what it has is the old revision. */
static unsigned count_old(const struct world *world, const char *bad_id)
{
	unsigned n_old = 0;
	char name[16];

	for (unsigned i = 1; i <= 10; i++) {
		struct host_record has;

		name_host(name, i);
		has = history_of(world, name);
		n_old += has.history.healthy && strcmp(has.deployment_id, bad_id) != 0;
	}
	return n_old;
}

static void living_run(struct world *world, const char *dead)
{
	char name[16];

	for (unsigned i = 0; i < 100 && world->group->active; i++) {
		name_host(name, 1 + i % 10);
		if (strcmp(name, dead) != 0)
			(void)host_runs(world, name, -1);
	}
}

static void nine_of_ten_end_on_the_old_revision(bool restarts)
{
	cleanup_with(deployment_record_done) struct deployment_record failed = { 0 };
	cleanup_with(deployment_record_done) struct deployment_record back = { 0 };
	struct deployment_request request;
	struct world world;
	char dead[16];

	world_init(&world, 10, ROLLBACK_SETTING);
	deploy_well(&world, REVISION(1), 10);
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	lose_power(&world, dead);
	failed = world_record(&world, world.id);
	ck_assert_str_eq(failed.status, "Failed");
	ck_assert_str_eq(failed.error_code, "HEALTH_CONSTRAINTS");
	check_rollback(&world, &failed);
	memcpy(world.id, failed.rolled_back_by, sizeof(world.id));
	if (restarts)
		world_restart(&world);
	living_run(&world, dead);
	/* After a restart it counts as present again, is asked, and never answers. */
	ck_assert(restarts == (world.group->active != NULL));
	if (restarts) {
		pass_deadline(&world);
		living_run(&world, dead);
	}
	ck_assert_ptr_null(world.group->active);
	back = world_record(&world, failed.rolled_back_by);
	ck_assert_uint_eq(back.overview[2], 4);
	ck_assert_str_eq(back.status, "Succeeded");
	ck_assert_uint_eq(count_old(&world, failed.id), 9);
	ck_assert_str_eq(world.group->target_revision, REVISION(1));
	world_done(&world);
}

START_TEST(ten_hosts_of_which_one_lost_power_end_with_nine_on_the_old_revision)
{
	nine_of_ten_end_on_the_old_revision(false);
}
END_TEST

START_TEST(nine_of_ten_end_on_the_old_revision_over_a_restart)
{
	nine_of_ten_end_on_the_old_revision(true);
}
END_TEST

/* ---- restart */

START_TEST(the_archive_that_a_restart_may_use_is_the_hosts_own)
{
	struct deployment_request request;
	struct world world;
	char first[DEPLOYMENT_ID_LENGTH + 1];
	char id[DEPLOYMENT_ID_LENGTH + 1];
	struct deployment_target *target;

	world_init(&world, 1, "");
	deploy_well(&world, REVISION(1), 1);
	memcpy(first, world.id, sizeof(first));
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	target = busy_target(world_host(&world, "web-1"));
	ck_assert_int_eq(deployments_archive_of(world.deployments, target, id), 0);
	all_run(&world, 1);
	memcpy(first, world.id, sizeof(first));
	request.restart = true;
	world_deploy(&world, &request);
	target = busy_target(world_host(&world, "web-1"));
	ck_assert_int_eq(deployments_archive_of(world.deployments, target, id), 1);
	ck_assert_str_eq(id, first);
	world_done(&world);
}
END_TEST

TESTS("deployments", a_deployment_runs_over_its_hosts_and_is_written_down,
	events_are_written_with_their_times_and_diagnostics,
	a_silent_agent_fails_and_the_event_says_why, a_group_without_hosts_ends_at_once,
	a_busy_group_refuses_another, hosts_take_their_result_along,
	only_outdated_leaves_hosts_alone_that_have_the_revision,
	a_host_that_missed_a_revision_counts_as_old,
	a_revision_counts_as_registered_from_its_first_use, two_groups_take_turns_on_a_host,
	overlapping_groups_never_meet_on_a_host, where_it_is_configured_both_run_at_once,
	a_stop_waits_for_the_event_under_way, a_stop_may_roll_back,
	without_an_earlier_success_it_says_that_there_is_no_rollback,
	a_deleted_group_ends_its_deployment,
	ten_hosts_of_which_one_lost_power_end_with_nine_on_the_old_revision,
	nine_of_ten_end_on_the_old_revision_over_a_restart,
	the_archive_that_a_restart_may_use_is_the_hosts_own)
