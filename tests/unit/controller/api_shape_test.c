/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "unit.h"

/*
 * Every value of a good input is replaced by every kind of value that does not belong there.
 * Whatever comes of it, the call ends once, with 200 or with an exception that clients know.
 */
/* clang-format off */
#define ROLE "'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'"
#define FILTER "{'Key':'env','Value':'prod','Type':'KEY_AND_VALUE'}"
#define REVISION "{'revisionType':'S3','s3Location':{'bucket':'b','key':'k','bundleType':'zip','version':'v','eTag':'e'}}"
#define COMMIT "{'revisionType':'GitHub','gitHubLocation':{'repository':'o/n','commitId':'0123456789abcdef0123456789abcdef01234567'}}"
#define SETTINGS "'autoScalingGroups':['asg']," \
	"'triggerConfigurations':[{'triggerName':'t','triggerTargetArn':'arn:aws:sns:r:1:t','triggerEvents':['DeploymentFailure']}]," \
	"'alarmConfiguration':{'enabled':true,'ignorePollAlarmFailure':true,'alarms':[{'name':'a'}]}," \
	"'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']},'outdatedInstancesStrategy':'IGNORE'," \
	"'deploymentStyle':{'deploymentType':'IN_PLACE','deploymentOption':'WITH_TRAFFIC_CONTROL'}," \
	"'loadBalancerInfo':{'elbInfoList':[{'name':'lb'}],'targetGroupInfoList':[{'name':'tg'}],'targetGroupPairInfoList':[]}," \
	"'blueGreenDeploymentConfiguration':{},'ecsServices':[],'terminationHookEnabled':true"

static const struct {
	const char *operation;
	const char *input;
} inputs[] = {
	{ "CreateApplication", "{'applicationName':'shop','computePlatform':'Server','tags':[{'Key':'a','Value':'b'}]}" },
	{ "GetApplication", "{'applicationName':'shop'}" },
	{ "BatchGetApplications", "{'applicationNames':['shop']}" },
	{ "ListApplications", "{'nextToken':'00'}" },
	{ "CreateDeploymentConfig", "{'deploymentConfigName':'c','computePlatform':'Server','minimumHealthyHosts':{'type':'HOST_COUNT','value':1},'zonalConfig':{},'trafficRoutingConfig':{}}" },
	{ "GetDeploymentConfig", "{'deploymentConfigName':'c'}" },
	{ "ListDeploymentConfigs", "{'nextToken':'00'}" },
	{ "CreateDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod','deploymentConfigName':'CodeDeployDefault.AllAtOnce'," ROLE "," SETTINGS
		",'ec2TagFilters':[" FILTER "],'onPremisesTagSet':{'onPremisesTagSetList':[[" FILTER "],[" FILTER "]]},'tags':[{'Key':'a','Value':'b'}]}" },
	{ "GetDeploymentGroup", "{'applicationName':'shop','deploymentGroupName':'prod'}" },
	{ "BatchGetDeploymentGroups", "{'applicationName':'shop','deploymentGroupNames':['prod']}" },
	{ "ListDeploymentGroups", "{'applicationName':'shop','nextToken':'00'}" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-1','iamUserArn':'arn:aws:iam::1:user/web-1'}" },
	{ "RegisterOnPremisesInstance", "{'instanceName':'web-2','iamSessionArn':'arn:aws:sts::1:assumed-role/r/web-2'}" },
	{ "GetOnPremisesInstance", "{'instanceName':'web-1'}" },
	{ "BatchGetOnPremisesInstances", "{'instanceNames':['web-1']}" },
	{ "ListOnPremisesInstances", "{'registrationStatus':'Registered','tagFilters':[" FILTER "],'nextToken':'00'}" },
	{ "AddTagsToOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':'a','Value':'b'}]}" },
	{ "RemoveTagsFromOnPremisesInstances", "{'instanceNames':['web-1'],'tags':[{'Key':'a','Value':'b'}]}" },
	{ "RegisterApplicationRevision", "{'applicationName':'shop','description':'d','revision':" REVISION "}" },
	{ "RegisterApplicationRevision", "{'applicationName':'shop','revision':" COMMIT "}" },
	{ "GetApplicationRevision", "{'applicationName':'shop','revision':" REVISION "}" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[" REVISION "," COMMIT "]}" },
	{ "ListApplicationRevisions", "{'applicationName':'shop','sortBy':'registerTime','sortOrder':'descending','s3Bucket':'b','s3KeyPrefix':'k','deployed':'ignore','nextToken':'00'}" },
	{ "TagResource", "{'ResourceArn':'arn:aws:codedeploy:r:1:application:shop','Tags':[{'Key':'a','Value':'b'}]}" },
	{ "UntagResource", "{'ResourceArn':'arn:aws:codedeploy:r:1:deploymentgroup:shop/prod','TagKeys':['a']}" },
	{ "ListTagsForResource", "{'ResourceArn':'arn:aws:codedeploy:r:1:deploymentconfig:c','NextToken':'00'}" },
	{ "CreateDeployment", "{'applicationName':'shop','deploymentGroupName':'prod','deploymentConfigName':'c','description':'d','revision':" REVISION
		",'ignoreApplicationStopFailures':true,'updateOutdatedInstancesOnly':true,'fileExistsBehavior':'RETAIN','targetInstances':{'tagFilters':[" FILTER "]},"
		"'autoRollbackConfiguration':{'enabled':true,'events':['DEPLOYMENT_FAILURE']},'overrideAlarmConfiguration':{'enabled':false,'alarms':[{'name':'a'}]}}" },
	{ "GetDeployment", "{'deploymentId':'d-ABCDEF123'}" },
	{ "StopDeployment", "{'deploymentId':'d-ABCDEF123','autoRollbackEnabled':true}" },
	{ "ListDeployments", "{'applicationName':'shop','deploymentGroupName':'prod','includeOnlyStatuses':['Failed'],'createTimeRange':{'start':1,'end':2},'nextToken':'00'}" },
	{ "ListDeploymentTargets", "{'deploymentId':'d-ABCDEF123','targetFilters':{'TargetStatus':['Failed']},'nextToken':'00'}" },
	{ "GetDeploymentTarget", "{'deploymentId':'d-ABCDEF123','targetId':'web-1'}" },
	{ "BatchGetDeploymentTargets", "{'deploymentId':'d-ABCDEF123','targetIds':['web-1']}" },
	{ "ContinueDeployment", "{'deploymentId':'d-ABCDEF123','deploymentWaitType':'READY_WAIT'}" },
	{ "SkipWaitTimeForInstanceTermination", "{'deploymentId':'d-ABCDEF123'}" },
	{ "PutLifecycleEventHookExecutionStatus", "{'deploymentId':'d-ABCDEF123','lifecycleEventHookExecutionId':'x','status':'Failed'}" },
	{ "ListGitHubAccountTokenNames", "{'nextToken':''}" },
	{ "DeleteGitHubAccountToken", "{'tokenName':'x'}" },
	{ "DeleteResourcesByExternalId", "{'externalId':'x'}" },
	/* Last, since they rename what the others name. */
	{ "UpdateDeploymentGroup", "{'applicationName':'shop','currentDeploymentGroupName':'prod','deploymentConfigName':'c'," ROLE "," SETTINGS
		",'ec2TagSet':{'ec2TagSetList':[[" FILTER "]]},'onPremisesInstanceTagFilters':[" FILTER "],'newDeploymentGroupName':'prod'}" },
	{ "UpdateApplication", "{'applicationName':'shop','newApplicationName':'shop'}" },
};

static const char *const wrong[] = { "null", "true", "7", "-9223372036854775808", "1e300", "''", "'x'", "'*'", "'%s%n'", "'\xf4\x8f\xbf\xbf'", "'\\u0001'", "[]", "{}",
	"[null]", "[7]", "['']", "[[]]", "[{}]", "[[[[]]]]", "[[{}]]", "{'Key':{}}", "{'':null}", "{'enabled':true}", "{'name':[]}" };
/* clang-format on */

static const struct operation *const tables[] = { application_operations, config_operations,
	group_operations, instance_operations, revision_operations, tag_operations,
	deployment_operations, target_operations, foreign_operations };

static json_t *long_text;

static void run(const char *operation, const json_t *input)
{
	cleanup_with(freep) char *text = json_dumps(input, JSON_COMPACT);
	cleanup_with(json_decrefp) json_t *answer = NULL;
	const char *type;
	int status;

	answer = api_run_json(operation, input, &status);
	type = json_string_value(json_object_get(answer, "__type"));
	ck_assert_msg(status == 200 || status == 400, "%s %.500s: %d %s", operation, text,
		status, type);
	ck_assert_msg((status == 200) == !type, "%s %.500s: %d", operation, text, status);
	if (type) {
		const char *message = json_string_value(json_object_get(answer, "message"));

		ck_assert_msg(message && *message, "%s %.500s: no message", operation, text);
		ck_assert_msg(
			strlen(type) > 9 && strcmp(type + strlen(type) - 9, "Exception") == 0,
			"%s: %s", operation, type);
	}
}

/* Where a value stands. */
struct place {
	json_t *parent;
	const char *name; /* NULL: an element of a list */
	size_t i;
};

static void put(const struct place *place, json_t *value)
{
	if (place->name)
		(void)json_object_set(place->parent, place->name, value);
	else
		(void)json_array_set(place->parent, place->i, value);
}

/* Puts each wrong value in the place of `value`, and of all within it. */
static size_t spoil(
	const char *operation, json_t *input, json_t *value, const struct place *place)
{
	const char *name;
	json_t *item;
	size_t n = 0;
	size_t i;

	if (place) {
		(void)json_incref(value);
		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			cleanup_with(json_decrefp) json_t *bad = api_parse(wrong[i]);

			put(place, bad);
			run(operation, input);
		}
		put(place, long_text);
		run(operation, input);
		put(place, value);
		json_decref(value);
		n += i + 1;
	}
	json_array_foreach(value, i, item)
		n += spoil(operation, input, item, &(struct place){ value, NULL, i });
	json_object_foreach(value, name, item)
		n += spoil(operation, input, item, &(struct place){ value, name, 0 });
	return n;
}

START_TEST(no_shape_of_an_input_is_too_much)
{
	cleanup_with(freep) char *text = xcalloc(100000, 1);
	size_t n = 0;

	memset(text, 'x', 99999);
	long_text = json_string(text);
	api_start(tables, ARRAY_SIZE(tables));
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		cleanup_with(json_decrefp) json_t *input = api_parse(inputs[i].input);

		run(inputs[i].operation, input);
		n += spoil(inputs[i].operation, input, input, NULL);
	}
	ck_assert_uint_gt(n, 4000);
	/* What was taken of it can be loaded again. */
	api_restart();
	api_stop();
	json_decref(long_text);
}
END_TEST

TESTS("api_shape", no_shape_of_an_input_is_too_much)
