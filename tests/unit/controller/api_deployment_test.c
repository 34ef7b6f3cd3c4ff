/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "unit.h"

/* clang-format off */
#define ROLE "'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'"
#define ZIP(n) "{'revisionType':'S3','s3Location':{'bucket':'releases','bundleType':'zip','key':'shop/" #n ".zip'}}"
#define SHOP "'applicationName':'shop','deploymentGroupName':'prod'"
#define CREATE(members) "CreateDeployment", "{" SHOP "," members "}"
#define CREATE_WITH(members) CREATE("'revision':" ZIP(42) "," members)

static const struct api_line refused[] = {
	{ "CreateDeployment", "{}", "ApplicationNameRequiredException", "" },
	{ "CreateDeployment", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "CreateDeployment", "{" SHOP "}", "RevisionRequiredException", "" },
	{ "CreateDeployment", "{'applicationName':'a b','deploymentGroupName':'prod','revision':" ZIP(1) "}", "InvalidApplicationNameException", "" },
	{ "CreateDeployment", "{'applicationName':'shop','deploymentGroupName':'a b','revision':" ZIP(1) "}", "InvalidDeploymentGroupNameException", "" },
	{ "CreateDeployment", "{'applicationName':'none','deploymentGroupName':'prod','revision':" ZIP(1) "}", "ApplicationDoesNotExistException", "No application found for name: none" },
	{ "CreateDeployment", "{'applicationName':'shop','deploymentGroupName':'none','revision':" ZIP(1) "}", "DeploymentGroupDoesNotExistException", "No Deployment Group found for name: none" },
	{ CREATE("'revision':{}"), "InvalidRevisionException", "" },
	{ CREATE("'revision':7"), "SerializationException", "" },
	{ CREATE_WITH("'deploymentConfigName':'a b'"), "InvalidDeploymentConfigNameException", "" },
	{ CREATE_WITH("'deploymentConfigName':'none'"), "DeploymentConfigDoesNotExistException", "none" },
	{ CREATE_WITH("'targetInstances':{}"), "InvalidTargetInstancesException", "in place" },
	{ CREATE_WITH("'fileExistsBehavior':'KEEP'"), "InvalidFileExistsBehaviorException", "" },
	{ CREATE_WITH("'updateOutdatedInstancesOnly':'true'"), "SerializationException", "" },
	{ CREATE_WITH("'ignoreApplicationStopFailures':1"), "SerializationException", "" },
	{ CREATE_WITH("'autoRollbackConfiguration':{'enabled':true}"), "InvalidAutoRollbackConfigException", "" },
	{ CREATE_WITH("'autoRollbackConfiguration':{'enabled':true,'events':['X']}"), "InvalidAutoRollbackConfigException", "'X'" },
	{ CREATE_WITH("'overrideAlarmConfiguration':{'enabled':true,'alarms':[]}"), "InvalidAlarmConfigException", "" },
	{ CREATE_WITH("'overrideAlarmConfiguration':{'alarms':[{'name':'a'},{'name':'a'}]}"), "InvalidAlarmConfigException", "twice" },
	{ CREATE_WITH("'deploymentMode':'X'"), "InvalidInputException", "" },
	{ CREATE("'deploymentMode':'RESTART'"), "RevisionDoesNotExistException", "no revision to restart" },
	{ "GetDeployment", "{}", "DeploymentIdRequiredException", "" },
	{ "GetDeployment", "{'deploymentId':'d-1'}", "InvalidDeploymentIdException", "" },
	{ "GetDeployment", "{'deploymentId':'d-000000000'}", "DeploymentDoesNotExistException", "d-000000000" },
	{ "StopDeployment", "{}", "DeploymentIdRequiredException", "" },
	{ "StopDeployment", "{'deploymentId':'d-000000000'}", "DeploymentDoesNotExistException", "" },
	{ "StopDeployment", "{'deploymentId':'d-000000000','autoRollbackEnabled':'yes'}", "SerializationException", "" },
	{ "BatchGetDeployments", "{}", "DeploymentIdRequiredException", "" },
	{ "BatchGetDeployments", "{'deploymentIds':['x']}", "InvalidDeploymentIdException", "" },
	{ "BatchGetDeployments", "{'deploymentIds':['d-000000000']}", NULL, "{'deploymentsInfo':[]}" },
	{ "PauseDeployment", "{}", "DeploymentIdRequiredException", "" },
	{ "ResumeDeployment", "{'deploymentId':'d-000000000'}", "DeploymentDoesNotExistException", "" },
	{ "ListDeployments", "{'applicationName':'shop'}", "DeploymentGroupNameRequiredException", "" },
	{ "ListDeployments", "{'deploymentGroupName':'prod'}", "ApplicationNameRequiredException", "" },
	{ "ListDeployments", "{'applicationName':'none','deploymentGroupName':'prod'}", "ApplicationDoesNotExistException", "" },
	{ "ListDeployments", "{'includeOnlyStatuses':['Running']}", "InvalidDeploymentStatusException", "Running" },
	{ "ListDeployments", "{'createTimeRange':{'start':2,'end':1}}", "InvalidTimeRangeException", "" },
	{ "ListDeployments", "{'createTimeRange':{'start':'now'}}", "SerializationException", "" },
	{ "ListDeployments", "{'createTimeRange':{'start':-1}}", "InvalidTimeRangeException", "" },
	{ "ListDeployments", "{'externalId':'x'}", "InvalidExternalIdException", "" },
	{ "ListDeployments", "{'nextToken':'x'}", "InvalidNextTokenException", "" },
	{ "ListDeployments", "{}", NULL, "{'deployments':[]}" },
	{ "ListDeploymentTargets", "{}", "DeploymentIdRequiredException", "" },
	{ "ListDeploymentTargets", "{'deploymentId':'d-000000000'}", "DeploymentDoesNotExistException", "" },
	{ "ListDeploymentTargets", "{'deploymentId':'d-000000000','targetFilters':{'X':['a']}}", "InvalidTargetFilterNameException", "'X'" },
	{ "ListDeploymentTargets", "{'deploymentId':'d-000000000','targetFilters':{'TargetStatus':['Done']}}", "InvalidInstanceStatusException", "'Done'" },
	{ "ListDeploymentTargets", "{'deploymentId':'d-000000000','targetFilters':{'ServerInstanceLabel':['Blue']}}", "InvalidDeploymentInstanceTypeException", "" },
	{ "ListDeploymentInstances", "{'deploymentId':'d-000000000','instanceTypeFilter':['Red']}", "InvalidInstanceTypeException", "" },
	{ "ListDeploymentInstances", "{'deploymentId':'d-000000000','instanceStatusFilter':['Done']}", "InvalidInstanceStatusException", "" },
	{ "GetDeploymentTarget", "{'deploymentId':'d-000000000'}", "DeploymentTargetIdRequiredException", "" },
	{ "GetDeploymentTarget", "{'deploymentId':'d-000000000','targetId':'a b'}", "InvalidDeploymentTargetIdException", "" },
	{ "BatchGetDeploymentTargets", "{'deploymentId':'d-000000000','targetIds':[]}", "DeploymentTargetIdRequiredException", "" },
	{ "GetDeploymentInstance", "{'deploymentId':'d-000000000'}", "InstanceIdRequiredException", "" },
	{ "GetDeploymentInstance", "{'deploymentId':'d-000000000','instanceId':'web-1'}", "DeploymentDoesNotExistException", "" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations,
	instance_operations, deployment_operations, target_operations,
	drover_deployment_operations };

/* web-1, web-2, ... with role=web, and the group "prod" over them. */
static void start(unsigned n_hosts, const char *more)
{
	cleanup_with(freep) char *group = NULL;
	int status;

	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateApplication", "{'applicationName':'shop'}", "{'applicationId':'*'}");
	group = xasprintf("{'applicationName':'shop','deploymentGroupName':'prod'," ROLE ","
			  "'onPremisesInstanceTagFilters':[{'Key':'role','Value':'web','Type':"
			  "'KEY_AND_VALUE'}]%s}",
		more);
	/* Its answer may say what is not done yet. */
	json_decref(api_run("CreateDeploymentGroup", group, &status));
	ck_assert_int_eq(status, 200);
	for (unsigned i = 1; i <= n_hosts; i++) {
		cleanup_with(freep) char *host = xasprintf(
			"{'instanceName':'web-%u','iamUserArn':"
			"'arn:aws:iam::000000000000:user/drover/web-%u'}",
			i, i);
		cleanup_with(freep) char *tags = xasprintf("{'instanceNames':['web-%u'],"
							   "'tags':[{'Key':'role','Value':"
							   "'web'}]}",
			i);

		api_expect("RegisterOnPremisesInstance", host, "{}");
		api_expect("AddTagsToOnPremisesInstances", tags, "{}");
	}
}

static char id[DEPLOYMENT_ID_LENGTH + 1];

static void deploy(const char *members)
{
	cleanup_with(freep) char *input = xasprintf(
		"{'applicationName':'shop','deploymentGroupName':'prod',%s}", members);
	cleanup_with(json_decrefp) json_t *output = NULL;
	const char *made;
	int status;

	output = api_run("CreateDeployment", input, &status);
	made = json_string_value(json_object_get(output, "deploymentId"));
	ck_assert_ptr_nonnull(made);
	ck_assert_uint_eq(strlen(made), DEPLOYMENT_ID_LENGTH);
	memcpy(id, made, sizeof(id));
}

/* The operation on the deployment made last, with more members. */
static void expect(const char *operation, const char *more, const char *answer)
{
	cleanup_with(freep) char *input = xasprintf("{'deploymentId':'%s'%s}", id, more);
	cleanup_with(freep) char *expected = NULL;
	const char *mark = strchr(answer, '%');

	/* One % stands for the id. */
	expected = mark ? xasprintf("%.*s%s%s", (int)(mark - answer), answer, id, mark + 1)
			: xstrdup(answer);
	api_expect(operation, input, expected);
}

/* Each host that has an event runs it: Failed if it is `failing`. */
static void run_hosts(unsigned n_hosts, int failing)
{
	bool any = true;
	char name[16];

	while (any) {
		any = false;
		for (unsigned i = 1; i <= n_hosts; i++) {
			struct deployment_target *target;
			struct event_record record = { .message = "Succeeded" };

			(void)snprintf(name, sizeof(name), "web-%u", i);
			target = deployments_command_for(
				api_parts.deployments, fleet_find_host(api_parts.fleet, name));
			if (!target)
				continue;
			any = true;
			record.event = deployment_target_event(target);
			record.status = (int)record.event == failing ? EVENT_STATUS_FAILED
								     : EVENT_STATUS_SUCCEEDED;
			if (record.status == EVENT_STATUS_FAILED) {
				record.error_code = 4;
				record.script_name = "scripts/start.sh";
				record.message = "exit status 1";
				record.log_tail = "no such unit";
			}
			api_now_ms += 100;
			deployments_event_started(api_parts.deployments, target, api_now_ms);
			api_now_ms += 100;
			deployments_event_ended(
				api_parts.deployments, target, &record, api_now_ms);
		}
	}
}

START_TEST(wrong_calls_are_refused_with_the_names_that_clients_know)
{
	start(0, "");
	api_expect_lines(refused, ARRAY_SIZE(refused));
	api_stop();
}
END_TEST

/* clang-format off */
#define INFO(status, overview, times, more)                                                    \
	"{'deploymentInfo':{'applicationName':'shop','deploymentGroupName':'prod',"           \
	"'deploymentConfigName':'CodeDeployDefault.OneAtATime','deploymentId':'%',"            \
	"'revision':" ZIP(42) ",'status':'" status "','createTime':1795190400.123" times ","  \
	"'deploymentOverview':{" overview ",'Ready':0},'creator':'user',"                      \
	"'ignoreApplicationStopFailures':false,'updateOutdatedInstancesOnly':false,"           \
	"'instanceTerminationWaitTimeStarted':false,'fileExistsBehavior':'DISALLOW',"          \
	"'autoRollbackConfiguration':{'enabled':false,'events':[]},"                           \
	"'deploymentStyle':{'deploymentType':'IN_PLACE',"                                      \
	"'deploymentOption':'WITHOUT_TRAFFIC_CONTROL'},'rollbackInfo':{},"                     \
	"'deploymentStatusMessages':[],'computePlatform':'Server'" more "}}"
#define EVENT(name, status) "{'lifecycleEventName':'" name "','status':'" status "'}"
#define RAN(name, status, diagnostics)                                                         \
	"{'lifecycleEventName':'" name "','status':'" status "','startTime':'*','endTime':'*'," \
	"'diagnostics':{" diagnostics "}}"
#define GOOD "'errorCode':'Success','scriptName':'','message':'Succeeded','logTail':''"
#define BAD "'errorCode':'ScriptFailed','scriptName':'scripts/start.sh','message':'exit status 1','logTail':'no such unit'"
#define FAILED_EVENTS                                                                          \
	"'lifecycleEvents':[" RAN("ApplicationStop", "Succeeded", GOOD) ","                    \
	RAN("DownloadBundle", "Succeeded", GOOD) "," RAN("BeforeInstall", "Failed", BAD) ","   \
	EVENT("Install", "Skipped") "," EVENT("AfterInstall", "Skipped") ","                   \
	EVENT("ApplicationStart", "Skipped") "," EVENT("ValidateService", "Skipped") "]"
/* clang-format on */

START_TEST(a_deployment_is_shown_whole_from_the_first_answer_to_the_last)
{
	start(1, "");
	deploy("'revision':" ZIP(42));
	expect("GetDeployment", "",
		INFO("InProgress",
			"'Pending':0,'InProgress':1,'Succeeded':0,'Failed':0,'Skipped':0",
			",'startTime':1795190400.123", ""));
	run_hosts(1, -1);
	expect("GetDeployment", "",
		INFO("Succeeded",
			"'Pending':0,'InProgress':0,'Succeeded':1,'Failed':0,'Skipped':0",
			",'startTime':1795190400.123,'completeTime':1795190401.523", ""));
	api_stop();
}
END_TEST

START_TEST(a_failed_host_shows_its_diagnostics)
{
	start(1, "");
	deploy("'revision':" ZIP(42));
	run_hosts(1, TARGET_BEFORE_INSTALL);
	expect("GetDeployment", "",
		INFO("Failed",
			"'Pending':0,'InProgress':0,'Succeeded':0,'Failed':1,'Skipped':0",
			",'startTime':'*','completeTime':'*'",
			",'errorInformation':{'code':'HEALTH_CONSTRAINTS','message':'*'}"));
	expect("GetDeploymentTarget", ",'targetId':'web-1'",
		"{'deploymentTarget':{'deploymentTargetType':'InstanceTarget','instanceTarget':"
		"{"
		"'deploymentId':'%','targetId':'web-1','targetArn':"
		"'arn:aws:codedeploy:eu-x-1:000000000000:instance/web-1','status':'Failed',"
		"'lastUpdatedAt':1795190400.723," FAILED_EVENTS "}}}");
	expect("GetDeploymentInstance", ",'instanceId':'web-1'",
		"{'instanceSummary':{'deploymentId':'%','instanceId':'web-1','status':'Failed',"
		"'lastUpdatedAt':1795190400.723," FAILED_EVENTS "}}");
	api_restart();
	expect("BatchGetDeploymentTargets", ",'targetIds':['web-1']",
		"{'deploymentTargets':[{'deploymentTargetType':'InstanceTarget',"
		"'instanceTarget':'*'}]}");
	expect("BatchGetDeploymentInstances", ",'instanceIds':['web-9','web-1','web-8']",
		"{'instancesSummary':['*'],'errorMessage':'Not of this deployment: web-9, "
		"web-8'}");
	api_stop();
}
END_TEST

START_TEST(a_busy_group_names_who_deploys_what_since_when)
{
	cleanup_with(freep) char *words = NULL;

	start(1, "");
	deploy("'revision':" ZIP(42));
	words = xasprintf("The Deployment Group 'prod' already has an active Deployment '%s' "
			  "(root deploys s3://releases/shop/42.zip since 2026-11-20T16:00:00Z)",
		id);
	api_expect_error(
		CREATE_WITH("'description':'x'"), "DeploymentLimitExceededException", words);
	api_stop();
}
END_TEST

START_TEST(a_stop_is_answered_by_what_still_runs)
{
	struct deployment_target *target;

	start(1, "");
	deploy("'revision':" ZIP(42));
	target = deployments_command_for(
		api_parts.deployments, fleet_find_host(api_parts.fleet, "web-1"));
	deployments_event_started(api_parts.deployments, target, api_now_ms);
	expect("StopDeployment", "", "{'status':'Pending','statusMessage':'*'}");
	expect("StopDeployment", "", "{'status':'Pending','statusMessage':'*'}");
	target = fleet_find_host(api_parts.fleet, "web-1")->open;
	deployments_event_ended(api_parts.deployments, target,
		&(struct event_record){
			.event = TARGET_APPLICATION_STOP, .status = EVENT_STATUS_SUCCEEDED },
		api_now_ms);
	expect("StopDeployment", "", "{'status':'Succeeded','statusMessage':'*'}");
	deploy("'revision':" ZIP(42));
	expect("StopDeployment", "", "{'status':'Succeeded','statusMessage':'*'}");
	expect("ListDeploymentTargets", ",'targetFilters':{'TargetStatus':['Skipped']}",
		"{'targetIds':['web-1']}");
	deploy("'revision':" ZIP(42));
	run_hosts(1, -1);
	{
		cleanup_with(freep) char *input = xasprintf("{'deploymentId':'%s'}", id);

		api_expect_error("StopDeployment", input, "DeploymentAlreadyCompletedException",
			"Succeeded");
	}
	api_stop();
}
END_TEST

START_TEST(a_paused_deployment_begins_no_other_host_until_it_is_resumed)
{
	cleanup_with(freep) char *input = NULL;

	start(2, "");
	deploy("'revision':" ZIP(42));
	expect("PauseDeployment", "", "{}");
	expect("PauseDeployment", "", "{}");
	run_hosts(2, -1);
	expect("ListDeploymentTargets", ",'targetFilters':{'TargetStatus':['Pending']}",
		"{'targetIds':['*']}");
	api_restart();
	run_hosts(2, -1);
	expect("ListDeploymentTargets", ",'targetFilters':{'TargetStatus':['Pending']}",
		"{'targetIds':['*']}");
	expect("ResumeDeployment", "", "{}");
	expect("ResumeDeployment", "", "{}");
	run_hosts(2, -1);
	input = xasprintf("{'deploymentId':'%s'}", id);
	api_expect_error(
		"PauseDeployment", input, "DeploymentAlreadyCompletedException", "Succeeded");
	api_stop();
}
END_TEST

START_TEST(options_are_shown_and_the_deployments_own_rollback_replaces_the_groups)
{
	start(0,
		",'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']},"
		"'alarmConfiguration':{'enabled':true,'alarms':[{'name':'cpu'}]}");
	deploy("'revision':" ZIP(
		42) ",'autoRollbackConfiguration':{'enabled':false},"
		    "'overrideAlarmConfiguration':{'enabled':true,'alarms':[{'name':'disk'}]},"
		    "'description':'release \\u00fc','fileExistsBehavior':'RETAIN',"
		    "'ignoreApplicationStopFailures':true,"
		    "'deploymentConfigName':'CodeDeployDefault.AllAtOnce'");
	expect("GetDeployment", "",
		"{'deploymentInfo':{'applicationName':'shop','deploymentGroupName':'prod',"
		"'deploymentConfigName':'CodeDeployDefault.AllAtOnce','deploymentId':'%',"
		"'revision':'*','status':'Failed','errorInformation':{'code':'NO_INSTANCES',"
		"'message':'*'},'createTime':'*','completeTime':'*','deploymentOverview':'*',"
		"'description':'release \\u00fc','creator':'user',"
		"'ignoreApplicationStopFailures':true,'updateOutdatedInstancesOnly':false,"
		"'instanceTerminationWaitTimeStarted':false,'fileExistsBehavior':'RETAIN',"
		"'autoRollbackConfiguration':{'enabled':false,'events':[]},"
		"'overrideAlarmConfiguration':{'enabled':true,'alarms':[{'name':'disk'}]},"
		"'deploymentStyle':'*','rollbackInfo':{},'deploymentStatusMessages':['*','*'],"
		"'computePlatform':'Server'}}");
	deploy("'revision':" ZIP(42));
	expect("GetDeployment", "",
		"{'deploymentInfo':{'applicationName':'shop','deploymentGroupName':'prod',"
		"'deploymentConfigName':'CodeDeployDefault.OneAtATime','deploymentId':'%',"
		"'revision':'*','status':'Failed','errorInformation':'*','createTime':'*',"
		"'completeTime':'*','deploymentOverview':'*','creator':'user',"
		"'ignoreApplicationStopFailures':false,'updateOutdatedInstancesOnly':false,"
		"'instanceTerminationWaitTimeStarted':false,'fileExistsBehavior':'DISALLOW',"
		"'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']},"
		"'deploymentStyle':'*','rollbackInfo':{},'deploymentStatusMessages':['*'],"
		"'computePlatform':'Server'}}");
	api_stop();
}
END_TEST

static const char *rollback_of(const char *deployment_id, json_t **ret_info)
{
	cleanup_with(freep) char *input = xasprintf("{'deploymentId':'%s'}", deployment_id);
	int status;

	*ret_info = api_run("GetDeployment", input, &status);
	return json_string_value(json_object_get(
		json_object_get(json_object_get(*ret_info, "deploymentInfo"), "rollbackInfo"),
		"rollbackDeploymentId"));
}

START_TEST(a_failure_and_its_rollback_name_each_other)
{
	cleanup_with(json_decrefp) json_t *failed = NULL;
	cleanup_with(freep) char *info = NULL;
	const char *back;

	start(2, ",'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']"
		 "}");
	deploy("'revision':" ZIP(41));
	run_hosts(2, -1);
	deploy("'revision':" ZIP(42));
	/* In the rollback BeforeInstall fails as well. */
	run_hosts(2, TARGET_BEFORE_INSTALL);
	back = rollback_of(id, &failed);
	ck_assert_ptr_nonnull(back);
	info = xasprintf("{'rollbackTriggeringDeploymentId':'%s','rollbackMessage':'Deployment "
			 "%s is triggered to roll back deployment %s.'}",
		id, back, id);
	memcpy(id, back, sizeof(id));
	{
		cleanup_with(json_decrefp) json_t *output = NULL;
		const json_t *shown;
		int status;
		cleanup_with(freep) char *input = xasprintf("{'deploymentId':'%s'}", id);

		output = api_run("GetDeployment", input, &status);
		shown = json_object_get(output, "deploymentInfo");
		api_compare("rollbackInfo", json_object_get(shown, "rollbackInfo"), info);
		api_compare(
			"creator", json_object_get(shown, "creator"), "'codeDeployRollback'");
		api_compare("revision", json_object_get(shown, "revision"), ZIP(41));
		api_compare("status", json_object_get(shown, "status"), "'Failed'");
	}
	api_stop();
}
END_TEST

START_TEST(a_restart_deploys_the_last_success_again)
{
	start(1, "");
	deploy("'revision':" ZIP(41));
	run_hosts(1, -1);
	api_expect_error(CREATE("'deploymentMode':'RESTART','revision':" ZIP(42)),
		"InvalidRevisionException", "give no revision");
	deploy("'deploymentMode':'RESTART'");
	expect("GetDeployment", "",
		"{'deploymentInfo':{'applicationName':'shop','deploymentGroupName':'prod',"
		"'deploymentConfigName':'*','deploymentId':'%','revision':" ZIP(
			41) ",'previousRevision':" ZIP(41) ",'status':'InProgress','createTime'"
							   ":'*','startTime':'*',"
							   "'deploymentOverview':'*','creator':"
							   "'user','deploymentMode':'RESTART',"
							   "'ignoreApplicationStopFailures':"
							   "false,'updateOutdatedInstancesOnly'"
							   ":false,"
							   "'instanceTerminationWaitTimeStarted"
							   "':false,'fileExistsBehavior':'"
							   "DISALLOW',"
							   "'autoRollbackConfiguration':'*','"
							   "deploymentStyle':'*','rollbackInfo'"
							   ":{},"
							   "'deploymentStatusMessages':['*'],'"
							   "computePlatform':'Server'}}");
	api_stop();
}
END_TEST

START_TEST(lists_are_filtered_and_come_in_pages)
{
	cleanup_with(json_decrefp) json_t *page = NULL;
	cleanup_with(json_decrefp) json_t *rest = NULL;
	cleanup_with(freep) char *first = NULL;
	cleanup_with(freep) char *input = NULL;
	int status;

	start(101, "");
	deploy("'revision':" ZIP(41) ",'deploymentConfigName':'CodeDeployDefault.AllAtOnce'");
	first = xasprintf("{'deployments':['%s']}", id);
	api_expect("ListDeployments", "{'includeOnlyStatuses':['InProgress','InProgress']}",
		first);
	api_expect("ListDeployments", "{'includeOnlyStatuses':['Succeeded']}",
		"{'deployments':[]}");
	api_expect("ListDeployments",
		"{" SHOP ",'createTimeRange':{'start':1795190400,"
		"'end':null}}",
		first);
	api_expect("ListDeployments", "{'createTimeRange':{'start':null,'end':1795190400}}",
		"{'deployments':[]}");
	expect("ListDeploymentTargets", ",'targetFilters':{'TargetStatus':['Unknown','Ready']}",
		"{'targetIds':[]}");
	expect("ListDeploymentInstances", ",'instanceStatusFilter':['Pending']",
		"{'instancesList':[]}");
	input = xasprintf("{'deploymentId':'%s'}", id);
	page = api_run("ListDeploymentTargets", input, &status);
	ck_assert_uint_eq(json_array_size(json_object_get(page, "targetIds")), 100);
	ck_assert_ptr_nonnull(json_object_get(page, "nextToken"));
	free(input);
	input = xasprintf("{'deploymentId':'%s','nextToken':'%s'}", id,
		json_string_value(json_object_get(page, "nextToken")));
	rest = api_run("ListDeploymentTargets", input, &status);
	api_compare("the last page", rest, "{'targetIds':['web-99']}");
	api_stop();
}
END_TEST

TESTS("api_deployment", wrong_calls_are_refused_with_the_names_that_clients_know,
	a_deployment_is_shown_whole_from_the_first_answer_to_the_last,
	a_failed_host_shows_its_diagnostics, a_busy_group_names_who_deploys_what_since_when,
	a_stop_is_answered_by_what_still_runs,
	a_paused_deployment_begins_no_other_host_until_it_is_resumed,
	options_are_shown_and_the_deployments_own_rollback_replaces_the_groups,
	a_failure_and_its_rollback_name_each_other, a_restart_deploys_the_last_success_again,
	lists_are_filtered_and_come_in_pages)
