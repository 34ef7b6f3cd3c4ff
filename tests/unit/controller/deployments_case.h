/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>

#include "base/loop.h"
#include "controller/clock.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "store_case.h"

/*
 * A controller without its doors: fleet, database and open deployments are the real ones, the
 * clock is the test's. Hosts are named web-1, web-2, ... and tagged role=web; the groups "prod"
 * and "all" of the application "shop" select all of them.
 */
#define SECONDS(n) ((uint64_t)(n)*1000)
#define MINUTES(n) ((uint64_t)(n)*60 * 1000)
#define REVISION(n)                                                                            \
	"{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"releases\",\"bundleType\":"     \
	"\"zip\",\"key\":\"shop/" #n ".zip\"}}"
#define WEB_SETTINGS                                                                           \
	"{\"onPremisesInstanceTagFilters\":[{\"Key\":\"role\",\"Value\":\"web\",\"Type\":"     \
	"\"KEY_AND_VALUE\"}]%s}"
#define ROLLBACK_SETTING                                                                       \
	",\"autoRollbackConfiguration\":{\"enabled\":true,\"events\":[\"DEPLOYMENT_FAILURE\"," \
	"\"DEPLOYMENT_STOP_ON_REQUEST\"]}"

struct world {
	struct loop *loop;
	struct fleet *fleet;
	struct store *store;
	struct settings settings;
	struct core_clock clock;
	struct deployments *deployments;
	struct deployments_listener listener;
	struct group *group; /* "prod" */
	uint64_t now_ms;
	unsigned n_told;
	unsigned n_withdrawn;
	char id[DEPLOYMENT_ID_LENGTH + 1]; /* of the deployment made last */
};

static inline void note_command(struct deployments_listener *listener, struct host *host)
{
	(void)host;
	container_of(listener, struct world, listener)->n_told++;
}

static inline void note_withdrawn(
	struct deployments_listener *listener, struct deployment_target *target)
{
	(void)target;
	container_of(listener, struct world, listener)->n_withdrawn++;
}

static inline struct host *world_host(const struct world *world, const char *name)
{
	struct host *host = fleet_find_host(world->fleet, name);

	ck_assert_msg(host != NULL, "no host %s", name);
	return host;
}

static inline struct group *world_group(const struct world *world, const char *name)
{
	struct group *group = fleet_find_group(
		world->fleet, fleet_find_application(world->fleet, "shop"), name);

	ck_assert_ptr_nonnull(group);
	return group;
}

static inline void world_add_group(struct world *world, const char *name, const char *more)
{
	struct group *group = xcalloc(1, sizeof(*group));

	(void)snprintf(group->id, sizeof(group->id), "id-%s", name);
	set_text(group->name, name);
	set_text(group->config_name, "CodeDeployDefault.OneAtATime");
	group->application = fleet_find_application(world->fleet, "shop");
	group->created_ms = 1;
	group->settings = xasprintf(WEB_SETTINGS, more);
	ck_assert_int_eq(group_read_settings(group, NULL), 0);
	ck_assert_int_eq(fleet_add_group(world->fleet, group), 0);
	store_put_group(world->store, group);
}

static inline struct host *world_add_host(struct world *world, unsigned number)
{
	struct host *host = xcalloc(1, sizeof(*host));

	(void)snprintf(host->name, sizeof(host->name), "web-%u", number);
	host->iam_arn = xasprintf("arn:aws:iam::000000000000:user/drover/web-%u", number);
	host->instance_arn = xasprintf("arn:aws:codedeploy:local:0:instance/web-%u", number);
	host->registered_ms = 1;
	host->is_present = true;
	host->tags.items = xcalloc(1, sizeof(*host->tags.items));
	host->tags.items[0] = (struct tag){ xstrdup("role"), xstrdup("web") };
	host->tags.n = 1;
	ck_assert_int_eq(fleet_add_host(world->fleet, host), 0);
	store_put_host(world->store, host);
	return host;
}

static inline void world_open_deployments(struct world *world)
{
	world->deployments = deployments_new(world->loop, world->fleet, world->store,
		&world->settings, &world->clock, &world->listener);
	world->group = world_group(world, "prod");
}

static inline void world_init(struct world *world, unsigned n_hosts, const char *more)
{
	struct application *application = xmemdup(
		&(struct application){ 0 }, sizeof(struct application));

	memset(world, 0, sizeof(*world));
	world->listener = (struct deployments_listener){ note_command, note_withdrawn };
	world->settings.rollout = (struct rollout_settings){ .start_timeout_ms = MINUTES(4),
		.event_timeout_ms = MINUTES(61),
		.gone_timeout_ms = MINUTES(5),
		.traffic_timeout_ms = MINUTES(60),
		.deployment_timeout_ms = MINUTES(720),
		.vanish_percent = 25,
		.vanish_window_ms = MINUTES(3) };
	world->now_ms = SECONDS(1000);
	core_clock_init(&world->clock, world->now_ms, 0, 0);
	ck_assert_int_eq(loop_new(&world->loop, NULL), 0);
	world->store = open_store();
	world->fleet = fleet_new();
	*application = application_of("shop");
	ck_assert_int_eq(fleet_add_application(world->fleet, application), 0);
	store_put_application(world->store, application);
	world_add_group(world, "prod", more);
	world_add_group(world, "all", "");
	for (unsigned i = 1; i <= n_hosts; i++)
		(void)world_add_host(world, i);
	must_commit(world->store);
	world_open_deployments(world);
}

static inline void world_done(struct world *world)
{
	must_commit(world->store);
	deployments_free(world->deployments);
	fleet_free(world->fleet);
	store_close(world->store);
	loop_free(world->loop);
}

/* The controller is killed and started again: what was not committed is lost. */
static inline void world_crash(struct world *world)
{
	struct error err = ERROR_NONE;

	deployments_free(world->deployments);
	fleet_free(world->fleet);
	world->store = reopen(world->store);
	world->fleet = fleet_new();
	ck_assert_int_eq(fleet_load(world->fleet, world->store, NULL), 0);
	world_open_deployments(world);
	ck_assert_msg(
		deployments_load(world->deployments, world->now_ms, &err) == 0, "%s", err.text);
	must_commit(world->store);
}

/* After a commit, so that nothing is lost. */
static inline void world_restart(struct world *world)
{
	must_commit(world->store);
	world_crash(world);
}

/* ---- deployments */

static inline struct deployment_request world_request(
	const struct world *world, const char *revision)
{
	return (struct deployment_request){ .group = world->group,
		.config = fleet_find_config(world->fleet, "CodeDeployDefault.OneAtATime"),
		.revision = revision,
		.description = "",
		.creator = "user",
		.created_by = "AKIA2345678901234567",
		.auto_rollback = "{\"enabled\":false,\"events\":[]}",
		.roll_back = world->group->auto_rollback,
		.file_exists = "OVERWRITE",
		.messages = "[]" };
}

static inline void world_deploy(struct world *world, const struct deployment_request *request)
{
	struct error err = ERROR_NONE;

	world->now_ms += 10;
	ck_assert_msg(deployments_create(
			      world->deployments, request, world->now_ms, world->id, &err) == 0,
		"%s", err.text);
}

static inline struct deployment *world_open(const struct world *world)
{
	return deployments_find(world->deployments, world->id);
}

/* For deployment_record_done(). */
static inline struct deployment_record world_record(const struct world *world, const char *id)
{
	struct deployment_record record = { 0 };

	ck_assert_int_eq(store_find_deployment(world->store, id, &record, NULL), 1);
	return record;
}

static inline struct target_record world_target(
	const struct world *world, const char *id, const char *host)
{
	struct target_record record = { 0 };

	ck_assert_int_eq(store_find_target(world->store, id, host, &record, NULL), 1);
	return record;
}

/* ---- what hosts do */

/* The event under way at the host, taken or not; NULL if there is none. */
static inline struct deployment_target *busy_target(const struct host *host)
{
	struct deployment_target *target = host->open;

	while (target) {
		enum target_state state = target->deployment->targets[target->position].state;

		if (state == TARGET_SENT || state == TARGET_RUNNING)
			return target;
		target = target->next_of_host;
	}
	return NULL;
}

static inline bool host_takes(struct world *world, const char *name)
{
	struct deployment_target *target = deployments_command_for(
		world->deployments, world_host(world, name));

	world->now_ms += 10;
	if (target)
		deployments_event_started(world->deployments, target, world->now_ms);
	return target;
}

static inline void host_ends(struct world *world, const char *name, enum event_status status)
{
	struct deployment_target *target = busy_target(world_host(world, name));
	struct event_record record = { .status = status,
		.error_code = status == EVENT_STATUS_FAILED ? 4 : 0,
		.script_name = "scripts/start.sh",
		.message = status == EVENT_STATUS_FAILED ? "failed" : "Succeeded",
		.log_tail = "" };

	ck_assert_ptr_nonnull(target);
	record.event = deployment_target_event(target);
	world->now_ms += 10;
	deployments_event_ended(world->deployments, target, &record, world->now_ms);
}

/* Runs what the host has to run; -1 for `failing`: nothing fails. False if it had nothing. */
static inline bool host_runs(struct world *world, const char *name, int failing)
{
	bool any = false;

	while (host_takes(world, name)) {
		struct deployment_target *target = busy_target(world_host(world, name));
		bool fails = (int)deployment_target_event(target) == failing;

		host_ends(world, name, fails ? EVENT_STATUS_FAILED : EVENT_STATUS_SUCCEEDED);
		any = true;
		if (fails)
			break;
	}
	return any;
}

/* All hosts run until none has anything to do. */
static inline void all_run(struct world *world, unsigned n_hosts)
{
	bool any;
	char name[32];

	do {
		any = false;
		for (unsigned i = 1; i <= n_hosts; i++) {
			(void)snprintf(name, sizeof(name), "web-%u", i);
			any = host_runs(world, name, -1) || any;
		}
	} while (any);
}

/* The deployment's timer goes off at its deadline. */
static inline void pass_deadline(struct world *world)
{
	struct deployment *deployment = world_open(world);

	ck_assert_ptr_nonnull(deployment);
	world->now_ms = rollout_deadline(&deployment->rollout);
	/* The boot clock goes on a little while the test runs. */
	core_clock_init(&world->clock, world->now_ms, 0, 0);
	world->clock.boot_ms = UINT64_MAX;
	deployment->timer.on_due(&deployment->timer);
}
