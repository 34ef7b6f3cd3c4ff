/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "unit.h"

/* clang-format off */
#define USER(name) "arn:aws:iam::000000000000:user/drover/" name
#define REGISTER(name) "RegisterOnPremisesInstance", "{'instanceName':'" name "','iamUserArn':'" USER(name) "'}"
#define INFO(name, more) "{'instanceName':'" name "','iamUserArn':'" USER(name) "','instanceArn':'*','registerTime':1795190400.123," more "}"
#define ALL_TAGS "'tags':[{'Key':'env','Value':'prod'},{'Key':'spare','Value':''}]"

static const struct api_line lines[] = {
	{ "RegisterOnPremisesInstance", "{}", "InstanceNameRequiredException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1'}", "IamArnRequiredException", "iamUserArn" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':''}", "IamArnRequiredException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':'" USER("x") "','iamSessionArn':'arn:aws:sts::1:assumed-role/r/x'}", "MultipleIamArnsProvidedException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'i-1','iamUserArn':'" USER("x") "'}", "InvalidInstanceNameException", "EC2" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'a b','iamUserArn':'" USER("x") "'}", "InvalidInstanceNameException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':'web-1'}", "InvalidIamUserArnException", "arn:aws:iam::ACCOUNT:user/NAME" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':'arn:aws:iam::1:role/x'}", "InvalidIamUserArnException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':'arn:aws:iam::1:user/'}", "InvalidIamUserArnException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamSessionArn':'" USER("x") "'}", "InvalidIamSessionArnException", "" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':true}", "SerializationException", "" },
	{ REGISTER("web-1"), NULL, "{}" },
	{ REGISTER("web-1"), "InstanceNameAlreadyRegisteredException", "web-1" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-2','iamUserArn':'" USER("web-1") "'}", "IamUserArnAlreadyRegisteredException", "by instance web-1" },
	{ REGISTER("web-2"), NULL, "{}" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-3','iamSessionArn':'arn:aws:sts::1:assumed-role/r/web-3'}", NULL, "{}" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-4','iamSessionArn':'arn:aws:sts::1:assumed-role/r/web-3'}", "IamSessionArnAlreadyRegisteredException", "" },

	{ "GetOnPremisesInstance", "{}", "InstanceNameRequiredException", "" },
	{ "GetOnPremisesInstance", "{'instanceName':'i-1'}", "InvalidInstanceNameException", "" },
	{ "GetOnPremisesInstance", "{'instanceName':'none'}", "InstanceNotRegisteredException", "none" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}", NULL, "{'instanceInfo':" INFO("web-1", "'tags':[]") "}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-3'}", NULL, "{'instanceInfo':{'instanceName':'web-3','iamSessionArn':'arn:aws:sts::1:assumed-role/r/web-3',"
		"'instanceArn':'*','registerTime':'*','tags':[]}}" },
	{ "BatchGetOnPremisesInstances", "{'instanceNames':['none','web-2']}", NULL, "{'instanceInfos':[" INFO("web-2", "'tags':[]") "]}" },
	{ "BatchGetOnPremisesInstances", "{'instanceNames':['none']}", NULL, "{'instanceInfos':[]}" },
	{ "BatchGetOnPremisesInstances", "{}", "InstanceNameRequiredException", "" },
	{ "BatchGetOnPremisesInstances", "{'instanceNames':['web-1','i-1']}", "InvalidInstanceNameException", "" },

	/* Tags: on all or on none. */
	{ "AddTagsToOnPremisesInstances", "{'tags':[{'Key':'a'}]}", "InstanceNameRequiredException", "" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1']}", "TagRequiredException", "" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[]}", "TagRequiredException", "" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Value':'x'}]}", "InvalidTagException", "" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':'a'},{'Key':'a'}]}", "InvalidTagException", "twice" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':7}]}", "SerializationException", "" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1','none'],'tags':[{'Key':'env','Value':'prod'}]}", "InstanceNotRegisteredException", "none; no tag was changed" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}", NULL, "{'instanceInfo':" INFO("web-1", "'tags':[]") "}" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1','web-2'],'tags':[{'Key':'spare'},{'Key':'env','Value':'test'}]}", NULL, "{}" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1','web-2'],'tags':[{'Key':'env','Value':'prod'}]}", NULL, "{}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}", NULL, "{'instanceInfo':" INFO("web-1", ALL_TAGS) "}" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1','none'],'tags':[{'Key':'env'}]}", "InstanceNotRegisteredException", "" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1']}", "TagRequiredException", "" },
	{ "RemoveTagsFromOnPremisesInstances", "{'tags':[{'Key':'env'}]}", "InstanceNameRequiredException", "" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':'env','Value':'test'},{'Key':'none'}]}", NULL, "{}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}", NULL, "{'instanceInfo':" INFO("web-1", ALL_TAGS) "}" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1','web-2'],'tags':[{'Key':'env','Value':'prod'}]}", NULL, "{}" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':'spare'}]}", NULL, "{}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}", NULL, "{'instanceInfo':" INFO("web-1", "'tags':[]") "}" },

	/* What is deregistered stays in sight, and lets go of its name and ARN. */
	{ "DeregisterOnPremisesInstance", "{}", "InstanceNameRequiredException", "" },
	{ "DeregisterOnPremisesInstance", "{'instanceName':'i-1'}", "InvalidInstanceNameException", "" },
	{ "DeregisterOnPremisesInstance", "{'instanceName':'none'}", NULL, "{}" },
	{ "DeregisterOnPremisesInstance", "{'instanceName':'web-2'}", NULL, "{}" },
	{ "DeregisterOnPremisesInstance", "{'instanceName':'web-2'}", NULL, "{}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-2'}", NULL, "{'instanceInfo':" INFO("web-2", "'deregisterTime':1795190400.123,'tags':[{'Key':'spare','Value':''}]") "}" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-2'],'tags':[{'Key':'env'}]}", "InstanceNotRegisteredException", "" },
	{ "ListOnPremisesInstances", "{}", NULL, "{'instanceNames':['web-1','web-2','web-3']}" },
	{ "ListOnPremisesInstances", "{'registrationStatus':'Registered'}", NULL, "{'instanceNames':['web-1','web-3']}" },
	{ "ListOnPremisesInstances", "{'registrationStatus':'Deregistered'}", NULL, "{'instanceNames':['web-2']}" },
	{ "ListOnPremisesInstances", "{'registrationStatus':'Gone'}", "InvalidRegistrationStatusException", "Registered, Deregistered" },
	{ "ListOnPremisesInstances", "{'tagFilters':[{'Key':'no','Type':'KEY_ONLY'},{'Key':'spare','Type':'KEY_ONLY'}]}", NULL, "{'instanceNames':['web-2']}" },
	{ "ListOnPremisesInstances", "{'registrationStatus':'Registered','tagFilters':[{'Key':'spare'}]}", NULL, "{'instanceNames':[]}" },
	{ "ListOnPremisesInstances", "{'tagFilters':[]}", NULL, "{'instanceNames':['web-1','web-2','web-3']}" },
	{ "ListOnPremisesInstances", "{'tagFilters':[{'Type':'KEY_ONLY'}]}", "InvalidTagFilterException", "filter 1: it needs a Key" },
	{ "ListOnPremisesInstances", "{'tagFilters':[7]}", "SerializationException", "" },
	{ "ListOnPremisesInstances", "{'nextToken':'00'}", "InvalidNextTokenException", "" },
	{ REGISTER("web-2"), NULL, "{}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-2'}", NULL, "{'instanceInfo':" INFO("web-2", "'tags':[]") "}" },
	{ "ListOnPremisesInstances", "{}", NULL, "{'instanceNames':['web-1','web-2','web-3']}" },
};
/* clang-format on */

static const struct operation *const tables[] = { instance_operations };

START_TEST(each_operation_answers_and_refuses)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_restart();
	api_expect("ListOnPremisesInstances", "{'registrationStatus':'Registered'}",
		"{'instanceNames':['web-1','web-2','web-3']}");
	api_stop();
}
END_TEST

START_TEST(an_arn_serves_another_host_once_its_own_is_deregistered)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect(REGISTER("web-1"), "{}");
	api_expect("DeregisterOnPremisesInstance", "{'instanceName':'web-1'}", "{}");
	api_restart();
	api_expect("RegisterOnPremisesInstance",
		"{'instanceName':'web-9','iamUserArn':'" USER("web-1") "'}", "{}");
	ck_assert_str_eq(fleet_find_host_by_arn(api_parts.fleet, USER("web-1"))->name, "web-9");
	api_stop();
}
END_TEST

START_TEST(tags_of_a_host_are_limited)
{
	char input[4000] = "{'instanceNames':['web-2','web-1'],'tags':[";

	api_start(tables, ARRAY_SIZE(tables));
	api_expect(REGISTER("web-1"), "{}");
	api_expect(REGISTER("web-2"), "{}");
	api_expect("AddTagsToOnPremisesInstances",
		"{'instanceNames':['web-1'],'tags':[{'Key':'a'}]}", "{}");
	for (int i = 0; i < 50; i++)
		(void)snprintf(input + strlen(input), sizeof(input) - strlen(input),
			"{'Key':'k%d'}%s", i, i < 49 ? "," : "]}");
	api_expect_error("AddTagsToOnPremisesInstances", input, "TagLimitExceededException",
		"web-1 would have 51 tags; at most 50");
	ck_assert_uint_eq(fleet_find_host(api_parts.fleet, "web-2")->tags.n, 0);
	api_expect("RemoveTagsFromOnPremisesInstances",
		"{'instanceNames':['web-1'],'tags':[{'Key':'a'}]}", "{}");
	api_expect("AddTagsToOnPremisesInstances", input, "{}");
	api_restart();
	ck_assert_uint_eq(fleet_find_host(api_parts.fleet, "web-2")->tags.n, 50);
	api_stop();
}
END_TEST

START_TEST(filtered_lists_have_pages_too)
{
	cleanup_with(json_decrefp) json_t *first = NULL;
	char input[1000];
	int status;

	api_start(tables, ARRAY_SIZE(tables));
	for (int i = 0; i < 260; i++) {
		(void)snprintf(input, sizeof(input),
			"{'instanceName':'h%03d','iamUserArn':'" USER("h%03d") "'}", i, i);
		api_expect("RegisterOnPremisesInstance", input, "{}");
		(void)snprintf(input, sizeof(input),
			"{'instanceNames':['h%03d'],'tags':[{'Key':'odd'}]}", i);
		if (i % 2)
			api_expect("AddTagsToOnPremisesInstances", input, "{}");
	}
	first = api_run("ListOnPremisesInstances", "{'tagFilters':[{'Key':'odd'}]}", &status);
	ck_assert_uint_eq(json_array_size(json_object_get(first, "instanceNames")), 100);
	ck_assert_str_eq(
		json_string_value(json_array_get(json_object_get(first, "instanceNames"), 99)),
		"h199");
	(void)snprintf(input, sizeof(input), "{'tagFilters':[{'Key':'odd'}],'nextToken':'%s'}",
		json_string_value(json_object_get(first, "nextToken")));
	json_decref(first);
	first = api_run("ListOnPremisesInstances", input, &status);
	ck_assert_uint_eq(json_array_size(json_object_get(first, "instanceNames")), 30);
	ck_assert_ptr_null(json_object_get(first, "nextToken"));
	/* Other filters, other question. */
	input[strlen("{'tagFilters':[{'Key':'")] = 'O';
	api_expect_error("ListOnPremisesInstances", input, "InvalidNextTokenException", "");
	api_stop();
}
END_TEST

TESTS("api_instance", each_operation_answers_and_refuses,
	an_arn_serves_another_host_once_its_own_is_deregistered, tags_of_a_host_are_limited,
	filtered_lists_have_pages_too)
