/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/store.h"

/*
 * Operations on what is not here: waits of blue/green deployments, hooks of AWS Lambda,
 * accounts of GitHub, stacks of CloudFormation. They answer as AWS does where there is none of
 * it.
 */

/* Its record, or false after the call was failed. */
static bool find_deployment(struct call *call, const char *id, struct deployment_record *ret)
{
	struct error err = ERROR_NONE;
	int r = store_find_deployment(call_store(call), id, ret, &err);

	if (r < 0)
		check_internal(call, &err);
	else if (r == 0)
		call_fail(call, "DeploymentDoesNotExistException",
			"The deployment %s could not be found", id);
	return r > 0;
}

/* All deployments are in place: none has a wait that could be ended. */
static void end_wait(struct call *call, struct check *check)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	const char *id = check_deployment_id(check);

	if (!check_passed(check) || !find_deployment(call, id, &record))
		return;
	if (record.completed_ms > 0)
		call_fail(call, "DeploymentAlreadyCompletedException",
			"The deployment %s has ended already: %s", id, record.status);
	else
		call_fail(call, "UnsupportedActionForDeploymentTypeException",
			"The deployment %s is of type IN_PLACE: it has no wait that could be "
			"ended",
			id);
}

static void continue_deployment(struct call *call)
{
	static const char *const types[] = { "READY_WAIT", "TERMINATION_WAIT", NULL };
	struct check check;

	check_init(&check, call);
	(void)check_word(&check, call->input, "deploymentWaitType", types,
		"InvalidDeploymentWaitTypeException");
	end_wait(call, &check);
}

static void skip_wait(struct call *call)
{
	struct check check;

	check_init(&check, call);
	end_wait(call, &check);
}

static void put_hook_status(struct call *call)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	static const char *const words[] = { "Succeeded", "Failed", NULL };
	struct check check;
	const char *id;

	check_init(&check, call);
	id = check_deployment_id(&check);
	(void)check_string(&check, call->input, "lifecycleEventHookExecutionId");
	(void)check_word(&check, call->input, "status", words,
		"InvalidLifecycleEventHookExecutionStatusException");
	if (check_passed(&check) && find_deployment(call, id, &record))
		call_fail(call, "UnsupportedActionForDeploymentTypeException",
			"The deployment %s is one to servers: their agents report its events",
			id);
}

static void list_github_tokens(struct call *call)
{
	const char *token;
	struct check check;

	check_init(&check, call);
	token = check_string(&check, call->input, "nextToken");
	if (token && *token != '\0')
		check_fail(&check, CHECK_FORM, "InvalidNextTokenException",
			"There is one page only: leave \"nextToken\" away");
	if (check_passed(&check))
		call_answer(call, json_pack("{s:[]}", "tokenNameList"));
}

static void delete_github_token(struct call *call)
{
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_string(&check, call->input, "tokenName");
	if (!name || *name == '\0')
		check_fail(&check, CHECK_REQUIRED, "GitHubAccountTokenNameRequiredException",
			"No token is named: set \"tokenName\"");
	if (check_passed(&check))
		call_fail(call, "GitHubAccountTokenDoesNotExistException",
			"This controller keeps no tokens of GitHub, so none named '%.100s'",
			name);
}

/* CloudFormation cleans up so; nothing here has such an id. */
static void delete_by_external_id(struct call *call)
{
	struct check check;

	check_init(&check, call);
	(void)check_string(&check, call->input, "externalId");
	if (check_passed(&check))
		call_answer(call, NULL);
}

const struct operation foreign_operations[] = {
	{ "ContinueDeployment", continue_deployment, true },
	{ "SkipWaitTimeForInstanceTermination", skip_wait, true },
	{ "PutLifecycleEventHookExecutionStatus", put_hook_status, true },
	{ "ListGitHubAccountTokenNames", list_github_tokens, false },
	{ "DeleteGitHubAccountToken", delete_github_token, true },
	{ "DeleteResourcesByExternalId", delete_by_external_id, true },
	{ NULL },
};
