/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/deployment_json.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "controller/answer.h"
#include "controller/rollout_why.h"

static json_t *overview_to_json(const struct deployment_record *record)
{
	static const char *const names[] = { "Pending", "InProgress", "Succeeded", "Failed",
		"Skipped", "Ready" };
	json_t *overview = json_object();

	_Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(record->overview), "one name a counter");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)json_object_set_new(
			overview, names[i], json_integer(record->overview[i]));
	return overview;
}

static json_t *error_to_json(const struct deployment_record *record)
{
	json_t *error = json_object();

	answer_text(error, "code", record->error_code);
	answer_text(error, "message", record->error_message);
	return error;
}

static json_t *rollback_to_json(const struct deployment_record *record)
{
	json_t *rollback = json_object();

	answer_text(rollback, "rollbackDeploymentId", record->rolled_back_by);
	answer_text(rollback, "rollbackTriggeringDeploymentId", record->rollback_of);
	answer_text(rollback, "rollbackMessage", record->rollback_message);
	return rollback;
}

static bool is_worth_saying(enum rollout_reason reason)
{
	return reason == REASON_PAUSED || reason == REASON_STRANDED || reason == REASON_HELD ||
	       reason == REASON_DRAINING || reason == REASON_STOPPING;
}

/* What was said at its creation, and why it waits now if that is not plain. */
static json_t *messages_to_json(
	const struct deployment_record *record, const struct deployment *open)
{
	json_t *messages = json_loads(record->messages, 0, NULL);
	cleanup_with(buf_done) struct buf text = { 0 };
	struct rollout_why why;

	if (!messages)
		messages = json_array();
	if (!open)
		return messages;
	why = rollout_why(&open->rollout);
	if (is_worth_saying(why.reason)) {
		buf_printf(&text, "%s%s%s", why.text, *why.remedy ? ": " : "", why.remedy);
		(void)json_array_append_new(messages, json_text(text.data));
	}
	return messages;
}

static void set_options(json_t *info, const struct deployment_record *record)
{
	(void)json_object_set_new(info, "ignoreApplicationStopFailures",
		json_boolean(record->ignore_application_stop_failures));
	(void)json_object_set_new(
		info, "updateOutdatedInstancesOnly", json_boolean(record->only_outdated));
	(void)json_object_set_new(info, "instanceTerminationWaitTimeStarted", json_false());
	answer_text(info, "fileExistsBehavior", record->file_exists);
	answer_json(info, "autoRollbackConfiguration", record->auto_rollback);
	answer_json(info, "overrideAlarmConfiguration", record->alarm_override);
	if (record->restart)
		answer_text(info, "deploymentMode", "RESTART");
	(void)json_object_set_new(info, "deploymentStyle",
		json_pack("{s:s, s:s}", "deploymentType", "IN_PLACE", "deploymentOption",
			"WITHOUT_TRAFFIC_CONTROL"));
}

json_t *deployment_to_json(
	const struct deployment_record *record, const struct deployment *open)
{
	json_t *info = json_object();

	answer_text(info, "applicationName", record->application_name);
	answer_text(info, "deploymentGroupName", record->group_name);
	answer_text(info, "deploymentConfigName", record->config_name);
	answer_text(info, "deploymentId", record->id);
	answer_json(info, "previousRevision", record->previous_revision);
	answer_json(info, "revision", record->revision);
	answer_text(info, "status", record->status);
	if (record->error_code)
		(void)json_object_set_new(info, "errorInformation", error_to_json(record));
	answer_time(info, "createTime", record->created_ms);
	answer_time(info, "startTime", record->started_ms);
	answer_time(info, "completeTime", record->completed_ms);
	(void)json_object_set_new(info, "deploymentOverview", overview_to_json(record));
	answer_text(info, "description", record->description);
	answer_text(info, "creator", record->creator);
	set_options(info, record);
	(void)json_object_set_new(info, "rollbackInfo", rollback_to_json(record));
	(void)json_object_set_new(
		info, "deploymentStatusMessages", messages_to_json(record, open));
	answer_text(info, "computePlatform", "Server");
	return info;
}

void revision_describe(struct buf *text, const char *revision)
{
	cleanup_with(json_decrefp) json_t *location = json_loads(revision, 0, NULL);
	const char *bucket = NULL;
	const char *key = NULL;
	const char *repository = NULL;
	const char *commit = NULL;

	(void)json_unpack(
		location, "{s:{s:s, s:s}}", "s3Location", "bucket", &bucket, "key", &key);
	(void)json_unpack(location, "{s:{s:s, s:s}}", "gitHubLocation", "repository",
		&repository, "commitId", &commit);
	if (bucket && key)
		buf_printf(text, "s3://%s/%s", bucket, key);
	else if (repository && commit)
		buf_printf(text, "github:%s@%s", repository, commit);
	else
		buf_puts(text, revision);
}
