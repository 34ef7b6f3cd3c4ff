/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include "controller/deployment_why.h"

static void check_why(const struct world *world, const char *id, const char *host,
	const char *reason, const char *owner, const char *words)
{
	cleanup_with(deployment_why_done) struct deployment_why why = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_msg(deployment_why(world->deployments, id, host, &why, &err) == 1, "%s: %s",
		words, err.text);
	ck_assert_str_eq(why.reason, reason);
	ck_assert_str_eq(why.owner, owner);
	ck_assert_msg(strstr(why.text.data, words) != NULL, "'%s' without '%s'", why.text.data,
		words);
	ck_assert_int_eq(why.deadline_ms > 0, deployments_find(world->deployments, id) != NULL);
}

START_TEST(an_open_deployment_says_why_it_waits)
{
	struct deployment_request request;
	struct world world;
	char first[DEPLOYMENT_ID_LENGTH + 1];
	char holder[64];
	struct deployment_why why;

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	memcpy(first, world.id, sizeof(first));
	check_why(&world, first, NULL, "HOSTS_UNDER_WAY", "HOST",
		"1 of 1 hosts under way, 0 succeeded, 0 failed");
	check_why(&world, first, "web-1", "COMMAND_NOT_TAKEN", "HOST", "has not taken");
	(void)host_takes(&world, "web-1");
	check_why(&world, first, "web-1", "EVENT_UNDER_WAY", "HOST", "under way");
	request.group = world_group(&world, "all");
	world_deploy(&world, &request);
	(void)snprintf(holder, sizeof(holder), "(deployment %s of shop/prod)", first);
	check_why(&world, world.id, "web-1", "HELD", "OPERATOR", holder);
	ck_assert_int_eq(deployment_why(world.deployments, first, "web-9", &why, NULL), 0);
	ck_assert_int_eq(deployment_why(world.deployments, "d-000000000", NULL, &why, NULL), 0);
	world_done(&world);
}
END_TEST

START_TEST(an_ended_one_says_what_the_host_said)
{
	struct deployment_request request;
	struct world world;

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	(void)host_runs(&world, "web-1", TARGET_INSTALL);
	check_why(&world, world.id, NULL, "HEALTH_CONSTRAINTS", "OPERATOR",
		"first web-1 in Install: the event failed on the host");
	check_why(&world, world.id, "web-1", "EVENT_FAILED", "OPERATOR",
		"the event failed on the host: scripts/start.sh: failed");
	world_deploy(&world, &request);
	all_run(&world, 1);
	check_why(&world, world.id, NULL, "NONE", "NOBODY", "");
	check_why(&world, world.id, "web-1", "NONE", "NOBODY", "");
	world_done(&world);
}
END_TEST

TESTS("deployment_why", an_open_deployment_says_why_it_waits,
	an_ended_one_says_what_the_host_said)
