/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_deployment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/check_options.h"
#include "controller/deployment_json.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/group.h"
#include "controller/revision_location.h"

/* CreateDeployment: what the client asked for, and what follows from the group. */

static const char *const FILE_EXISTS_WORDS[] = { "DISALLOW", "OVERWRITE", "RETAIN", NULL };
static const char *const MODE_WORDS[] = { "DEPLOY", "RESTART", NULL };
enum { MODE_DEPLOY, MODE_RESTART };

struct asked {
	const char *application_name;
	const char *group_name;
	const char *config_name; /* NULL: the group's */
	char *revision;          /* canonical */
	const char *description;
	const json_t *auto_rollback; /* NULL: the group's */
	struct auto_rollback roll_back;
	const json_t *alarm_override;
	const char *file_exists;
	bool ignore_application_stop_failures;
	bool only_outdated;
	bool restart;
};

static void asked_done(struct asked *asked)
{
	free(asked->revision);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The same instances are no choice here: the group alone says which hosts are meant. */
static void check_target_instances(struct check *check)
{
	if (check_object(check, check->call->input, "targetInstances"))
		check_fail(check, CHECK_FORM, "InvalidTargetInstancesException",
			"\"targetInstances\" is for blue/green deployments; in place, the "
			"deployment group's tags select the hosts");
}

/* RESTART deploys the last successful revision again, so that none need be named. */
static void check_revision(struct check *check, struct asked *asked)
{
	int mode = check_word(check, check->call->input, "deploymentMode", MODE_WORDS,
		"InvalidInputException");

	asked->restart = mode == MODE_RESTART;
	if (!asked->restart || check_has(check->call->input, "revision"))
		asked->revision = revision_location_check(check);
}

/* In the order of the operation's error list. */
static void check_asked(struct check *check, struct asked *asked)
{
	const json_t *input = check->call->input;
	int file_exists;

	asked->application_name = check_name(check, &APPLICATION_NAME);
	asked->group_name = check_name(check, &GROUP_NAME);
	check_revision(check, asked);
	asked->config_name = check_name_member(check, &CONFIG_NAME, "deploymentConfigName");
	asked->description = or_empty(check_text(check, input, "description",
		DESCRIPTION_LENGTH, "DescriptionTooLongException"));
	check_target_instances(check);
	asked->alarm_override = check_alarms(check, "overrideAlarmConfiguration");
	asked->auto_rollback = check_auto_rollback(check, &asked->roll_back);
	file_exists = check_word(check, input, "fileExistsBehavior", FILE_EXISTS_WORDS,
		"InvalidFileExistsBehaviorException");
	asked->file_exists = FILE_EXISTS_WORDS[file_exists < 0 ? 0 : file_exists];
	asked->only_outdated = check_bool(check, input, "updateOutdatedInstancesOnly", false);
	asked->ignore_application_stop_failures = check_bool(
		check, input, "ignoreApplicationStopFailures", false);
}

/* ---- the group is busy */

static void say_who(struct buf *text, struct call *call, const struct deployment_record *active)
{
	const struct key *key = fleet_find_key(call_fleet(call), active->created_by);

	if (key)
		buf_printf(text, "key %s (%s)", key->id, key->name);
	else if (*active->created_by)
		buf_printf(text, "key %s", active->created_by);
	else if (*active->rollback_of)
		buf_printf(text, "the rollback of %s", active->rollback_of);
	else
		buf_puts(text, strcmp(active->creator, "user") == 0 ? "root" : active->creator);
}

/* Clients wait for the id that they find behind "already has an active Deployment". */
static void refuse_busy(struct call *call, const struct group *group)
{
	const struct deployment_record *active = &group->active->record;
	cleanup_with(buf_done) struct buf what = { 0 };
	cleanup_with(buf_done) struct buf who = { 0 };
	char since[21];

	revision_describe(&what, active->revision);
	say_who(&who, call, active);
	time_format_utc(active->created_ms, since);
	call_fail(call, "DeploymentLimitExceededException",
		"The Deployment Group '%s' already has an active Deployment '%s' (%s deploys "
		"%s since %s): wait for its end, or stop it",
		group->name, active->id, who.data, what.data, since);
}

/* ---- what is in force */

static char *dump(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

/* The deployment's own replaces the group's, it is not merged. */
static char *auto_rollback_in_force(const struct asked *asked, const struct group *group)
{
	cleanup_with(json_decrefp) json_t *settings = json_loads(group->settings, 0, NULL);
	const json_t *of_group = json_object_get(settings, "autoRollbackConfiguration");
	const json_t *options = asked->auto_rollback ? asked->auto_rollback : of_group;
	const json_t *events = json_object_get(options, "events");
	cleanup_with(json_decrefp) json_t *shown = json_pack("{s:b, s:o}", "enabled",
		json_is_true(json_object_get(options, "enabled")), "events",
		json_is_array(events) ? json_deep_copy(events) : json_array());

	return dump(shown);
}

static void say(json_t *messages, const char *text)
{
	(void)json_array_append_new(messages, json_text(text));
}

static char *messages_of(const struct asked *asked, const struct group *group)
{
	cleanup_with(json_decrefp) json_t *messages = group_unsupported(group);

	if (asked->alarm_override &&
		json_is_true(json_object_get(asked->alarm_override, "enabled")))
		say(messages, "overrideAlarmConfiguration: this version watches no alarms");
	if (asked->restart)
		say(messages,
			"deploymentMode RESTART: the last successful revision is deployed "
			"again. CodeDeploy agents from 2.1 on use the archive they have; "
			"other agents download the revision once more");
	return dump(messages);
}

/* The revision to restart, or false after the call was failed. */
static bool find_restarted(struct call *call, struct asked *asked, const struct group *group)
{
	if (!group->target_revision) {
		call_fail(call, "RevisionDoesNotExistException",
			"No deployment of the Deployment Group '%s' succeeded yet, so there is "
			"no revision to restart: deploy one",
			group->name);
		return false;
	}
	if (asked->revision && strcmp(asked->revision, group->target_revision) != 0) {
		call_fail(call, "InvalidRevisionException",
			"deploymentMode RESTART deploys the last successful revision again: "
			"give no revision, or leave the mode out");
		return false;
	}
	free(asked->revision);
	asked->revision = xstrdup(group->target_revision);
	return true;
}

static void answer_id(struct call *call, const char *id)
{
	call_answer(call, json_pack("{s:s}", "deploymentId", id));
}

static void create(struct call *call, const struct asked *asked, struct group *group,
	const struct deployment_config *config)
{
	cleanup_with(freep) char *auto_rollback = auto_rollback_in_force(asked, group);
	cleanup_with(freep) char *messages = messages_of(asked, group);
	cleanup_with(freep) char *alarms = asked->alarm_override ? dump(asked->alarm_override)
								 : NULL;
	const struct deployment_request request = {
		.group = group,
		.config = config,
		.revision = asked->revision,
		.description = asked->description,
		.creator = "user",
		.created_by = call->who.key ? call->who.key->id : "",
		.auto_rollback = auto_rollback,
		.roll_back = asked->auto_rollback ? asked->roll_back : group->auto_rollback,
		.alarm_override = alarms,
		.file_exists = asked->file_exists,
		.messages = messages,
		.ignore_application_stop_failures = asked->ignore_application_stop_failures,
		.only_outdated = asked->only_outdated,
		.restart = asked->restart,
	};
	char id[DEPLOYMENT_ID_LENGTH + 1];
	struct error err = ERROR_NONE;

	if (deployments_create(call_deployments(call), &request, call->now_ms, id, &err) < 0)
		check_internal(call, &err);
	else
		answer_id(call, id);
}

void create_deployment(struct call *call)
{
	cleanup_with(asked_done) struct asked asked = { 0 };
	struct check check;
	struct application *application;
	struct group *group;
	struct deployment_config *config;

	check_init(&check, call);
	check_asked(&check, &asked);
	if (!check_passed(&check))
		return;
	application = check_application(call, asked.application_name);
	group = application ? check_group(call, application, asked.group_name) : NULL;
	if (!group || (asked.restart && !find_restarted(call, &asked, group)))
		return;
	config = check_config(call, asked.config_name ? asked.config_name : group->config_name);
	if (!config)
		return;
	if (deployments_is_busy(group))
		refuse_busy(call, group);
	else
		create(call, &asked, group, config);
}
