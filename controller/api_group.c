/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/group.h"
#include "controller/group_settings.h"
#include "controller/identifier.h"
#include "controller/page.h"
#include "controller/resource_tags.h"
#include "controller/store.h"

/* Deployment groups: which hosts get an application's revisions, and how. */

#define DEFAULT_CONFIG "CodeDeployDefault.OneAtATime"

/* ---- what is said ---- */

/* In the answer, and in the log for those whose client shows nothing but what it knows. */
static void say_unsupported(const struct group *group, json_t *answer)
{
	json_t *list = group_unsupported(group);

	for (size_t i = 0; i < json_array_size(list); i++)
		log_warning("group %s of application %s: %s", group->name,
			group->application->name, json_string_value(json_array_get(list, i)));
	if (json_array_size(list) > 0)
		(void)json_object_set(answer, "statusMessages", list);
	json_decref(list);
}

/* ---- reading ---- */

/* LastDeploymentInfo; 0, or a negative errno if the store could not be read. */
static int add_last(
	struct call *call, json_t *info, const char *member, const char *id, struct error *err)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	json_t *last;
	int r;

	if (*id == '\0')
		return 0;
	r = store_find_deployment(call_store(call), id, &record, err);
	if (r <= 0)
		return r;
	last = json_object();
	answer_text(last, "deploymentId", id);
	answer_text(last, "status", record.status);
	answer_time(last, "endTime", record.completed_ms);
	answer_time(last, "createTime", record.created_ms);
	(void)json_object_set_new(info, member, last);
	return 0;
}

/* What clients expect to be there, set or not. */
static void add_defaults(json_t *info)
{
	cleanup_with(json_decrefp) json_t *defaults = json_pack(
		"{s:[], s:[], s:[], s:[], s:s, s:{s:s, s:s}, s:{s:b, s:[]}, s:b}",
		"ec2TagFilters", "onPremisesInstanceTagFilters", "autoScalingGroups",
		"triggerConfigurations", "outdatedInstancesStrategy", "UPDATE",
		"deploymentStyle", "deploymentType", "IN_PLACE", "deploymentOption",
		"WITHOUT_TRAFFIC_CONTROL", "autoRollbackConfiguration", "enabled", false,
		"events", "terminationHookEnabled", false);

	(void)json_object_update_missing(info, defaults);
}

/* DeploymentGroupInfo, or NULL with err filled if the store could not be read. */
static json_t *group_info(struct call *call, const struct group *group, struct error *err)
{
	cleanup_with(json_decrefp) json_t *info = json_loads(group->settings, 0, NULL);
	json_t *unsupported = group_unsupported(group);
	int r;

	if (!info)
		info = json_object();
	add_defaults(info);
	answer_text(info, "applicationName", group->application->name);
	answer_text(info, "deploymentGroupId", group->id);
	answer_text(info, "deploymentGroupName", group->name);
	answer_text(info, "deploymentConfigName", group->config_name);
	answer_text(info, "computePlatform", "Server");
	answer_json(info, "targetRevision", group->target_revision);
	if (json_array_size(unsupported) > 0)
		(void)json_object_set(info, "statusMessages", unsupported);
	json_decref(unsupported);
	r = add_last(call, info, "lastSuccessfulDeployment", group->last_successful, err);
	if (r == 0)
		r = add_last(call, info, "lastAttemptedDeployment", group->last_attempted, err);
	return r < 0 ? NULL : take(&info);
}

static void get_group(struct call *call)
{
	const struct application *application;
	const char *application_name;
	struct error err = ERROR_NONE;
	const struct group *group;
	struct check check;
	const char *name;
	json_t *info;

	check_init(&check, call);
	application_name = check_name(&check, &APPLICATION_NAME);
	name = check_name(&check, &GROUP_NAME);
	if (!check_passed(&check))
		return;
	application = check_application(call, application_name);
	group = application ? check_group(call, application, name) : NULL;
	if (!group)
		return;
	info = group_info(call, group, &err);
	if (info)
		call_answer(call, json_pack("{s:o}", "deploymentGroupInfo", info));
	else
		check_internal(call, &err);
}

/* Unknown groups are named in errorMessage beside those that were found. */
static void batch_get_groups(struct call *call)
{
	cleanup_with(json_decrefp) json_t *answer = json_object();
	const struct application *application;
	const char *application_name;
	struct error err = ERROR_NONE;
	json_t *infos = json_array();
	const char *missing = NULL;
	const json_t *names;
	struct check check;

	(void)json_object_set_new(answer, "deploymentGroupsInfo", infos);
	check_init(&check, call);
	application_name = check_name(&check, &APPLICATION_NAME);
	names = check_names(&check, &GROUP_NAME, "deploymentGroupNames", BATCH_LIMIT,
		"BatchLimitExceededException");
	if (!check_passed(&check))
		return;
	application = check_application(call, application_name);
	if (!application)
		return;
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		const struct group *group = fleet_find_group(
			call_fleet(call), application, name);
		json_t *info = group ? group_info(call, group, &err) : NULL;

		if (group && !info) {
			check_internal(call, &err);
			return;
		}
		if (info)
			(void)json_array_append_new(infos, info);
		else if (!missing)
			missing = name;
	}
	if (missing)
		(void)json_object_set_new(answer, "errorMessage",
			json_sprintf("No Deployment Group found for name: %s", missing));
	call_answer(call, take(&answer));
}

static void list_groups(struct call *call)
{
	cleanup_with(page_done) struct page page = { 0 };
	const struct application *application;
	struct error err = ERROR_NONE;
	struct check check;
	const char *name;
	json_t *answer;
	int r;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	page_begin(&page, &check, "nextToken");
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (!application)
		return;
	r = store_page_groups(call_store(call), application->id, page.after, PAGE_ASK,
		page_add_name, &page, &err);
	answer = json_pack("{s:s}", "applicationName", application->name);
	page_end(&page, r, call, "deploymentGroups", answer, &err);
}

/* ---- changing ---- */

static void fail_taken(
	struct call *call, const struct application *application, const char *name)
{
	call_fail(call, "DeploymentGroupAlreadyExistsException",
		"The application %s has a deployment group of the name %s already; "
		"choose another name",
		application->name, name);
}

/* The checked settings become the group's. */
static int apply_settings(struct group *group, const json_t *settings, struct error *err)
{
	char *old = group->settings;
	int r;

	group->settings = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
	r = group_read_settings(group, err);
	if (r < 0) {
		free(group->settings);
		group->settings = old;
		return r;
	}
	free(old);
	return 0;
}

static void fail_settings(struct call *call, const struct error *err)
{
	call_fail_status(call, 500, "InternalFailure",
		"The controller does not understand settings that it took: %s; "
		"nothing was changed",
		err->text);
}

static struct group *make_group(struct application *application, const char *name,
	const char *config_name, uint64_t now_ms)
{
	struct group *group = xcalloc(1, sizeof(*group));

	identifier_make_uuid(group->id);
	group->application = application;
	(void)snprintf(group->name, sizeof(group->name), "%s", name);
	(void)snprintf(group->config_name, sizeof(group->config_name), "%s", config_name);
	group->created_ms = now_ms;
	return group;
}

static void add_group(
	struct call *call, struct group *group, const json_t *settings, const struct tags *tags)
{
	struct error err = ERROR_NONE;
	json_t *answer;

	if (apply_settings(group, settings, &err) < 0) {
		fail_settings(call, &err);
		group_free(group);
		return;
	}
	(void)fleet_add_group(call_fleet(call), group);
	store_put_group(call_store(call), group);
	resource_tags_save(call_store(call), group->id, tags);
	answer = json_pack("{s:s}", "deploymentGroupId", group->id);
	say_unsupported(group, answer);
	call_answer(call, answer);
}

static void create_group(struct call *call)
{
	cleanup_with(json_decrefp) json_t *settings = json_object();
	cleanup_with(tags_done) struct tags tags = { 0 };
	struct application *application;
	const char *application_name;
	const char *config_name;
	struct check check;
	const char *name;

	check_init(&check, call);
	application_name = check_name(&check, &APPLICATION_NAME);
	name = check_name(&check, &GROUP_NAME);
	config_name = check_name_member(&check, &CONFIG_NAME, CONFIG_NAME.member);
	group_settings_take(&check, settings, true);
	check_tags(&check, "tags", "InvalidTagsToAddException", &tags);
	if (!check_passed(&check))
		return;
	application = check_application(call, application_name);
	if (!application)
		return;
	if (fleet_find_group(call_fleet(call), application, name)) {
		fail_taken(call, application, name);
		return;
	}
	if (!config_name)
		config_name = DEFAULT_CONFIG;
	if (check_config(call, config_name))
		add_group(call, make_group(application, name, config_name, call->now_ms),
			settings, &tags);
}

/* What an update names; NULL is what stays as it is. */
struct update {
	const char *application_name;
	const char *name;
	const char *new_name;
	const char *config_name;
};

static void check_update(struct check *check, struct update *ret)
{
	ret->application_name = check_name(check, &APPLICATION_NAME);
	ret->name = check_required_name(check, &GROUP_NAME, "currentDeploymentGroupName");
	ret->new_name = check_name_member(check, &GROUP_NAME, "newDeploymentGroupName");
	if (ret->name && ret->new_name && strcmp(ret->name, ret->new_name) == 0)
		ret->new_name = NULL;
	ret->config_name = check_name_member(check, &CONFIG_NAME, CONFIG_NAME.member);
}

/* What the update changes; nothing is there yet if there is no such group. */
static json_t *current_settings(const struct call *call, const struct update *update)
{
	const struct application *application = NULL;
	const struct group *group = NULL;
	json_t *settings = NULL;

	if (update->application_name && update->name)
		application = fleet_find_application(
			call_fleet(call), update->application_name);
	if (application)
		group = fleet_find_group(call_fleet(call), application, update->name);
	if (group)
		settings = json_loads(group->settings, 0, NULL);
	return settings ? settings : json_object();
}

/* False after the call was failed: the update is not possible. */
static bool find_updated(
	struct call *call, const struct update *update, struct group **ret_group)
{
	struct application *application = check_application(call, update->application_name);
	struct group *group = application ? check_group(call, application, update->name) : NULL;

	if (!group)
		return false;
	if (update->new_name &&
		fleet_find_group(call_fleet(call), application, update->new_name)) {
		fail_taken(call, application, update->new_name);
		return false;
	}
	*ret_group = group;
	return !update->config_name || check_config(call, update->config_name);
}

/* Its id stays, and with it the history and what hosts know of its files. */
static void rename_group(struct call *call, struct group *group, const char *name)
{
	(void)fleet_rename_group(call_fleet(call), group, name);
	store_rename_group(call_store(call), group->id, name);
	if (group->active)
		(void)snprintf(group->active->record.group_name,
			sizeof(group->active->record.group_name), "%s", name);
}

static void update_group(struct call *call)
{
	cleanup_with(json_decrefp) json_t *settings = NULL;
	struct error err = ERROR_NONE;
	struct group *group = NULL;
	struct update update;
	struct check check;
	json_t *answer;

	check_init(&check, call);
	check_update(&check, &update);
	settings = current_settings(call, &update);
	group_settings_take(&check, settings, false);
	if (!check_passed(&check) || !find_updated(call, &update, &group))
		return;
	if (apply_settings(group, settings, &err) < 0) {
		fail_settings(call, &err);
		return;
	}
	if (update.config_name)
		fleet_set_group_config(call_fleet(call), group, update.config_name);
	if (update.new_name)
		rename_group(call, group, update.new_name);
	store_put_group(call_store(call), group);
	deployments_group_changed(call_deployments(call), group);
	answer = json_pack("{s:[]}", "hooksNotCleanedUp");
	say_unsupported(group, answer);
	call_answer(call, answer);
}

/* An unknown one is no error, and neither is a deployment under way: it is stopped. */
static void delete_group(struct call *call)
{
	const struct application *application;
	const char *application_name;
	struct group *group = NULL;
	struct check check;
	const char *name;

	check_init(&check, call);
	application_name = check_name(&check, &APPLICATION_NAME);
	name = check_name(&check, &GROUP_NAME);
	if (!check_passed(&check))
		return;
	application = fleet_find_application(call_fleet(call), application_name);
	if (application)
		group = fleet_find_group(call_fleet(call), application, name);
	if (group)
		group_delete(call, group, "DEPLOYMENT_GROUP_MISSING");
	call_answer(call, json_pack("{s:[]}", "hooksNotCleanedUp"));
}

const struct operation group_operations[] = {
	{ "CreateDeploymentGroup", create_group, true },
	{ "GetDeploymentGroup", get_group, false },
	{ "BatchGetDeploymentGroups", batch_get_groups, false },
	{ "ListDeploymentGroups", list_groups, false },
	{ "UpdateDeploymentGroup", update_group, true },
	{ "DeleteDeploymentGroup", delete_group, true },
	{ NULL },
};
