/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

/* clang-format off */
static const struct api_line lines[] = {
	{ "ContinueDeployment", "{}", "DeploymentIdRequiredException", "" },
	{ "ContinueDeployment", "{'deploymentId':'x'}", "InvalidDeploymentIdException", "" },
	{ "ContinueDeployment", "{'deploymentId':'d-ABCDEF123','deploymentWaitType':'LONG'}", "InvalidDeploymentWaitTypeException", "READY_WAIT" },
	{ "ContinueDeployment", "{'deploymentId':'d-ABCDEF123'}", "DeploymentDoesNotExistException", "d-ABCDEF123" },
	{ "SkipWaitTimeForInstanceTermination", "{}", "DeploymentIdRequiredException", "" },
	{ "SkipWaitTimeForInstanceTermination", "{'deploymentId':'d-ABCDEF123'}", "DeploymentDoesNotExistException", "" },
	{ "PutLifecycleEventHookExecutionStatus", "{'status':'Failed'}", "DeploymentIdRequiredException", "" },
	{ "PutLifecycleEventHookExecutionStatus", "{'deploymentId':'d-ABCDEF123','status':'Pending'}", "InvalidLifecycleEventHookExecutionStatusException", "" },
	{ "PutLifecycleEventHookExecutionStatus", "{'deploymentId':'d-ABCDEF123','status':'Failed'}", "DeploymentDoesNotExistException", "" },
	{ "ListGitHubAccountTokenNames", "{}", NULL, "{'tokenNameList':[]}" },
	{ "ListGitHubAccountTokenNames", "{'nextToken':'x'}", "InvalidNextTokenException", "" },
	{ "DeleteGitHubAccountToken", "{}", "GitHubAccountTokenNameRequiredException", "" },
	{ "DeleteGitHubAccountToken", "{'tokenName':'x'}", "GitHubAccountTokenDoesNotExistException", "'x'" },
	{ "DeleteResourcesByExternalId", "{'externalId':'x'}", NULL, "{}" },
	{ "DeleteResourcesByExternalId", "{}", NULL, "{}" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations,
	instance_operations, deployment_operations, foreign_operations };

START_TEST(what_is_not_here_is_answered_as_where_there_is_none)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_stop();
}
END_TEST

START_TEST(a_deployment_in_place_has_no_waits)
{
	cleanup_with(json_decrefp) json_t *answer = NULL;
	char input[100];
	int status;

	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateApplication", "{'applicationName':'shop'}", "{'applicationId':'*'}");
	api_expect("RegisterOnPremisesInstance",
		"{'instanceName':'web-1','iamUserArn':'arn:aws:iam::1:user/web-1'}", "{}");
	api_expect("AddTagsToOnPremisesInstances",
		"{'instanceNames':['web-1'],'tags':[{'Key':'env'}]}", "{}");
	api_expect("CreateDeploymentGroup",
		"{'applicationName':'shop','deploymentGroupName':'prod',"
		"'serviceRoleArn':'arn:aws:iam::1:role/x',"
		"'onPremisesInstanceTagFilters':[{'Key':'env'}]}",
		"{'deploymentGroupId':'*'}");
	answer = api_run("CreateDeployment",
		"{'applicationName':'shop','deploymentGroupName':'prod','revision':"
		"{'revisionType':'S3','s3Location':{'bucket':'b','key':'k','bundleType':'zip'}}"
		"}",
		&status);
	(void)snprintf(input, sizeof(input), "{'deploymentId':'%s'}",
		json_string_value(json_object_get(answer, "deploymentId")));
	api_expect_error("ContinueDeployment", input,
		"UnsupportedActionForDeploymentTypeException", "IN_PLACE");
	api_expect_error("SkipWaitTimeForInstanceTermination", input,
		"UnsupportedActionForDeploymentTypeException", "IN_PLACE");
	api_expect_error("PutLifecycleEventHookExecutionStatus", input,
		"UnsupportedActionForDeploymentTypeException", "servers");
	api_expect("DeleteApplication", "{'applicationName':'shop'}", "{}");
	api_expect_error(
		"ContinueDeployment", input, "DeploymentAlreadyCompletedException", "Stopped");
	api_stop();
}
END_TEST

TESTS("api_foreign", what_is_not_here_is_answered_as_where_there_is_none,
	a_deployment_in_place_has_no_waits)
