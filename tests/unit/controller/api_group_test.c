/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "controller/group.h"
#include "unit.h"

/* clang-format off */
#define ROLE "'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'"
#define CREATE_WITH(members) "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod'," ROLE "," members "}"
#define UPDATE_WITH(members) "UpdateDeploymentGroup", "{'applicationName':'shop','currentDeploymentGroupName':'prod'," members "}"
#define UPDATED NULL, "{'hooksNotCleanedUp':[]}"
#define GET "GetDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod'}"
/* GetDeploymentGroup's answer, with the members in which cases differ. */
#define INFO(filters, tail) NULL, "{'deploymentGroupInfo':{'applicationName':'shop','deploymentGroupId':'*','deploymentGroupName':'prod'," \
	"'deploymentConfigName':'CodeDeployDefault.OneAtATime'," ROLE ",'computePlatform':'Server','autoScalingGroups':[],'triggerConfigurations':[]," \
	"'outdatedInstancesStrategy':'UPDATE','terminationHookEnabled':false," \
	"'deploymentStyle':{'deploymentType':'IN_PLACE','deploymentOption':'WITHOUT_TRAFFIC_CONTROL'}," filters tail "}}"
#define NO_ROLLBACK ",'autoRollbackConfiguration':{'enabled':false,'events':[]}"
#define ENV "{'Key':'env','Value':'prod','Type':'KEY_AND_VALUE'}"

static const struct api_line refused[] = {
	{ "CreateDeploymentGroup", "{}", "ApplicationNameRequiredException", "" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod'}", "RoleRequiredException", "" },
	{ "CreateDeploymentGroup", "{'applicationName':'a b','deploymentGroupName':'prod'," ROLE "}", "InvalidApplicationNameException", "" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'a b'," ROLE "}", "InvalidDeploymentGroupNameException", "" },
	{ "CreateDeploymentGroup", "{'applicationName':'none','deploymentGroupName':'prod'," ROLE "}", "ApplicationDoesNotExistException", "No application found for name: none" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod','serviceRoleArn':'role'}", "InvalidInputException", "arn:aws:iam::ACCOUNT:role/NAME" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod','serviceRoleArn':'arn:aws:iam::1:user/x'}", "InvalidInputException", "" },
	{ CREATE_WITH("'deploymentConfigName':'a b'"), "InvalidDeploymentConfigNameException", "" },
	{ CREATE_WITH("'deploymentConfigName':'none'"), "DeploymentConfigDoesNotExistException", "none" },
	{ CREATE_WITH("'ec2TagFilters':7"), "SerializationException", "" },
	{ CREATE_WITH("'ec2TagFilters':[7]"), "SerializationException", "" },
	{ CREATE_WITH("'ec2TagFilters':[{'Key':7}]"), "SerializationException", "" },
	{ CREATE_WITH("'ec2TagFilters':[{'Type':'KEY_ONLY'}]"), "InvalidEC2TagException", "ec2TagFilters: filter 1: it needs a Key" },
	{ CREATE_WITH("'onPremisesInstanceTagFilters':[" ENV ",{'Key':'a','Type':'ANY'}]"), "InvalidTagException", "filter 2: Type is 'ANY'" },
	{ CREATE_WITH("'ec2TagFilters':[" ENV "],'ec2TagSet':{'ec2TagSetList':[[" ENV "]]}"), "InvalidEC2TagCombinationException", "" },
	{ CREATE_WITH("'onPremisesInstanceTagFilters':[" ENV "],'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "]]}"), "InvalidOnPremisesTagCombinationException", "" },
	{ CREATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "],[" ENV "],[" ENV "],[" ENV "]]}"), "TagSetListLimitExceededException", "4 tag groups" },
	{ CREATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "," ENV "," ENV "," ENV "," ENV "," ENV "," ENV "," ENV "," ENV "," ENV "," ENV "]]}"), "TagSetListLimitExceededException", "11 tags" },
	{ CREATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "],[]]}"), "InvalidTagException", "tag group 2: it is empty" },
	{ CREATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[" ENV "]}"), "SerializationException", "list of objects" },
	{ CREATE_WITH("'ec2TagSet':[]"), "SerializationException", "" },
	{ CREATE_WITH("'autoScalingGroups':['']"), "InvalidAutoScalingGroupException", "" },
	{ CREATE_WITH("'autoScalingGroups':['a','b','c','d','e','f','g','h','i','j','k']"), "InvalidAutoScalingGroupException", "11" },
	{ CREATE_WITH("'autoRollbackConfiguration':{'enabled':true}"), "InvalidAutoRollbackConfigException", "" },
	{ CREATE_WITH("'autoRollbackConfiguration':{'enabled':false,'events':['X']}"), "InvalidAutoRollbackConfigException", "X" },
	{ CREATE_WITH("'autoRollbackConfiguration':{'enabled':'true'}"), "SerializationException", "true or false" },
	{ CREATE_WITH("'alarmConfiguration':{'enabled':true,'alarms':[]}"), "InvalidAlarmConfigException", "" },
	{ CREATE_WITH("'alarmConfiguration':{'alarms':[{'name':'a'},{'name':'a'}]}"), "InvalidAlarmConfigException", "twice" },
	{ CREATE_WITH("'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'x','triggerEvents':['DeploymentStart']}]"), "InvalidTriggerConfigException", "arn:aws:sns" },
	{ CREATE_WITH("'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':[]}]"), "InvalidTriggerConfigException", "no events" },
	{ CREATE_WITH("'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':['X']}]"), "InvalidTriggerConfigException", "'X'" },
	{ CREATE_WITH("'triggerConfigurations':[{'triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':['DeploymentStop']}]"), "InvalidTriggerConfigException", "triggerName" },
	{ CREATE_WITH("'triggerConfigurations':[{},{},{},{},{},{},{},{},{},{},{}]"), "TriggerTargetsLimitExceededException", "" },
	{ CREATE_WITH("'loadBalancerInfo':{'elbInfoList':[{}]}"), "InvalidLoadBalancerInfoException", "" },
	{ CREATE_WITH("'loadBalancerInfo':{'targetGroupPairInfoList':[{}]}"), "InvalidTargetGroupPairException", "" },
	{ CREATE_WITH("'deploymentStyle':{'deploymentType':'BLUE_GREEN'}"), "InvalidDeploymentStyleException", "IN_PLACE" },
	{ CREATE_WITH("'deploymentStyle':{'deploymentOption':'X'}"), "InvalidDeploymentStyleException", "" },
	{ CREATE_WITH("'blueGreenDeploymentConfiguration':{'deploymentReadyOption':{}}"), "InvalidBlueGreenDeploymentConfigurationException", "" },
	{ CREATE_WITH("'ecsServices':[{'serviceName':'x'}]"), "InvalidECSServiceException", "" },
	{ CREATE_WITH("'outdatedInstancesStrategy':'X'"), "InvalidInputException", "" },
	{ CREATE_WITH("'terminationHookEnabled':1"), "SerializationException", "" },
	{ CREATE_WITH("'tags':[{'Key':''}]"), "InvalidTagsToAddException", "" },
	{ "GetDeploymentGroup", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "GetDeploymentGroup", "{'deploymentGroupName':'prod'}", "ApplicationNameRequiredException", "" },
	{ "GetDeploymentGroup", "{'applicationName':'none','deploymentGroupName':'prod'}", "ApplicationDoesNotExistException", "" },
	{ GET, "DeploymentGroupDoesNotExistException", "No Deployment Group found for name: prod" },
	{ "ListDeploymentGroups", "{}", "ApplicationNameRequiredException", "" },
	{ "ListDeploymentGroups", "{'applicationName':'none'}", "ApplicationDoesNotExistException", "" },
	{ "ListDeploymentGroups", "{'applicationName':'shop','nextToken':'x'}", "InvalidNextTokenException", "" },
	{ "BatchGetDeploymentGroups", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "BatchGetDeploymentGroups", "{'applicationName':'none','deploymentGroupNames':['x']}", "ApplicationDoesNotExistException", "" },
	{ "UpdateDeploymentGroup", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "currentDeploymentGroupName" },
	{ "UpdateDeploymentGroup", "{'applicationName':'none','currentDeploymentGroupName':'prod'}", "ApplicationDoesNotExistException", "" },
	{ UPDATE_WITH("'deploymentConfigName':null"), "DeploymentGroupDoesNotExistException", "" },
	{ UPDATE_WITH("'newDeploymentGroupName':'a b'"), "InvalidDeploymentGroupNameException", "" },
	{ UPDATE_WITH("'ec2TagFilters':[{}]"), "InvalidEC2TagException", "" },
	{ "DeleteDeploymentGroup", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "DeleteDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'a b'}", "InvalidDeploymentGroupNameException", "" },
	{ "DeleteDeploymentGroup", "{'applicationName':'none','deploymentGroupName':'prod'}", UPDATED },
	{ "DeleteDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'none'}", UPDATED },
};

/* What an update leaves, and what it clears. */
static const struct api_line changes[] = {
	{ CREATE_WITH("'onPremisesInstanceTagFilters':[" ENV "],'ec2TagFilters':[]"), NULL, "{'deploymentGroupId':'*'}" },
	{ CREATE_WITH("'ec2TagFilters':[]"), "DeploymentGroupAlreadyExistsException", "prod already" },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[" ENV "]", NO_ROLLBACK) },
	{ UPDATE_WITH("'deploymentConfigName':''"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[" ENV "]", NO_ROLLBACK) },
	/* A set drives the filters of its kind out, and the other way round. */
	{ UPDATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "],[{'Key':'web'}]]}"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[],'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "],[{'Key':'web'}]]}", NO_ROLLBACK) },
	{ UPDATE_WITH("'onPremisesTagSet':{'onPremisesTagSetList':[]},'onPremisesInstanceTagFilters':[" ENV "]"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[" ENV "]", NO_ROLLBACK) },
	{ UPDATE_WITH("'ec2TagSet':{'ec2TagSetList':[[" ENV "]]},'onPremisesInstanceTagFilters':[]"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[],'ec2TagSet':{'ec2TagSetList':[[" ENV "]]}", NO_ROLLBACK) },
	{ UPDATE_WITH("'ec2TagSet':{}"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[]", NO_ROLLBACK) },
	/* As Terraform sends what is not wanted. */
	{ UPDATE_WITH("'alarmConfiguration':{'enabled':false,'ignorePollAlarmFailure':false,'alarms':[]},'autoRollbackConfiguration':{'enabled':false,'events':[]},'triggerConfigurations':[],"
		"'loadBalancerInfo':{},'blueGreenDeploymentConfiguration':{},'ecsServices':[],'autoScalingGroups':[]"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[],'alarmConfiguration':{'enabled':false,'ignorePollAlarmFailure':false,'alarms':[]}", NO_ROLLBACK) },
	{ UPDATE_WITH("'alarmConfiguration':{},'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE','DEPLOYMENT_STOP_ON_REQUEST']}"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[]", ",'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE','DEPLOYMENT_STOP_ON_REQUEST']}") },
	{ UPDATE_WITH("'autoRollbackConfiguration':{}"), UPDATED },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[]", NO_ROLLBACK) },
	/* A failed update changes nothing. */
	{ UPDATE_WITH("'ec2TagFilters':[" ENV "],'deploymentConfigName':'none'"), "DeploymentConfigDoesNotExistException", "" },
	{ UPDATE_WITH("'ec2TagFilters':[" ENV "],'newDeploymentGroupName':'other','alarmConfiguration':{'enabled':true}"), "InvalidAlarmConfigException", "" },
	{ GET, INFO("'ec2TagFilters':[],'onPremisesInstanceTagFilters':[]", NO_ROLLBACK) },
	/* Names. */
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'test'," ROLE "}", NULL, "{'deploymentGroupId':'*'}" },
	{ UPDATE_WITH("'newDeploymentGroupName':'test'"), "DeploymentGroupAlreadyExistsException", "test" },
	{ UPDATE_WITH("'newDeploymentGroupName':'prod'"), UPDATED },
	{ "BatchGetDeploymentGroups", "{'applicationName':'shop','deploymentGroupNames':['none','prod','gone']}", NULL, "{'deploymentGroupsInfo':['*'],'errorMessage':'No Deployment Group found for name: none'}" },
	{ "BatchGetDeploymentGroups", "{'applicationName':'shop','deploymentGroupNames':['test','prod']}", NULL, "{'deploymentGroupsInfo':['*','*']}" },
	{ UPDATE_WITH("'newDeploymentGroupName':'live'"), UPDATED },
	{ GET, "DeploymentGroupDoesNotExistException", "" },
	{ "ListDeploymentGroups", "{'applicationName':'shop'}", NULL, "{'applicationName':'shop','deploymentGroups':['live','test']}" },
	{ "DeleteDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'live'}", UPDATED },
	{ "ListDeploymentGroups", "{'applicationName':'shop'}", NULL, "{'applicationName':'shop','deploymentGroups':['test']}" },
};

/* What is asked for and not done. */
static const struct {
	const char *members;
	const char *words;
} unsupported[] = {
	{ "'alarmConfiguration':{'enabled':true,'alarms':[{'name':'a'},{'name':'b'}]}", "does not watch alarms; none of the 2" },
	{ "'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_STOP_ON_ALARM']}", "DEPLOYMENT_STOP_ON_ALARM never happens" },
	{ "'loadBalancerInfo':{'targetGroupInfoList':[{'name':'tg'}]}", "load balancers" },
	{ "'deploymentStyle':{'deploymentOption':'WITH_TRAFFIC_CONTROL'}", "load balancers" },
	{ "'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':['InstanceReady']}]", "nobody is told through the 1 triggers" },
	{ "'autoScalingGroups':['asg']", "does not ask the 1 scaling groups" },
	{ "'terminationHookEnabled':true", "terminationHookEnabled has no effect" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations,
	instance_operations, deployment_operations };

static void start(void)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateApplication", "{'applicationName':'shop'}", "{'applicationId':'*'}");
}

static struct group *find(const char *name)
{
	return fleet_find_group(
		api_parts.fleet, fleet_find_application(api_parts.fleet, "shop"), name);
}

START_TEST(what_is_wrong_is_refused)
{
	start();
	api_expect_lines(refused, ARRAY_SIZE(refused));
	api_stop();
}
END_TEST

START_TEST(an_update_keeps_what_it_does_not_name)
{
	start();
	api_expect_lines(changes, ARRAY_SIZE(changes));
	api_stop();
}
END_TEST

START_TEST(what_is_not_done_is_said)
{
	start();
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		cleanup_with(json_decrefp) json_t *answer = NULL;
		char input[500];
		const json_t *messages;
		int status;

		(void)snprintf(input, sizeof(input),
			"{'applicationName':'shop','deploymentGroupName':'prod'," ROLE ",%s}",
			unsupported[i].members);
		answer = api_run("CreateDeploymentGroup", input, &status);
		ck_assert_msg(status == 200, "%s", input);
		messages = json_object_get(answer, "statusMessages");
		ck_assert_msg(json_array_size(messages) == 1, "%s", input);
		ck_assert_msg(strstr(json_string_value(json_array_get(messages, 0)),
				      unsupported[i].words) != NULL,
			"%s: %s", input, json_string_value(json_array_get(messages, 0)));
		api_expect("DeleteDeploymentGroup",
			"{'applicationName':'shop','deploymentGroupName':'prod'}",
			"{'hooksNotCleanedUp':[]}");
	}
	api_stop();
}
END_TEST

START_TEST(all_that_was_set_is_shown_again)
{
	/* clang-format off */
	static const char everything[] =
		"'autoScalingGroups':%s,"
		"'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':['DeploymentFailure','InstanceReady']}],"
		"'alarmConfiguration':{'enabled':true,'ignorePollAlarmFailure':true,'alarms':[{'name':'a'},{'name':'b'}]},"
		"'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']},"
		"'outdatedInstancesStrategy':'IGNORE',"
		"'deploymentStyle':{'deploymentType':'IN_PLACE','deploymentOption':'WITH_TRAFFIC_CONTROL'},"
		"'loadBalancerInfo':{'elbInfoList':[{'name':'lb'}],'targetGroupInfoList':[{'name':'tg'}]},"
		"'ec2TagFilters':[" ENV "],'onPremisesInstanceTagFilters':[{'Value':'web','Type':'VALUE_ONLY'}],"
		"'terminationHookEnabled':true";
	/* clang-format on */
	char input[2000];
	char answer[2500];
	char members[1500];

	start();
	(void)snprintf(members, sizeof(members), everything, "['asg']");
	(void)snprintf(input, sizeof(input),
		"{'applicationName':'shop','deploymentGroupName':'prod','unknown':{},"
		"'deploymentConfigName':'CodeDeployDefault.AllAtOnce'," ROLE ",%s}",
		members);
	api_expect("CreateDeploymentGroup", input,
		"{'deploymentGroupId':'*','statusMessages':['*','*','*','*','*']}");
	(void)snprintf(members, sizeof(members), everything, "[{'name':'asg'}]");
	(void)snprintf(answer, sizeof(answer),
		"{'deploymentGroupInfo':{'applicationName':'shop','deploymentGroupName':'prod',"
		"'deploymentGroupId':'*','deploymentConfigName':'CodeDeployDefault.AllAtOnce',"
		"'computePlatform':'Server','statusMessages':'*'," ROLE ",%s}}",
		members);
	api_restart();
	api_expect("GetDeploymentGroup",
		"{'applicationName':'shop','deploymentGroupName':'prod'}", answer);
	api_stop();
}
END_TEST

START_TEST(the_group_itself_follows_its_settings)
{
	cleanup_with(json_decrefp) json_t *messages = NULL;
	char id[UUID_LENGTH + 1];

	start();
	api_expect(CREATE_WITH("'onPremisesInstanceTagFilters':[" ENV "]"),
		"{'deploymentGroupId':'*'}");
	ck_assert_uint_eq(find("prod")->on_premises.n_lists, 1);
	ck_assert(!find("prod")->on_premises.is_set);
	ck_assert(!find("prod")->auto_rollback.enabled);
	memcpy(id, find("prod")->id, sizeof(id));
	api_expect(
		UPDATE_WITH("'newDeploymentGroupName':'live',"
			    "'onPremisesTagSet':{'onPremisesTagSetList':[[" ENV "],[" ENV "]]},"
			    "'autoRollbackConfiguration':"
			    "{'enabled':true,'events':['DEPLOYMENT_FAILURE']}"),
		"{'hooksNotCleanedUp':[]}");
	api_restart();
	ck_assert_ptr_null(find("prod"));
	ck_assert_str_eq(find("live")->id, id);
	ck_assert_uint_eq(find("live")->on_premises.n_lists, 2);
	ck_assert(find("live")->on_premises.is_set);
	ck_assert(find("live")->auto_rollback.enabled);
	ck_assert(find("live")->auto_rollback.on_failure);
	ck_assert(!find("live")->auto_rollback.on_stop);
	messages = group_unsupported(find("live"));
	ck_assert_uint_eq(json_array_size(messages), 0);
	api_stop();
}
END_TEST

/* A group of one host that has not been heard of, and its deployment: the id. */
static void deploy(char ret_id[static DEPLOYMENT_ID_LENGTH + 1])
{
	cleanup_with(json_decrefp) json_t *answer = NULL;
	int status;

	api_expect("RegisterOnPremisesInstance",
		"{'instanceName':'web-1','iamUserArn':'arn:aws:iam::1:user/web-1'}", "{}");
	api_expect("AddTagsToOnPremisesInstances",
		"{'instanceNames':['web-1'],'tags':[{'Key':'env','Value':'prod'}]}", "{}");
	api_expect(CREATE_WITH("'onPremisesInstanceTagFilters':[" ENV "]"),
		"{'deploymentGroupId':'*'}");
	answer = api_run("CreateDeployment",
		"{'applicationName':'shop','deploymentGroupName':'prod','revision':"
		"{'revisionType':'S3','s3Location':{'bucket':'b','key':'k','bundleType':'zip'}}"
		"}",
		&status);
	ck_assert_int_eq(status, 200);
	strcpy(ret_id, json_string_value(json_object_get(answer, "deploymentId")));
}

/* A member of an object in an object of the answer, for the caller to release. */
static json_t *ask(
	const char *operation, const char *input, const char *outer, const char *inner)
{
	cleanup_with(json_decrefp) json_t *answer = NULL;
	int status;

	answer = api_run(operation, input, &status);
	ck_assert_msg(status == 200, "%s", operation);
	return json_incref(json_object_get(json_object_get(answer, outer), inner));
}

START_TEST(the_last_deployment_is_shown_with_its_group)
{
	cleanup_with(json_decrefp) json_t *last = NULL;
	cleanup_with(json_decrefp) json_t *good = NULL;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	char expected[200];

	start();
	deploy(id);
	api_restart();
	last = ask(GET, "deploymentGroupInfo", "lastAttemptedDeployment");
	(void)snprintf(expected, sizeof(expected),
		"{'deploymentId':'%s','status':'InProgress','createTime':1795190400.123}", id);
	api_compare("lastAttemptedDeployment", last, expected);
	good = ask(GET, "deploymentGroupInfo", "lastSuccessfulDeployment");
	ck_assert_ptr_null(good);
	api_stop();
}
END_TEST

START_TEST(deleting_stops_what_runs_and_says_why)
{
	static const struct {
		const char *operation;
		const char *input;
		const char *answer;
		const char *code;
	} cases[] = {
		{ "DeleteDeploymentGroup",
			"{'applicationName':'shop','deploymentGroupName':'prod'}",
			"{'hooksNotCleanedUp':[]}", "DEPLOYMENT_GROUP_MISSING" },
		{ "DeleteApplication", "{'applicationName':'shop'}", "{}",
			"APPLICATION_MISSING" },
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_with(json_decrefp) json_t *error = NULL;
		cleanup_with(json_decrefp) json_t *status = NULL;
		char id[DEPLOYMENT_ID_LENGTH + 1];
		char input[100];

		deploy(id);
		api_expect(cases[i].operation, cases[i].input, cases[i].answer);
		api_restart();
		(void)snprintf(input, sizeof(input), "{'deploymentId':'%s'}", id);
		error = ask("GetDeployment", input, "deploymentInfo", "errorInformation");
		ck_assert_str_eq(
			json_string_value(json_object_get(error, "code")), cases[i].code);
		status = ask("GetDeployment", input, "deploymentInfo", "status");
		ck_assert_str_eq(json_string_value(status), "Stopped");
		api_expect("DeregisterOnPremisesInstance", "{'instanceName':'web-1'}", "{}");
	}
	api_stop();
}
END_TEST

static void check_names(const char *id, const char *application_name, const char *group_name)
{
	cleanup_with(json_decrefp) json_t *application = NULL;
	cleanup_with(json_decrefp) json_t *group = NULL;
	char input[100];

	(void)snprintf(input, sizeof(input), "{'deploymentId':'%s'}", id);
	application = ask("GetDeployment", input, "deploymentInfo", "applicationName");
	ck_assert_str_eq(json_string_value(application), application_name);
	group = ask("GetDeployment", input, "deploymentInfo", "deploymentGroupName");
	ck_assert_str_eq(json_string_value(group), group_name);
}

START_TEST(deployments_are_shown_under_the_new_names)
{
	char id[DEPLOYMENT_ID_LENGTH + 1];
	char input[100];

	start();
	deploy(id);
	(void)snprintf(input, sizeof(input), "{'deploymentId':'%s'}", id);
	api_expect(UPDATE_WITH("'newDeploymentGroupName':'live'"), "{'hooksNotCleanedUp':[]}");
	api_expect("UpdateApplication",
		"{'applicationName':'shop','newApplicationName':'store'}", "{}");
	check_names(id, "store", "live");
	api_restart();
	check_names(id, "store", "live");
	/* The one that runs, and those of the past. */
	api_expect("StopDeployment", input, "{'status':'*','statusMessage':'*'}");
	api_expect("UpdateDeploymentGroup",
		"{'applicationName':'store','currentDeploymentGroupName':'live',"
		"'newDeploymentGroupName':'old'}",
		"{'hooksNotCleanedUp':[]}");
	check_names(id, "store", "old");
	api_stop();
}
END_TEST

TESTS("api_group", what_is_wrong_is_refused, an_update_keeps_what_it_does_not_name,
	what_is_not_done_is_said, all_that_was_set_is_shown_again,
	the_group_itself_follows_its_settings, the_last_deployment_is_shown_with_its_group,
	deleting_stops_what_runs_and_says_why, deployments_are_shown_under_the_new_names)
