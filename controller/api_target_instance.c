/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/api_target.h"
#include "controller/call.h"

/* The older names for targets, which scripts still use. */

static const struct name_rule INSTANCE_ID = {
	.member = "instanceId",
	.what = "instance ID",
	.required = "InstanceIdRequiredException",
	.invalid = "InvalidInstanceNameException",
};

void list_deployment_instances(struct call *call)
{
	struct target_choice choice = { 0 };
	struct check check;
	const char *id;

	check_init(&check, call);
	id = check_deployment_id(&check);
	check_target_states(
		&check, check_strings(&check, call->input, "instanceStatusFilter"), &choice);
	check_target_labels(&check, check_strings(&check, call->input, "instanceTypeFilter"));
	answer_target_page(call, &check, id, &choice, "instancesList");
}

void get_deployment_instance(struct call *call)
{
	struct error err = ERROR_NONE;
	struct target_frame frame;
	struct check check;
	const char *id;
	const char *instance_id;
	json_t *summary;
	int r;

	check_init(&check, call);
	id = check_deployment_id(&check);
	instance_id = check_name(&check, &INSTANCE_ID);
	if (!check_passed(&check) || !target_frame_of(call, id, &frame))
		return;
	r = find_target_json(&frame, instance_id, true, &summary, &err);
	if (r < 0)
		check_internal(call, &err);
	else if (r == 0)
		call_fail(call, "InstanceDoesNotExistException",
			"The deployment %s has no instance '%s'", id, instance_id);
	else
		call_answer(call, json_pack("{s:o}", "instanceSummary", summary));
}

static void answer_summaries(struct call *call, json_t *summaries, const struct buf *unknown)
{
	json_t *output = json_pack("{s:o}", "instancesSummary", summaries);

	if (unknown->len > 0)
		(void)json_object_set_new(output, "errorMessage",
			json_sprintf("Not of this deployment: %s", unknown->data));
	call_answer(call, output);
}

/* Unknown ones are left out, and named. */
void batch_get_deployment_instances(struct call *call)
{
	cleanup_with(buf_done) struct buf unknown = { 0 };
	cleanup_with(json_decrefp) json_t *summaries = json_array();
	struct error err = ERROR_NONE;
	struct target_frame frame;
	struct check check;
	const char *id;
	const json_t *ids;
	int r = 0;

	check_init(&check, call);
	id = check_deployment_id(&check);
	ids = check_names(&check, &INSTANCE_ID, "instanceIds", BATCH_LIMIT,
		"BatchLimitExceededException");
	if (!check_passed(&check) || !target_frame_of(call, id, &frame))
		return;
	for (size_t i = 0; i < json_array_size(ids) && r >= 0; i++) {
		const char *name = json_string_value(json_array_get(ids, i));
		json_t *summary;

		r = find_target_json(&frame, name, true, &summary, &err);
		if (r > 0)
			(void)json_array_append_new(summaries, summary);
		else if (r == 0)
			buf_printf(&unknown, "%s%s", unknown.len > 0 ? ", " : "", name);
	}
	if (r < 0)
		check_internal(call, &err);
	else
		answer_summaries(call, json_incref(summaries), &unknown);
}
