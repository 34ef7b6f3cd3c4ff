/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_deployment.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/deployment_json.h"
#include "controller/deployments.h"
#include "controller/identifier.h"
#include "controller/store.h"

/* ---- look */

/* Its DeploymentInfo, or NULL if there is none or after a failure: 1, 0 or a negative errno. */
static int find_info(struct call *call, const char *id, json_t **ret, struct error *err)
{
	const struct deployment *open = deployments_find(call_deployments(call), id);
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	int r;

	if (open) {
		*ret = deployment_to_json(&open->record, open);
		return 1;
	}
	r = store_find_deployment(call_store(call), id, &record, err);
	if (r > 0)
		*ret = deployment_to_json(&record, NULL);
	return r;
}

static void fail_unknown(struct call *call, const char *id)
{
	call_fail(call, "DeploymentDoesNotExistException",
		"The deployment %s could not be found", id);
}

static void get_deployment(struct call *call)
{
	struct error err = ERROR_NONE;
	struct check check;
	const char *id;
	json_t *info;
	int r;

	check_init(&check, call);
	id = check_deployment_id(&check);
	if (!check_passed(&check))
		return;
	r = find_info(call, id, &info, &err);
	if (r < 0)
		check_internal(call, &err);
	else if (r == 0)
		fail_unknown(call, id);
	else
		call_answer(call, json_pack("{s:o}", "deploymentInfo", info));
}

static const json_t *check_ids(struct check *check)
{
	const json_t *ids = check_strings(check, check->call->input, "deploymentIds");

	if (json_array_size(ids) == 0)
		check_fail(check, CHECK_REQUIRED, "DeploymentIdRequiredException",
			"No deployment ID is given: \"deploymentIds\" needs at least one");
	if (json_array_size(ids) > BATCH_LIMIT) {
		check_fail(check, CHECK_FORM, "BatchLimitExceededException",
			"\"deploymentIds\" holds %zu IDs; at most %d are allowed in one call",
			json_array_size(ids), BATCH_LIMIT);
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (!identifier_is_deployment(id))
			check_fail(check, CHECK_FORM, "InvalidDeploymentIdException",
				"'%.100s' is not a deployment ID; it is 'd-' and nine "
				"upper-case letters or digits",
				id);
	}
	return ids;
}

/* Unknown ones are left out. */
static void batch_get_deployments(struct call *call)
{
	cleanup_with(json_decrefp) json_t *infos = json_array();
	struct error err = ERROR_NONE;
	struct check check;
	const json_t *ids;
	json_t *info;
	int r = 0;

	check_init(&check, call);
	ids = check_ids(&check);
	if (!check_passed(&check))
		return;
	for (size_t i = 0; i < json_array_size(ids) && r >= 0; i++) {
		r = find_info(call, json_string_value(json_array_get(ids, i)), &info, &err);
		if (r > 0)
			(void)json_array_append_new(infos, info);
	}
	if (r < 0)
		check_internal(call, &err);
	else
		call_answer(call, json_pack("{s:O}", "deploymentsInfo", infos));
}

/* ---- stop */

static enum stop_rollback rollback_of(struct check *check)
{
	if (!check_has(check->call->input, "autoRollbackEnabled"))
		return STOP_ROLLBACK_AS_CONFIGURED;
	return check_bool(check, check->call->input, "autoRollbackEnabled", false)
		       ? STOP_ROLLBACK
		       : STOP_NO_ROLLBACK;
}

static void answer_stopped(struct call *call)
{
	call_answer(call, json_pack("{s:s, s:s}", "status", "Succeeded", "statusMessage",
				  "No more events will be scheduled on the hosts of this "
				  "deployment."));
}

static void answer_stopping(struct call *call)
{
	call_answer(call, json_pack("{s:s, s:s}", "status", "Pending", "statusMessage",
				  "Events that are under way run to their end; no other "
				  "begins."));
}

/* Stopped already: the client may not have had the first answer. */
static void stop_ended(struct call *call, const char *id)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct error err = ERROR_NONE;
	int r = store_find_deployment(call_store(call), id, &record, &err);

	if (r < 0)
		check_internal(call, &err);
	else if (r == 0)
		fail_unknown(call, id);
	else if (strcmp(record.status, "Stopped") == 0)
		answer_stopped(call);
	else
		call_fail(call, "DeploymentAlreadyCompletedException",
			"The deployment %s has ended already: %s", id, record.status);
}

static void stop_deployment(struct call *call)
{
	struct deployments *deployments = call_deployments(call);
	struct deployment *deployment;
	enum stop_rollback rollback;
	struct check check;
	const char *id;

	check_init(&check, call);
	id = check_deployment_id(&check);
	rollback = rollback_of(&check);
	if (!check_passed(&check))
		return;
	deployment = deployments_find(deployments, id);
	if (!deployment) {
		stop_ended(call, id);
		return;
	}
	(void)deployments_stop(deployments, deployment, rollback, call->now_ms);
	if (deployments_find(deployments, id))
		answer_stopping(call);
	else
		answer_stopped(call);
}

/* ---- pause and resume, beyond AWS's operations */

/* The open deployment that is asked for, or NULL after the call was failed. */
static struct deployment *find_open(struct call *call)
{
	struct deployment *deployment;
	struct error err = ERROR_NONE;
	struct check check;
	const char *id;
	json_t *info;
	int r;

	check_init(&check, call);
	id = check_deployment_id(&check);
	if (!check_passed(&check))
		return NULL;
	deployment = deployments_find(call_deployments(call), id);
	if (deployment)
		return deployment;
	r = find_info(call, id, &info, &err);
	if (r < 0)
		check_internal(call, &err);
	if (r == 0)
		fail_unknown(call, id);
	if (r <= 0)
		return NULL;
	call_fail(call, "DeploymentAlreadyCompletedException",
		"The deployment %s has ended already: %s", id,
		json_string_value(json_object_get(info, "status")));
	json_decref(info);
	return NULL;
}

/* Twice is as good as once: the first answer may have been lost. */
static void answer_paused(
	struct call *call, const struct deployment *deployment, bool is_paused, int r)
{
	if (r < 0 && deployment->rollout.paused != is_paused)
		call_fail(call, "InvalidDeploymentStatusException",
			"The deployment %s begins no further host anyway: it is about to end",
			deployment->record.id);
	else
		call_answer(call, NULL);
}

static void pause_deployment(struct call *call)
{
	struct deployment *deployment = find_open(call);

	if (deployment)
		answer_paused(call, deployment, true,
			deployments_pause(call_deployments(call), deployment, call->now_ms));
}

static void resume_deployment(struct call *call)
{
	struct deployment *deployment = find_open(call);

	if (!deployment)
		return;
	/* It may be over when this returns: without those that vanished nothing is left. */
	(void)deployments_resume(call_deployments(call), deployment, call->now_ms);
	call_answer(call, NULL);
}

const struct operation drover_deployment_operations[] = {
	{ "PauseDeployment", pause_deployment, true },
	{ "ResumeDeployment", resume_deployment, true },
	{ NULL, NULL, false },
};

const struct operation deployment_operations[] = {
	/* clang-format off */
	{ "CreateDeployment",    create_deployment,     true },
	{ "StopDeployment",      stop_deployment,       true },
	{ "GetDeployment",       get_deployment,        false },
	{ "BatchGetDeployments", batch_get_deployments, false },
	{ "ListDeployments",     list_deployments,      false },
	{ NULL,                  NULL,                  false },
	/* clang-format on */
};
