/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include "base/time.h"

/*
 * Nothing that is done once for a deployment, or once for a host, may cost more the more hosts
 * there are. The limits are those of a busy machine; a quiet one needs a fifth.
 */
static unsigned n_hosts(void)
{
	return getenv("DROVER_VALGRIND") ? 500 : 20000;
}

static void expect_within(uint64_t began_ms, uint64_t limit_ms, const char *what)
{
	uint64_t took_ms = time_boot_ms() - began_ms;

	printf("# %s: %llu ms\n", what, (unsigned long long)took_ms);
	if (!getenv("DROVER_VALGRIND"))
		ck_assert_msg(took_ms <= limit_ms, "%s took %llu ms", what,
			(unsigned long long)took_ms);
}

/* Every host brings along what an earlier deployment made of it. */
static void give_histories(struct world *world, unsigned n)
{
	struct deployment_request request = world_request(world, REVISION(1));
	char name[16];

	request.only_outdated = true;
	request.hosts = (struct host *[]){ NULL };
	world_deploy(world, &request); /* succeeds without targets */
	for (unsigned i = 1; i <= n; i++) {
		struct host_record record = { .history = { true, REVISION_CURRENT },
			.written_ms = 1 };

		(void)snprintf(name, sizeof(name), "web-%u", i);
		memcpy(record.deployment_id, world->id, sizeof(record.deployment_id));
		store_put_host_record(world->store, name, world->group->id, &record);
	}
	must_commit(world->store);
}

START_TEST(many_hosts_are_selected_vanish_return_and_are_stopped_in_linear_time)
{
	struct deployment_request request;
	struct world world;
	uint64_t began_ms;
	unsigned n = n_hosts();
	char name[16];

	world_init(&world, n, "");
	give_histories(&world, n);
	began_ms = time_boot_ms();
	request = world_request(&world, REVISION(2));
	request.config = fleet_find_config(world.fleet, "CodeDeployDefault.AllAtOnce");
	world_deploy(&world, &request);
	must_commit(world.store);
	expect_within(began_ms, n / 10, "creation");
	ck_assert_uint_eq(world.n_told, n);
	ck_assert_int_eq(world_open(&world)->targets[n - 1].history.revision, REVISION_CURRENT);
	began_ms = time_boot_ms();
	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(name, sizeof(name), "web-%u", i);
		deployments_host_gone(
			world.deployments, world_host(&world, name), world.now_ms);
	}
	for (unsigned i = 1; i <= n; i++) {
		(void)snprintf(name, sizeof(name), "web-%u", i);
		deployments_host_back(
			world.deployments, world_host(&world, name), world.now_ms + 1);
	}
	must_commit(world.store);
	expect_within(began_ms, n / 5, "all gone and back");
	began_ms = time_boot_ms();
	world_restart(&world);
	expect_within(began_ms, n / 10, "restart");
	began_ms = time_boot_ms();
	world.now_ms += 10;
	(void)deployments_stop(
		world.deployments, world_open(&world), STOP_NO_ROLLBACK, world.now_ms);
	ck_assert_ptr_null(world_open(&world));
	must_commit(world.store);
	expect_within(began_ms, n / 5, "stop");
	world_done(&world);
}
END_TEST

TESTS("deployments_large", many_hosts_are_selected_vanish_return_and_are_stopped_in_linear_time)
