/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "unit.h"

/* clang-format off */
#define NAME_99 "a123456789b123456789c123456789d123456789e123456789f123456789g123456789h123456789i123456789j12345678"
#define INFO(name) "{'applicationId':'*','applicationName':'" name "','createTime':1795190400.123," \
	"'linkedToGitHub':false,'computePlatform':'Server'}"

static const struct api_line lines[] = {
	{ "CreateApplication", "{}", "ApplicationNameRequiredException", "set \"applicationName\"" },
	{ "CreateApplication", "{'applicationName':null}", "ApplicationNameRequiredException", "" },
	{ "CreateApplication", "{'applicationName':''}", "ApplicationNameRequiredException", "" },
	{ "CreateApplication", "{'applicationName':7}", "SerializationException", "\"applicationName\" must be a string" },
	{ "CreateApplication", "{'applicationName':'a b'}", "InvalidApplicationNameException", "'a b' may hold only letters" },
	{ "CreateApplication", "{'applicationName':'caf\u00e9'}", "InvalidApplicationNameException", "" },
	{ "CreateApplication", "{'applicationName':'" NAME_99 "xy'}", "InvalidApplicationNameException", "has 101 characters" },
	{ "CreateApplication", "{'applicationName':'a','computePlatform':'Lambda'}", "InvalidComputePlatformException", "servers only" },
	{ "CreateApplication", "{'applicationName':'a','computePlatform':'Kubernetes'}", "InvalidComputePlatformException", "'Kubernetes'" },
	{ "CreateApplication", "{'applicationName':'a','tags':[{'Value':'x'}]}", "InvalidTagsToAddException", "\"Key\" of tag 1 of \"tags\" has 0 characters" },
	{ "CreateApplication", "{'applicationName':'a','tags':{}}", "SerializationException", "\"tags\" must be a list" },
	{ "CreateApplication", "{'applicationName':'a','tags':['x']}", "SerializationException", "Element 1 of \"tags\"" },
	/* Of several: the type, then what is absent, then the form. */
	{ "CreateApplication", "{'computePlatform':'Lambda','tags':7}", "SerializationException", "" },
	{ "CreateApplication", "{'computePlatform':'Lambda'}", "ApplicationNameRequiredException", "" },

	{ "CreateApplication", "{'applicationName':'shop'}", NULL, "{'applicationId':'*'}" },
	{ "CreateApplication", "{'applicationName':'" NAME_99 "x','computePlatform':'Server','unknown':[]}", NULL, "{'applicationId':'*'}" },
	{ "CreateApplication", "{'applicationName':'A.z_0+=,@-'}", NULL, "{'applicationId':'*'}" },
	{ "CreateApplication", "{'applicationName':'shop'}", "ApplicationAlreadyExistsException", "shop already" },
	{ "CreateApplication", "{'applicationName':'Shop'}", NULL, "{'applicationId':'*'}" },

	{ "GetApplication", "{'applicationName':'shop'}", NULL, "{'application':" INFO("shop") "}" },
	{ "GetApplication", "{'applicationName':'none'}", "ApplicationDoesNotExistException", "No application found for name: none" },
	{ "GetApplication", "{}", "ApplicationNameRequiredException", "" },
	{ "GetApplication", "{'applicationName':'a/b'}", "InvalidApplicationNameException", "" },

	{ "BatchGetApplications", "{'applicationNames':['Shop','shop']}", NULL, "{'applicationsInfo':[" INFO("Shop") "," INFO("shop") "]}" },
	{ "BatchGetApplications", "{'applicationNames':['shop','none']}", "ApplicationDoesNotExistException", "for name: none" },
	{ "BatchGetApplications", "{'applicationNames':[]}", "ApplicationNameRequiredException", "" },
	{ "BatchGetApplications", "{'applicationNames':['shop','']}", "ApplicationNameRequiredException", "Element 2" },
	{ "BatchGetApplications", "{'applicationNames':['shop','?']}", "InvalidApplicationNameException", "" },
	{ "BatchGetApplications", "{'applicationNames':'shop'}", "SerializationException", "must be a list" },

	{ "ListApplications", "{}", NULL, "{'applications':['A.z_0+=,@-','Shop','" NAME_99 "x','shop']}" },
	{ "ListApplications", "{'nextToken':''}", NULL, "{'applications':'*'}" },
	{ "ListApplications", "{'nextToken':'abc'}", "InvalidNextTokenException", "ListApplications" },

	{ "UpdateApplication", "{'applicationName':'Shop'}", "ApplicationNameRequiredException", "newApplicationName" },
	{ "UpdateApplication", "{'newApplicationName':'x'}", "ApplicationNameRequiredException", "\"applicationName\"" },
	{ "UpdateApplication", "{'applicationName':'Shop','newApplicationName':'a b'}", "InvalidApplicationNameException", "a b" },
	{ "UpdateApplication", "{'applicationName':'none','newApplicationName':'x'}", "ApplicationDoesNotExistException", "" },
	{ "UpdateApplication", "{'applicationName':'Shop','newApplicationName':'shop'}", "ApplicationAlreadyExistsException", "" },
	{ "UpdateApplication", "{'applicationName':'Shop','newApplicationName':'Shop'}", NULL, "{}" },
	{ "UpdateApplication", "{'applicationName':'Shop','newApplicationName':'kiosk'}", NULL, "{}" },
	{ "GetApplication", "{'applicationName':'Shop'}", "ApplicationDoesNotExistException", "" },
	{ "GetApplication", "{'applicationName':'kiosk'}", NULL, "{'application':" INFO("kiosk") "}" },

	{ "DeleteApplication", "{}", "ApplicationNameRequiredException", "" },
	{ "DeleteApplication", "{'applicationName':'a b'}", "InvalidApplicationNameException", "" },
	{ "DeleteApplication", "{'applicationName':'kiosk'}", NULL, "{}" },
	{ "DeleteApplication", "{'applicationName':'kiosk'}", NULL, "{}" },
	{ "GetApplication", "{'applicationName':'kiosk'}", "ApplicationDoesNotExistException", "" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations };

START_TEST(each_operation_answers_and_refuses)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_restart();
	api_expect("ListApplications", "{}",
		"{'applications':['A.z_0+=,@-','" NAME_99 "x','shop']}");
	api_stop();
}
END_TEST

static void create(const char *name)
{
	char input[200];

	(void)snprintf(input, sizeof(input), "{'applicationName':'%s'}", name);
	api_expect("CreateApplication", input, "{'applicationId':'*'}");
}

/* The token of a page of ListApplications, for the caller to free; NULL on the last. */
static char *list_page(const char *token, size_t n_expected)
{
	char input[1000] = "{}";
	cleanup_with(json_decrefp) json_t *answer = NULL;
	const char *next;
	int status;

	if (token)
		(void)snprintf(input, sizeof(input), "{'nextToken':'%s'}", token);
	answer = api_run("ListApplications", input, &status);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(json_array_size(json_object_get(answer, "applications")), n_expected);
	next = json_string_value(json_object_get(answer, "nextToken"));
	return next ? strdup(next) : NULL;
}

START_TEST(pages_hold_a_hundred_and_the_last_has_no_token)
{
	cleanup_with(freep) char *token = NULL;
	cleanup_with(freep) char *none = NULL;
	char name[20];

	api_start(tables, ARRAY_SIZE(tables));
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "app-%03d", i);
		create(name);
	}
	ck_assert_ptr_null(list_page(NULL, 100));
	create("app-100");
	token = list_page(NULL, 100);
	ck_assert_ptr_nonnull(token);
	none = list_page(token, 1);
	ck_assert_ptr_null(none);
	/* It is good after a restart, and whatever comes and goes meanwhile. */
	api_restart();
	create("app-0000");
	api_expect("DeleteApplication", "{'applicationName':'app-099'}", "{}");
	none = list_page(token, 1);
	ck_assert_ptr_null(none);
	api_stop();
}
END_TEST

START_TEST(a_token_is_good_for_its_question_only)
{
	cleanup_with(freep) char *token = NULL;
	char input[1000];
	char name[20];

	api_start(tables, ARRAY_SIZE(tables));
	for (int i = 0; i < 101; i++) {
		(void)snprintf(name, sizeof(name), "app-%03d", i);
		create(name);
	}
	token = list_page(NULL, 100);
	(void)snprintf(
		input, sizeof(input), "{'applicationName':'app-001','nextToken':'%s'}", token);
	api_expect_error("ListDeploymentGroups", input, "InvalidNextTokenException", "");
	api_expect_error("ListApplications", input, "InvalidNextTokenException", "");
	/* Changed, cut, doubled. */
	token[40] = token[40] == 'a' ? 'b' : 'a';
	(void)snprintf(input, sizeof(input), "{'nextToken':'%s'}", token);
	api_expect_error("ListApplications", input, "InvalidNextTokenException", "");
	token[33] = '\0';
	(void)snprintf(input, sizeof(input), "{'nextToken':'%s'}", token);
	api_expect_error("ListApplications", input, "InvalidNextTokenException", "");
	token[32] = '\0';
	(void)snprintf(input, sizeof(input), "{'nextToken':'%s'}", token);
	api_expect_error("ListApplications", input, "InvalidNextTokenException", "");
	(void)snprintf(input, sizeof(input), "{'nextToken':'%s%s'}", token, token);
	api_expect_error("ListApplications", input, "InvalidNextTokenException", "");
	api_stop();
}
END_TEST

START_TEST(a_renamed_application_keeps_its_groups_and_a_deleted_one_takes_them_along)
{
	static const char group[] =
		"{'applicationName':'shop','deploymentGroupName':'prod',"
		"'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'}";

	api_start(tables, ARRAY_SIZE(tables));
	create("shop");
	api_expect("CreateDeploymentGroup", group, "{'deploymentGroupId':'*'}");
	api_expect("UpdateApplication",
		"{'applicationName':'shop','newApplicationName':'store'}", "{}");
	api_restart();
	api_expect("ListDeploymentGroups", "{'applicationName':'store'}",
		"{'applicationName':'store','deploymentGroups':['prod']}");
	api_expect("DeleteApplication", "{'applicationName':'store'}", "{}");
	create("store");
	api_restart();
	api_expect("ListDeploymentGroups", "{'applicationName':'store'}",
		"{'applicationName':'store','deploymentGroups':[]}");
	api_stop();
}
END_TEST

START_TEST(too_many_names_are_refused)
{
	char input[2000] = "{'applicationNames':[";

	api_start(tables, ARRAY_SIZE(tables));
	create("a");
	for (int i = 0; i < 101; i++)
		(void)snprintf(input + strlen(input), sizeof(input) - strlen(input), "'a'%s",
			i < 100 ? "," : "]}");
	api_expect_error("BatchGetApplications", input, "BatchLimitExceededException",
		"101 names; at most 100");
	api_stop();
}
END_TEST

TESTS("api_application", each_operation_answers_and_refuses,
	pages_hold_a_hundred_and_the_last_has_no_token, a_token_is_good_for_its_question_only,
	a_renamed_application_keeps_its_groups_and_a_deleted_one_takes_them_along,
	too_many_names_are_refused)
