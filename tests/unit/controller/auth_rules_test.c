/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "controller/api_case.h"
#include "controller/auth.h"
#include "controller/route.h"
#include "unit.h"

#define ARN "arn:aws:iam::000000000000:user/drover/web-1"

/* Whether each may do what, by API and operation. */
struct rule {
	enum api api;
	const char *operation;
	const char *input;
	bool administrator, deployer, bound, reader, host;
};

/* clang-format off */
static const struct rule rules[] = {
	{ API_CODEDEPLOY, "ListApplications", "{}", true, true, true, true, false },
	{ API_CODEDEPLOY, "GetDeployment", "{\"deploymentId\":\"d-ABCDEF123\"}", true, true, true, true, false },
	{ API_CODEDEPLOY, "CreateApplication", "{\"applicationName\":\"shop\"}", true, false, false, false, false },
	{ API_CODEDEPLOY, "DeleteDeploymentGroup", "{\"applicationName\":\"shop\"}", true, false, false, false, false },
	{ API_CODEDEPLOY, "RegisterOnPremisesInstance", "{}", true, false, false, false, false },
	{ API_CODEDEPLOY, "CreateDeployment", "{\"applicationName\":\"shop\"}", true, true, true, false, false },
	{ API_CODEDEPLOY, "CreateDeployment", "{\"applicationName\":\"Shop\"}", true, true, false, false, false },
	{ API_CODEDEPLOY, "CreateDeployment", "{\"applicationName\":7}", true, true, false, false, false },
	{ API_CODEDEPLOY, "CreateDeployment", "{}", true, true, false, false, false },
	{ API_CODEDEPLOY, "RegisterApplicationRevision", "{\"applicationName\":\"shop\"}", true, true, true, false, false },
	{ API_CODEDEPLOY, "StopDeployment", "{\"deploymentId\":\"d-ABCDEF123\"}", true, true, false, false, false },
	{ API_DROVER, "CreateKey", "{}", true, false, false, false, false },
	{ API_DROVER, "DeleteKey", "{}", true, false, false, false, false },
	{ API_DROVER, "Why", "{}", true, true, true, true, false },
	{ API_DROVER, "Status", "{}", true, true, true, true, false },
	{ API_COMMANDS, "PollHostCommand", "{\"HostIdentifier\":\"" ARN "\"}", false, false, false, false, true },
	{ API_COMMANDS, "PollHostCommand", "{\"HostIdentifier\":\"arn:aws:iam::000000000000:user/drover/web-2\"}", false, false, false, false, false },
	{ API_COMMANDS, "PutHostCommandComplete", "{\"HostCommandIdentifier\":\"x\"}", false, false, false, false, true },
};
/* clang-format on */

static const struct operation *const status_table = status_operations;

static void on_ended(struct call *call)
{
	(void)call;
}

static bool is_permitted(const struct rule *rule, struct identity who, struct refusal *refusal)
{
	const struct operation *operation = route_operation(rule->api, rule->operation);
	cleanup_with(json_decrefp) json_t *input = json_loads(rule->input, 0, NULL);
	struct call call;

	ck_assert_msg(operation != NULL, "%s", rule->operation);
	call_init(&call, &api_parts, on_ended);
	call.who = who;
	call.operation = rule->operation;
	call.input = input;
	return auth_permits(&call, rule->api, operation, refusal);
}

static void expect_as(const struct rule *rule, struct identity who, bool expected)
{
	struct refusal refusal;

	ck_assert_msg(is_permitted(rule, who, &refusal) == expected, "%s %s by role %d",
		rule->operation, rule->input, (int)who.key->role);
	if (expected)
		return;
	ck_assert_int_eq(refusal.status, 403);
	ck_assert_str_eq(refusal.type, "AccessDeniedException");
	ck_assert_str_ne(refusal.why.text, "");
}

static struct key key_of(enum key_role role, const char *applications)
{
	return (struct key){ .id = "AKIA",
		.name = "me",
		.role = role,
		.user_arn = role == KEY_HOST ? (char *)ARN : (char *)"",
		.applications = (char *)applications };
}

START_TEST(each_role_may_do_its_part)
{
	struct key administrator = key_of(KEY_ADMINISTRATOR, "[]");
	struct key deployer = key_of(KEY_DEPLOYER, "[]");
	struct key bound = key_of(KEY_DEPLOYER, "[\"cafe\",\"shop\"]");
	struct key reader = key_of(KEY_READER, "[]");
	struct key host_key = key_of(KEY_HOST, "[]");
	struct host host = { .name = "web-1" };

	api_start(&status_table, 0);
	for (const struct rule *rule = rules; rule < rules + ARRAY_SIZE(rules); rule++) {
		expect_as(
			rule, (struct identity){ .key = &administrator }, rule->administrator);
		expect_as(rule, (struct identity){ .key = &deployer }, rule->deployer);
		expect_as(rule, (struct identity){ .key = &bound }, rule->bound);
		expect_as(rule, (struct identity){ .key = &reader }, rule->reader);
		expect_as(
			rule, (struct identity){ .key = &host_key, .host = &host }, rule->host);
		expect_as(rule, (struct identity){ .key = &host_key },
			false); /* not registered */
	}
	api_stop();
}
END_TEST

START_TEST(root_may_do_what_administrators_may)
{
	struct refusal refusal;

	api_start(&status_table, 0);
	for (const struct rule *rule = rules; rule < rules + ARRAY_SIZE(rules); rule++)
		ck_assert_int_eq(
			is_permitted(rule, (struct identity){ .is_root = true }, &refusal),
			rule->administrator);
	api_stop();
}
END_TEST

START_TEST(a_binding_that_cannot_be_read_binds_to_nothing)
{
	struct key broken = key_of(KEY_DEPLOYER, "shop");

	api_start(&status_table, 0);
	expect_as(&rules[5], (struct identity){ .key = &broken }, false);
	api_stop();
}
END_TEST

TESTS("auth_rules", each_role_may_do_its_part, root_may_do_what_administrators_may,
	a_binding_that_cannot_be_read_binds_to_nothing)
