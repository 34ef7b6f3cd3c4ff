/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_target.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/call.h"
#include "controller/deployments.h"
#include "controller/page.h"
#include "controller/rollout_text.h"
#include "controller/store.h"

static const struct name_rule TARGET_ID = {
	.member = "targetId",
	.what = "target ID",
	.required = "DeploymentTargetIdRequiredException",
	.invalid = "InvalidDeploymentTargetIdException",
};

/* ---- shared */

static int lifecycle_of(
	struct call *call, const char *id, enum rollout_lifecycle *ret, struct error *err)
{
	const struct deployment *open = deployments_find(call_deployments(call), id);
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct rollout rollout = { 0 };
	int r = 1;

	if (open) {
		*ret = open->rollout.config.lifecycle;
		return 1;
	}
	r = store_find_deployment(call_store(call), id, &record, err);
	if (r <= 0)
		return r;
	r = rollout_read(&rollout, record.rollout, err);
	if (r < 0)
		return r;
	*ret = rollout.config.lifecycle;
	return 1;
}

bool target_frame_of(struct call *call, const char *id, struct target_frame *ret)
{
	struct error err = ERROR_NONE;
	int r;

	*ret = (struct target_frame){
		.store = call_store(call), .settings = call_settings(call), .deployment_id = id
	};
	r = lifecycle_of(call, id, &ret->lifecycle, &err);
	if (r < 0)
		check_internal(call, &err);
	if (r == 0)
		call_fail(call, "DeploymentDoesNotExistException",
			"The deployment %s could not be found", id);
	return r > 0;
}

void check_target_states(
	struct check *check, const json_t *statuses, struct target_choice *choice)
{
	for (size_t i = 0; i < json_array_size(statuses); i++) {
		const char *name = json_string_value(json_array_get(statuses, i));
		int states = target_states_of(name);

		if (states < 0)
			check_fail(check, CHECK_FORM, "InvalidInstanceStatusException",
				"'%.100s' is no status of a host in a deployment", name);
		else
			choice->states |= (uint32_t)states;
	}
	choice->is_none = json_array_size(statuses) > 0 && choice->states == 0;
}

void check_target_labels(struct check *check, const json_t *labels)
{
	for (size_t i = 0; i < json_array_size(labels); i++) {
		const char *name = json_string_value(json_array_get(labels, i));

		if (strcmp(name, "Blue") != 0 && strcmp(name, "Green") != 0)
			check_fail(check, CHECK_FORM, "InvalidInstanceTypeException",
				"'%.100s' is no instance type; there are Blue and Green", name);
		else
			check_fail(check, CHECK_FORM, "InvalidDeploymentInstanceTypeException",
				"Only a blue/green deployment has %s instances", name);
	}
}

static void add_name(void *context, const struct target_record *record)
{
	char position[16];

	(void)snprintf(position, sizeof(position), "%" PRIu32, record->position);
	(void)page_add(context, position, json_string(record->host_name));
}

/* Tokens are sealed, so that what stands in one was written here. */
static int64_t position_after(const struct page *page)
{
	return page->after[0] ? strtoll(page->after, NULL, 10) : -1;
}

void answer_target_page(struct call *call, struct check *check, const char *deployment_id,
	const struct target_choice *choice, const char *list)
{
	struct error err = ERROR_NONE;
	struct target_frame frame;
	struct page page;
	int r = 0;

	page_begin(&page, check, "nextToken");
	if (!check_passed(check) || !target_frame_of(call, deployment_id, &frame)) {
		page_done(&page);
		return;
	}
	if (!choice->is_none)
		r = store_page_targets(frame.store, deployment_id, choice->states,
			position_after(&page), PAGE_ASK, add_name, &page, &err);
	page_end(&page, r, call, list, NULL, &err);
}

int find_target_json(const struct target_frame *frame, const char *host_name, bool is_summary,
	json_t **ret, struct error *err)
{
	struct target_record record = { 0 };
	int r = store_find_target(frame->store, frame->deployment_id, host_name, &record, err);

	if (r <= 0)
		return r;
	*ret = target_to_json(frame, &record, is_summary, err);
	return *ret ? 1 : err->code;
}

/* ---- operations */

static void check_filters(struct check *check, struct target_choice *choice)
{
	const json_t *filters = check_object(check, check->call->input, "targetFilters");
	const char *name;
	json_t *ignored;

	json_object_foreach((json_t *)filters, name, ignored)
	{
		const json_t *values = check_strings(check, filters, name);

		if (strcmp(name, "TargetStatus") == 0)
			check_target_states(check, values, choice);
		else if (strcmp(name, "ServerInstanceLabel") == 0)
			check_target_labels(check, values);
		else
			check_fail(check, CHECK_FORM, "InvalidTargetFilterNameException",
				"'%.100s' is no filter of targets; there are TargetStatus and "
				"ServerInstanceLabel",
				name);
	}
}

static void list_deployment_targets(struct call *call)
{
	struct target_choice choice = { 0 };
	struct check check;
	const char *id;

	check_init(&check, call);
	id = check_deployment_id(&check);
	check_filters(&check, &choice);
	answer_target_page(call, &check, id, &choice, "targetIds");
}

static json_t *as_deployment_target(json_t *target)
{
	return json_pack("{s:s, s:o}", "deploymentTargetType", "InstanceTarget",
		"instanceTarget", target);
}

/* The target, or NULL after the call was failed. */
static json_t *get_target(
	struct call *call, const struct target_frame *frame, const char *target_id)
{
	struct error err = ERROR_NONE;
	json_t *target = NULL;
	int r = find_target_json(frame, target_id, false, &target, &err);

	if (r < 0)
		check_internal(call, &err);
	if (r == 0)
		call_fail(call, "DeploymentTargetDoesNotExistException",
			"The deployment %s has no target '%s'", frame->deployment_id,
			target_id);
	return r > 0 ? as_deployment_target(target) : NULL;
}

static void get_deployment_target(struct call *call)
{
	struct target_frame frame;
	struct check check;
	const char *id;
	const char *target_id;
	json_t *target;

	check_init(&check, call);
	id = check_deployment_id(&check);
	target_id = check_name(&check, &TARGET_ID);
	if (!check_passed(&check) || !target_frame_of(call, id, &frame))
		return;
	target = get_target(call, &frame, target_id);
	if (target)
		call_answer(call, json_pack("{s:o}", "deploymentTarget", target));
}

static void batch_get_deployment_targets(struct call *call)
{
	cleanup_with(json_decrefp) json_t *targets = json_array();
	struct target_frame frame;
	struct check check;
	const char *id;
	const json_t *ids;

	check_init(&check, call);
	id = check_deployment_id(&check);
	ids = check_names(&check, &TARGET_ID, "targetIds", BATCH_LIMIT,
		"DeploymentTargetListSizeExceededException");
	if (!check_passed(&check) || !target_frame_of(call, id, &frame))
		return;
	for (size_t i = 0; i < json_array_size(ids); i++) {
		json_t *target = get_target(
			call, &frame, json_string_value(json_array_get(ids, i)));

		if (!target)
			return;
		(void)json_array_append_new(targets, target);
	}
	call_answer(call, json_pack("{s:O}", "deploymentTargets", targets));
}

const struct operation target_operations[] = {
	/* clang-format off */
	{ "ListDeploymentTargets",       list_deployment_targets,        false },
	{ "GetDeploymentTarget",         get_deployment_target,          false },
	{ "BatchGetDeploymentTargets",   batch_get_deployment_targets,   false },
	{ "ListDeploymentInstances",     list_deployment_instances,      false },
	{ "GetDeploymentInstance",       get_deployment_instance,        false },
	{ "BatchGetDeploymentInstances", batch_get_deployment_instances, false },
	{ NULL,                          NULL,                           false },
	/* clang-format on */
};
