/* SPDX-License-Identifier: Apache-2.0 */
#include "deployments_case.h"

#include "base/json.h"
#include "controller/auth.h"
#include "controller/call.h"

/* Whether a deployer that is bound to `applications` may do it. */
static bool deployer_may(
	struct world *world, const char *applications, const char *operation, const char *input)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct parts parts = { .fleet = world->fleet,
		.store = world->store,
		.settings = &world->settings,
		.deployments = world->deployments };
	char bound[100];
	struct key key = { .role = KEY_DEPLOYER, .applications = bound };
	const struct operation about = { .name = operation, .changes = true };
	struct refusal refusal = { 0 };
	struct call call;
	bool may;

	ck_assert_int_eq(json_parse_object(&json, input, strlen(input), NULL), 0);
	set_text(bound, applications);
	set_text(key.id, "AKIA2345678901234567");
	set_text(key.name, "ci");
	call_init(&call, &parts, NULL);
	call.who.key = &key;
	call.operation = operation;
	call.input = json;
	may = auth_permits(&call, API_CODEDEPLOY, &about, &refusal);
	ck_assert(may || refusal.status == 403);
	call_done(&call);
	return may;
}

START_TEST(a_deployer_acts_on_deployments_of_its_applications_alone)
{
	static const char *const by_deployment[] = { "StopDeployment", "PauseDeployment",
		"ResumeDeployment", "ContinueDeployment" };
	struct deployment_request request;
	struct world world;
	char plain[100];
	char disguised[100];

	world_init(&world, 1, "");
	request = world_request(&world, REVISION(1));
	world_deploy(&world, &request);
	(void)snprintf(plain, sizeof(plain), "{\"deploymentId\":\"%s\"}", world.id);
	/* A member that the operation does not know must not lend its right. */
	(void)snprintf(disguised, sizeof(disguised),
		"{\"deploymentId\":\"%s\",\"applicationName\":\"mine\"}", world.id);
	for (size_t i = 0; i < ARRAY_SIZE(by_deployment); i++) {
		ck_assert(deployer_may(&world, "[\"shop\"]", by_deployment[i], plain));
		ck_assert(deployer_may(&world, "[]", by_deployment[i], plain));
		ck_assert(!deployer_may(&world, "[\"mine\"]", by_deployment[i], plain));
		ck_assert(!deployer_may(&world, "[\"mine\"]", by_deployment[i], disguised));
	}
	ck_assert(deployer_may(
		&world, "[\"mine\"]", "CreateDeployment", "{\"applicationName\":\"mine\"}"));
	ck_assert(!deployer_may(
		&world, "[\"mine\"]", "CreateDeployment", "{\"applicationName\":\"shop\"}"));
	ck_assert(!deployer_may(
		&world, "[]", "DeleteApplication", "{\"applicationName\":\"shop\"}"));
	world_done(&world);
}
END_TEST

TESTS("auth_role", a_deployer_acts_on_deployments_of_its_applications_alone)
