/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_revision.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/fleet.h"
#include "controller/revision_location.h"
#include "controller/store.h"

/* Revisions registered with an application: what may be deployed, and where it lies. */

static const char NOT_REGISTERED[] = "RevisionDoesNotExistException";

/* The groups whose target a revision is. */
struct target_groups {
	const struct application *application;
	const char *location;
	json_t *names;
};

static void add_if_target(void *context, struct group *group)
{
	const struct target_groups *groups = context;

	if (group->application == groups->application && group->target_revision &&
		strcmp(group->target_revision, groups->location) == 0)
		(void)json_array_append_new(groups->names, json_string(group->name));
}

static json_t *groups_of(
	const struct call *call, const struct application *application, const char *location)
{
	struct target_groups groups = { application, location, json_array() };

	if (application->n_groups > 0)
		fleet_each_group(call_fleet(call), add_if_target, &groups);
	return groups.names;
}

/* GenericRevisionInfo */
static json_t *revision_info(const struct call *call, const struct application *application,
	const struct revision_record *record)
{
	json_t *info = json_object();

	answer_text(info, "description", record->description);
	(void)json_object_set_new(
		info, "deploymentGroups", groups_of(call, application, record->location));
	answer_time(info, "firstUsedTime", record->first_used_ms);
	answer_time(info, "lastUsedTime", record->last_used_ms);
	answer_time(info, "registerTime", record->registered_ms);
	return info;
}

static void register_revision(struct call *call)
{
	cleanup_with(revision_record_done) struct revision_record record = { 0 };
	const struct application *application;
	cleanup_with(freep) char *location = NULL;
	struct error err = ERROR_NONE;
	const char *description;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	description = check_text(&check, call->input, "description", DESCRIPTION_LENGTH,
		"DescriptionTooLongException");
	location = revision_location_check(&check);
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (!application)
		return;
	if (store_find_revision(call_store(call), application->id, location, &record, &err) <
		0) {
		check_internal(call, &err);
		return;
	}
	if (!record.location) {
		memcpy(record.application_id, application->id, sizeof(record.application_id));
		record.location = take(&location);
	}
	free(record.description);
	record.description = xstrdup(description ? description : "");
	record.registered_ms = call->now_ms;
	store_put_revision(call_store(call), &record);
	call_answer(call, NULL);
}

static void get_revision(struct call *call)
{
	cleanup_with(revision_record_done) struct revision_record record = { 0 };
	const struct application *application;
	cleanup_with(freep) char *location = NULL;
	struct error err = ERROR_NONE;
	struct check check;
	const char *name;
	json_t *answer;
	int r;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	location = revision_location_check(&check);
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (!application)
		return;
	r = store_find_revision(call_store(call), application->id, location, &record, &err);
	if (r < 0) {
		check_internal(call, &err);
		return;
	}
	if (r == 0) {
		call_fail(call, NOT_REGISTERED,
			"No revision is registered with %s under exactly this location: %s",
			name, location);
		return;
	}
	answer = json_pack("{s:s, s:o}", "applicationName", name, "revisionInfo",
		revision_info(call, application, &record));
	answer_json(answer, "revision", record.location);
	call_answer(call, answer);
}

/* ---- several at once ---- */

/* Their canonical locations, a list of texts; NULL if the check failed. */
static json_t *check_revisions(struct check *check)
{
	const json_t *list = check_objects(check, check->call->input, "revisions");
	json_t *locations = json_array();

	if (json_array_size(list) == 0)
		check_fail(check, CHECK_REQUIRED, "RevisionRequiredException",
			"No revision is given: \"revisions\" needs at least one");
	if (json_array_size(list) > BATCH_LIMIT) {
		check_fail(check, CHECK_FORM, "BatchLimitExceededException",
			"\"revisions\" holds %zu; at most %d are allowed in one call",
			json_array_size(list), BATCH_LIMIT);
		return locations;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		cleanup_with(freep) char *location = revision_location_check_object(
			check, json_array_get(list, i), "revision");

		if (location)
			(void)json_array_append_new(locations, json_string(location));
	}
	return locations;
}

/* Adds the revision, or a sentence if it is not registered. 0, or a negative errno. */
static int add_revision(struct call *call, const struct application *application,
	const char *location, json_t *answer, struct error *err)
{
	cleanup_with(revision_record_done) struct revision_record record = { 0 };
	int r = store_find_revision(call_store(call), application->id, location, &record, err);
	json_t *info;

	if (r < 0)
		return r;
	if (r == 0) {
		(void)json_object_set_new(answer, "errorMessage",
			json_sprintf("No revision is registered with %s under exactly this "
				     "location: %s",
				application->name, location));
		return 0;
	}
	info = json_object();
	answer_json(info, "revisionLocation", record.location);
	(void)json_object_set_new(
		info, "genericRevisionInfo", revision_info(call, application, &record));
	(void)json_array_append_new(json_object_get(answer, "revisions"), info);
	return 0;
}

/* Those that are not registered are left out, with a word in errorMessage. */
static void batch_get_revisions(struct call *call)
{
	cleanup_with(json_decrefp) json_t *locations = NULL;
	cleanup_with(json_decrefp) json_t *answer = NULL;
	const struct application *application;
	struct error err = ERROR_NONE;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	locations = check_revisions(&check);
	if (!check_passed(&check))
		return;
	application = check_application(call, name);
	if (!application)
		return;
	answer = json_pack("{s:s, s:[]}", "applicationName", name, "revisions");
	for (size_t i = 0; i < json_array_size(locations); i++) {
		const char *location = json_string_value(json_array_get(locations, i));

		if (add_revision(call, application, location, answer, &err) < 0) {
			check_internal(call, &err);
			return;
		}
	}
	call_answer(call, take(&answer));
}

const struct operation revision_operations[] = {
	{ "RegisterApplicationRevision", register_revision, true },
	{ "GetApplicationRevision", get_revision, false },
	{ "BatchGetApplicationRevisions", batch_get_revisions, false },
	{ "ListApplicationRevisions", list_revisions, false },
	{ NULL },
};
