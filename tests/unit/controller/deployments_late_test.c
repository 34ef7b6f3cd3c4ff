/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include "controller/deployments_internal.h"

/* Hosts that match a group after its last deployment. */

/* The timer that looks for them goes off, as often as it wants. */
static void look(struct world *world)
{
	struct loop_timer *timer = &world->deployments->late_timer;

	world->now_ms += SECONDS(2);
	core_clock_init(&world->clock, world->now_ms, 0, 0);
	world->clock.boot_ms = UINT64_MAX;
	while (world->deployments->late_is_due)
		timer->on_due(timer);
}

static void deploy_well(struct world *world, const char *revision, unsigned n_hosts)
{
	struct deployment_request request = world_request(world, revision);

	world_deploy(world, &request);
	all_run(world, n_hosts);
	ck_assert_ptr_null(world_open(world));
}

static void start(struct world *world, unsigned n_hosts)
{
	world_init(world, n_hosts, "");
	world->settings.rollout.late_joiners = true;
}

START_TEST(a_host_that_comes_later_receives_the_groups_revision)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct world world;
	struct host *host;

	start(&world, 2);
	deploy_well(&world, REVISION(1), 2);
	look(&world);
	ck_assert_ptr_null(world.group->active);
	host = world_add_host(&world, 3);
	deployments_host_changed(world.deployments, host);
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	ck_assert_uint_eq(world.group->active->rollout.n_targets, 1);
	ck_assert_uint_eq(world.group->active->rollout.config.n_bystanders, 2);
	ck_assert_str_eq(world.group->active->record.creator, "CodeDeployAutoUpdate");
	ck_assert_str_eq(world.group->active->record.revision, REVISION(1));
	ck_assert_str_eq(world.group->active->record.file_exists, "OVERWRITE");
	ck_assert_ptr_null(world_group(&world, "all")->active);
	memcpy(world.id, world.group->active->record.id, sizeof(world.id));
	all_run(&world, 3);
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Succeeded");
	look(&world);
	ck_assert_ptr_null(world.group->active);
	world_done(&world);
}
END_TEST

START_TEST(one_that_is_away_receives_it_when_it_is_there)
{
	struct world world;
	struct host *host;

	start(&world, 1);
	deploy_well(&world, REVISION(1), 1);
	host = world_add_host(&world, 2);
	host->is_present = false;
	deployments_host_changed(world.deployments, host);
	look(&world);
	ck_assert_ptr_null(world.group->active);
	host->is_present = true;
	deployments_host_back(world.deployments, host, world.now_ms);
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	world_done(&world);
}
END_TEST

START_TEST(a_host_that_missed_a_revision_gets_it)
{
	struct world world;

	start(&world, 2);
	deploy_well(&world, REVISION(1), 2);
	world_host(&world, "web-2")->tags.items[0].value[0] = 'x';
	deploy_well(&world, REVISION(2), 1);
	world_host(&world, "web-2")->tags.items[0].value[0] = 'w';
	deployments_host_changed(world.deployments, world_host(&world, "web-2"));
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	ck_assert_str_eq(world.group->active->record.revision, REVISION(2));
	ck_assert_uint_eq(world.group->active->rollout.n_targets, 1);
	world_done(&world);
}
END_TEST

START_TEST(after_a_restart_nobody_is_forgotten)
{
	struct world world;

	start(&world, 1);
	deploy_well(&world, REVISION(1), 1);
	(void)world_add_host(&world, 2);
	world_restart(&world);
	/* As presence.h has it. */
	world_host(&world, "web-1")->is_present = true;
	world_host(&world, "web-2")->is_present = true;
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	ck_assert_uint_eq(world.group->active->rollout.n_targets, 1);
	world_done(&world);
}
END_TEST

START_TEST(one_that_came_during_a_deployment_gets_what_came_of_it)
{
	struct deployment_request request;
	struct world world;

	start(&world, 1);
	deploy_well(&world, REVISION(1), 1);
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	deployments_host_changed(world.deployments, world_add_host(&world, 2));
	look(&world);
	ck_assert_str_eq(world.group->active->record.id, world.id);
	all_run(&world, 1);
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	ck_assert_str_eq(world.group->active->record.revision, REVISION(2));
	world_done(&world);
}
END_TEST

START_TEST(a_new_host_of_an_old_name_is_new)
{
	struct deployment_request request;
	struct world world;

	start(&world, 2);
	deploy_well(&world, REVISION(1), 2);
	world_host(&world, "web-2")->registered_ms = world.now_ms + 1;
	deployments_host_changed(world.deployments, world_host(&world, "web-2"));
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	ck_assert_uint_eq(world.group->active->rollout.n_targets, 1);
	all_run(&world, 2);
	ck_assert_ptr_null(world.group->active);
	world_host(&world, "web-1")->registered_ms = world.now_ms + 1;
	request = world_request(&world, REVISION(1));
	request.only_outdated = true;
	world_deploy(&world, &request);
	ck_assert_uint_eq(world_open(&world)->rollout.n_targets, 1);
	ck_assert(!world_open(&world)->targets[0].history.healthy);
	world_done(&world);
}
END_TEST

START_TEST(a_host_that_failed_is_not_tried_again)
{
	struct world world;

	start(&world, 1);
	deploy_well(&world, REVISION(1), 1);
	deployments_host_changed(world.deployments, world_add_host(&world, 2));
	look(&world);
	(void)host_runs(&world, "web-2", TARGET_INSTALL);
	ck_assert_ptr_null(world.group->active);
	deployments_host_changed(world.deployments, world_host(&world, "web-2"));
	look(&world);
	ck_assert_ptr_null(world.group->active);
	/* Another one that bears its name did not fail. */
	world_host(&world, "web-2")->registered_ms = world.now_ms + 1;
	deployments_host_changed(world.deployments, world_host(&world, "web-2"));
	look(&world);
	ck_assert_ptr_nonnull(world.group->active);
	world_done(&world);
}
END_TEST

/* Without a rollback, hosts keep what a failed deployment brought them. */
START_TEST(hosts_with_a_newer_revision_are_left_alone)
{
	struct deployment_request request;
	struct world world;
	const char *good = "web-1";
	const char *bad = "web-2";

	start(&world, 3);
	deploy_well(&world, REVISION(1), 3);
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	for (unsigned i = 1; !busy_target(world_host(&world, good)); i++)
		good = i == 1 ? "web-2" : "web-3";
	(void)host_runs(&world, good, -1);
	for (unsigned i = 1; !busy_target(world_host(&world, bad)); i++)
		bad = i == 1 ? "web-1" : "web-3";
	(void)host_runs(&world, bad, TARGET_INSTALL);
	ck_assert_ptr_null(world.group->active);
	deployments_group_changed(world.deployments, world.group);
	look(&world);
	ck_assert_ptr_null(world.group->active);
	world_done(&world);
}
END_TEST

START_TEST(it_makes_way_for_a_deployment_that_somebody_asks_for)
{
	cleanup_with(deployment_record_done) struct deployment_record late = { 0 };
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct deployment_request request;
	struct world world;
	char id[DEPLOYMENT_ID_LENGTH + 1];

	start(&world, 2);
	deploy_well(&world, REVISION(1), 2);
	deployments_host_changed(world.deployments, world_add_host(&world, 3));
	look(&world);
	memcpy(id, world.group->active->record.id, sizeof(id));
	(void)host_takes(&world, "web-3");
	request = world_request(&world, REVISION(2));
	request.config = fleet_find_config(world.fleet, "CodeDeployDefault.AllAtOnce");
	world_deploy(&world, &request);
	ck_assert_str_eq(world.group->active->record.id, world.id);
	ck_assert(world_open(&world)->targets[2].held);
	world_restart(&world);
	ck_assert_str_eq(world.group->active->record.id, world.id);
	ck_assert_ptr_nonnull(deployments_find(world.deployments, id));
	host_ends(&world, "web-3", EVENT_STATUS_SUCCEEDED);
	ck_assert_ptr_null(deployments_find(world.deployments, id));
	all_run(&world, 3);
	late = world_record(&world, id);
	ck_assert_str_eq(late.status, "Stopped");
	record = world_record(&world, world.id);
	ck_assert_str_eq(record.status, "Succeeded");
	ck_assert_uint_eq(record.overview[2], 3);
	world_done(&world);
}
END_TEST

/* Both know a group that is no more. */
START_TEST(a_deleted_group_ends_both)
{
	struct deployment_request request;
	struct world world;
	char id[DEPLOYMENT_ID_LENGTH + 1];

	start(&world, 2);
	deploy_well(&world, REVISION(1), 2);
	deployments_host_changed(world.deployments, world_add_host(&world, 3));
	look(&world);
	memcpy(id, world.group->active->record.id, sizeof(id));
	(void)host_takes(&world, "web-3");
	request = world_request(&world, REVISION(2));
	world_deploy(&world, &request);
	deployments_group_deleted(
		world.deployments, world.group, "DEPLOYMENT_GROUP_MISSING", world.now_ms);
	fleet_remove_group(world.fleet, world.group);
	store_delete_group(world.store, "id-prod");
	ck_assert_ptr_null(world_open(&world));
	host_ends(&world, "web-3", EVENT_STATUS_SUCCEEDED);
	ck_assert_ptr_null(deployments_find(world.deployments, id));
	world_done(&world);
}
END_TEST

START_TEST(a_group_that_ignores_outdated_hosts_is_left_alone)
{
	struct world world;

	world_init(&world, 1, ",\"outdatedInstancesStrategy\":\"IGNORE\"");
	world.settings.rollout.late_joiners = true;
	deploy_well(&world, REVISION(1), 1);
	deployments_host_changed(world.deployments, world_add_host(&world, 2));
	look(&world);
	ck_assert_ptr_null(world.group->active);
	world_done(&world);
}
END_TEST

TESTS("deployments_late", a_host_that_comes_later_receives_the_groups_revision,
	one_that_is_away_receives_it_when_it_is_there, a_host_that_missed_a_revision_gets_it,
	after_a_restart_nobody_is_forgotten,
	one_that_came_during_a_deployment_gets_what_came_of_it,
	a_new_host_of_an_old_name_is_new, a_host_that_failed_is_not_tried_again,
	hosts_with_a_newer_revision_are_left_alone,
	it_makes_way_for_a_deployment_that_somebody_asks_for, a_deleted_group_ends_both,
	a_group_that_ignores_outdated_hosts_is_left_alone)
