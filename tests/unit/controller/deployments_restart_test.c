/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include <unistd.h>

/*
 * Five hosts get a revision, one of them fails, and all are rolled back; the controller dies
 * before or after the commit of any one of the inputs. Whenever that is: each event runs once
 * on each host, in order, none is left out, and the end is the same.
 */
enum { HOSTS = 5 };

struct run {
	struct world world;
	unsigned n_steps;
	unsigned dies_at; /* the number of the step */
	bool forgets;     /* before its commit, else after it */
	/* How often a host ran an event of the deployment that failed, and of its rollback. */
	uint8_t n_ran[2][HOSTS][N_TARGET_EVENTS];
	char failed[DEPLOYMENT_ID_LENGTH + 1];
};

static void name_host(char name[static 16], unsigned i)
{
	(void)snprintf(name, 16, "web-%u", i + 1);
}

static void fresh_database(void)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char path[4200];

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", database_path(), ends[i]);
		(void)unlink(path);
	}
}

static void die_if_due(struct run *run)
{
	if (run->n_steps++ != run->dies_at)
		return;
	if (!run->forgets)
		must_commit(run->world.store);
	world_crash(&run->world);
}

static void note_ran(struct run *run, const struct deployment_target *target, unsigned i)
{
	bool is_rollback = strcmp(target->deployment->record.id, run->failed) != 0;
	enum target_event event = deployment_target_event(target);

	run->n_ran[is_rollback][i][event]++;
	/* In order: the one before was run. */
	ck_assert(
		event == TARGET_APPLICATION_STOP || run->n_ran[is_rollback][i][event - 1] == 1);
}

/* One step of one host: it takes a command, or reports what it did; false if it has none. */
static bool step(struct run *run, unsigned i)
{
	struct deployment_target *target;
	enum event_status status = EVENT_STATUS_SUCCEEDED;
	bool is_running;
	bool is_bad;
	char name[16];

	must_commit(run->world.store);
	name_host(name, i);
	target = busy_target(world_host(&run->world, name));
	if (!target)
		return false;
	is_running = target->deployment->targets[target->position].state == TARGET_RUNNING;
	is_bad = strcmp(target->deployment->record.id, run->failed) == 0;
	if (!is_running) {
		/* The agent begins once its acknowledgement was answered. */
		if (run->n_steps != run->dies_at || !run->forgets)
			note_ran(run, target, i);
		ck_assert(host_takes(&run->world, name));
	} else {
		if (is_bad && i == 2 && deployment_target_event(target) == TARGET_INSTALL)
			status = EVENT_STATUS_FAILED;
		host_ends(&run->world, name, status);
	}
	die_if_due(run);
	return true;
}

static void drive(struct run *run)
{
	bool any;

	do {
		any = false;
		for (unsigned i = 0; i < HOSTS; i++)
			any = step(run, i) || any;
	} while (any);
}

static void check_events(const struct run *run, unsigned which, const char *id)
{
	char name[16];

	for (unsigned i = 0; i < HOSTS; i++) {
		struct target_record record = { 0 };

		name_host(name, i);
		if (store_find_target(run->world.store, id, name, &record, NULL) == 0)
			continue;
		for (unsigned k = 0; k < rollout_lifecycle_length(LIFECYCLE_IN_PLACE); k++) {
			unsigned n = run->n_ran[which][i]
					       [rollout_lifecycle_at(LIFECYCLE_IN_PLACE, k)];
			bool ran = record.target.events[k] == EVENT_STATUS_SUCCEEDED ||
				   record.target.events[k] == EVENT_STATUS_FAILED;

			ck_assert_msg(n == (ran ? 1 : 0),
				"dying at %u: host %u ran event %u of deployment %u %u times",
				run->dies_at, i, k, which, n);
		}
	}
}

/* What ran anything of the bad revision ran the whole rollback. */
static void check_rolled_back(const struct run *run, const struct deployment_record *failed)
{
	cleanup_with(deployment_record_done) struct deployment_record back = world_record(
		&run->world, failed->rolled_back_by);

	ck_assert_str_eq(back.status, "Succeeded");
	check_events(run, 1, back.id);
	for (unsigned i = 0; i < HOSTS; i++)
		ck_assert_uint_eq(run->n_ran[1][i][TARGET_VALIDATE_SERVICE],
			run->n_ran[0][i][TARGET_APPLICATION_STOP]);
}

static void deploy(struct run *run, const char *revision)
{
	struct deployment_request request = world_request(&run->world, revision);

	world_deploy(&run->world, &request);
}

/* Returns the number of steps; who comes first is left to chance, and so is what follows. */
static unsigned run_through(unsigned dies_at, bool forgets)
{
	struct run run = { .dies_at = dies_at, .forgets = forgets };
	cleanup_with(deployment_record_done) struct deployment_record failed = { 0 };

	fresh_database();
	world_init(&run.world, HOSTS, ROLLBACK_SETTING);
	deploy(&run, REVISION(1));
	all_run(&run.world, HOSTS);
	deploy(&run, REVISION(2));
	memcpy(run.failed, run.world.id, sizeof(run.failed));
	drive(&run);
	failed = world_record(&run.world, run.failed);
	check_events(&run, 0, failed.id);
	ck_assert_uint_eq(failed.overview[3], 1);
	/* The last of all may fail under OneAtATime. */
	if (failed.overview[2] == HOSTS - 1)
		ck_assert_str_eq(failed.status, "Succeeded");
	else
		check_rolled_back(&run, &failed);
	ck_assert_ptr_null(run.world.group->active);
	world_done(&run.world);
	return run.n_steps;
}

static void die_everywhere(bool forgets)
{
	unsigned stride = getenv("DROVER_VALGRIND") ? 23 : 1;
	unsigned n_steps = 0;

	for (unsigned at = 0; at <= n_steps; at += stride) {
		unsigned n = run_through(at, forgets);

		if (n > n_steps)
			n_steps = n;
	}
	/* The few runs under valgrind may all be without a rollback: the failed host was last.
	 */
	ck_assert_uint_gt(n_steps, stride == 1 ? HOSTS * 7 * 2 : HOSTS * 7);
}

START_TEST(killed_after_any_commit_it_ends_as_if_nothing_had_been)
{
	die_everywhere(false);
}
END_TEST

START_TEST(killed_before_any_commit_it_ends_as_if_nothing_had_been)
{
	die_everywhere(true);
}
END_TEST

START_TEST(who_takes_a_name_over_takes_no_part)
{
	struct run run = { 0 };
	struct world *world = &run.world;
	struct target_record target;
	struct host *host;

	world_init(world, 1, "");
	deploy(&run, REVISION(1));
	ck_assert(host_takes(world, "web-1"));
	host_ends(world, "web-1", EVENT_STATUS_SUCCEEDED);
	host = world_host(world, "web-1");
	world->now_ms += 10;
	fleet_deregister_host(world->fleet, host, world->now_ms);
	host->is_present = false;
	deployments_host_gone(world->deployments, host, world->now_ms);
	host = world_add_host(world, 1);
	host->registered_ms = world->now_ms;
	store_put_host(world->store, host);
	ck_assert_ptr_null(host->open);
	world_restart(world);
	ck_assert_ptr_null(world_host(world, "web-1")->open);
	deployments_host_back(world->deployments, world_host(world, "web-1"), world->now_ms);
	ck_assert(!host_takes(world, "web-1"));
	pass_deadline(world);
	target = world_target(world, world->id, "web-1");
	ck_assert_int_eq(target.target.state, TARGET_FAILED);
	world_done(world);
}
END_TEST

TESTS("deployments_restart", killed_after_any_commit_it_ends_as_if_nothing_had_been,
	killed_before_any_commit_it_ends_as_if_nothing_had_been,
	who_takes_a_name_over_takes_no_part)
