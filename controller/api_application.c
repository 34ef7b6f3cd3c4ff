/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/group.h"
#include "controller/identifier.h"
#include "controller/page.h"
#include "controller/resource_tags.h"
#include "controller/store.h"

/* Applications: CreateApplication, GetApplication and the like. */

static json_t *application_info(const struct application *application)
{
	json_t *info = json_object();

	answer_text(info, "applicationId", application->id);
	answer_text(info, "applicationName", application->name);
	answer_time(info, "createTime", application->created_ms);
	(void)json_object_set_new(info, "linkedToGitHub", json_false());
	answer_text(info, "computePlatform", "Server");
	return info;
}

static void fail_taken(struct call *call, const char *name)
{
	call_fail(call, "ApplicationAlreadyExistsException",
		"There is an application of the name %s already; choose another name", name);
}

static void create_application(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	struct application *application;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	check_platform(&check);
	check_tags(&check, "tags", "InvalidTagsToAddException", &tags);
	if (!check_passed(&check))
		return;
	if (fleet_find_application(call_fleet(call), name)) {
		fail_taken(call, name);
		return;
	}
	application = xcalloc(1, sizeof(*application));
	identifier_make_uuid(application->id);
	(void)snprintf(application->name, sizeof(application->name), "%s", name);
	application->created_ms = call->now_ms;
	(void)fleet_add_application(call_fleet(call), application);
	store_put_application(call_store(call), application);
	resource_tags_save(call_store(call), application->id, &tags);
	call_answer(call, json_pack("{s:s}", "applicationId", application->id));
}

static void get_application(struct call *call)
{
	const struct application *application;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (application)
		call_answer(
			call, json_pack("{s:o}", "application", application_info(application)));
}

static void batch_get_applications(struct call *call)
{
	cleanup_with(json_decrefp) json_t *infos = json_array();
	const json_t *names;
	struct check check;

	check_init(&check, call);
	names = check_names(&check, &APPLICATION_NAME, "applicationNames", BATCH_LIMIT,
		"BatchLimitExceededException");
	if (!check_passed(&check))
		return;
	for (size_t i = 0; i < json_array_size(names); i++) {
		const struct application *application = check_application(
			call, json_string_value(json_array_get(names, i)));

		if (!application)
			return;
		(void)json_array_append_new(infos, application_info(application));
	}
	call_answer(call, json_pack("{s:O}", "applicationsInfo", infos));
}

static void list_applications(struct call *call)
{
	cleanup_with(page_done) struct page page = { 0 };
	struct error err = ERROR_NONE;
	struct check check;
	int r;

	check_init(&check, call);
	page_begin(&page, &check, "nextToken");
	if (!check_passed(&check))
		return;
	r = store_page_applications(
		call_store(call), page.after, PAGE_ASK, page_add_name, &page, &err);
	page_end(&page, r, call, "applications", NULL, &err);
}

/* The groups of an application: the list may then be changed while it is walked. */
struct group_list {
	const struct application *application;
	struct group **items;
	size_t n;
	size_t cap;
};

static void collect_group(void *context, struct group *group)
{
	struct group_list *list = context;

	if (group->application != list->application)
		return;
	xgrow(&list->items, &list->cap, list->n);
	list->items[list->n++] = group;
}

static void collect_groups(
	const struct call *call, const struct application *application, struct group_list *ret)
{
	*ret = (struct group_list){ .application = application };
	if (application->n_groups > 0)
		fleet_each_group(call_fleet(call), collect_group, ret);
}

static void update_application(struct call *call)
{
	struct application *application;
	const char *new_name;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	new_name = check_required_name(&check, &APPLICATION_NAME, "newApplicationName");
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (!application)
		return;
	if (strcmp(name, new_name) != 0) {
		struct group_list groups;

		if (fleet_rename_application(call_fleet(call), application, new_name) < 0) {
			fail_taken(call, new_name);
			return;
		}
		store_rename_application(call_store(call), application->id, new_name);
		collect_groups(call, application, &groups);
		/* What runs is shown under the new name as well. */
		for (size_t i = 0; i < groups.n; i++) {
			struct deployment *active = groups.items[i]->active;

			if (active)
				(void)snprintf(active->record.application_name,
					sizeof(active->record.application_name), "%s",
					new_name);
		}
		free(groups.items);
	}
	call_answer(call, NULL);
}

/* Whatever runs in its groups: what cleans up must not depend on it. */
static void delete_application(struct call *call)
{
	struct application *application;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	if (!check_passed(&check))
		return;
	application = fleet_find_application(call_fleet(call), name);
	if (application) {
		struct group_list groups;

		collect_groups(call, application, &groups);
		for (size_t i = 0; i < groups.n; i++)
			group_delete(call, groups.items[i], "APPLICATION_MISSING");
		free(groups.items);
		resource_tags_forget(call_store(call), application->id);
		store_delete_application(call_store(call), application->id);
		fleet_remove_application(call_fleet(call), application);
	}
	call_answer(call, NULL);
}

const struct operation application_operations[] = {
	{ "CreateApplication", create_application, true },
	{ "GetApplication", get_application, false },
	{ "BatchGetApplications", batch_get_applications, false },
	{ "ListApplications", list_applications, false },
	{ "UpdateApplication", update_application, true },
	{ "DeleteApplication", delete_application, true },
	{ NULL },
};
