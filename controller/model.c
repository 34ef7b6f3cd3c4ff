/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller/tags.h"

void group_free(struct group *group)
{
	if (!group)
		return;
	free(group->settings);
	free(group->target_revision);
	tag_selection_done(&group->on_premises);
	tag_selection_done(&group->ec2);
	free(group);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	free(host->iam_arn);
	free(host->instance_arn);
	tags_done(&host->tags);
	free(host);
}

void key_free(struct key *key)
{
	if (!key)
		return;
	if (key->secret)
		explicit_bzero(key->secret, strlen(key->secret));
	explicit_bzero(key->derived, sizeof(key->derived));
	free(key->user_arn);
	free(key->applications);
	free(key->secret);
	free(key);
}

void deployment_record_done(struct deployment_record *record)
{
	if (!record)
		return;
	free(record->revision);
	free(record->previous_revision);
	free(record->description);
	free(record->created_by);
	free(record->error_code);
	free(record->error_message);
	free(record->auto_rollback);
	free(record->alarm_override);
	free(record->messages);
	free(record->rollback_message);
	free(record->rollout);
	*record = (struct deployment_record){ 0 };
}

void event_record_done(struct event_record *record)
{
	if (!record)
		return;
	free(record->script_name);
	free(record->message);
	free(record->log_tail);
	*record = (struct event_record){ 0 };
}

void revision_record_done(struct revision_record *record)
{
	if (!record)
		return;
	free(record->location);
	free(record->description);
	*record = (struct revision_record){ 0 };
}

/* ---- a group's settings ---- */

/* A kind of hosts is chosen by a list of filters or by a set of such lists, never by both. */
static int read_selection(struct tag_selection *ret, const json_t *settings,
	const char *list_name, const char *set_name, const char *inner_name, struct error *err)
{
	const json_t *set = json_object_get(settings, set_name);
	const json_t *lists = json_object_get(set, inner_name);
	int r;

	if (json_array_size(lists) > 0)
		r = tag_selection_from_json(ret, lists, true, err);
	else
		r = tag_selection_from_json(
			ret, json_object_get(settings, list_name), false, err);
	return r < 0 ? error_wrap(err, "%s", list_name) : 0;
}

static int read_auto_rollback(
	struct auto_rollback *ret, const json_t *settings, struct error *err)
{
	static const char member[] = "autoRollbackConfiguration";
	const json_t *object = json_object_get(settings, member);
	struct auto_rollback found = { 0 };
	size_t i;
	json_t *item;

	if (json_is_object(object) &&
		json_find_bool(object, "enabled", &found.enabled, err) < 0)
		return error_wrap(err, "%s", member);
	json_array_foreach(json_object_get(object, "events"), i, item)
	{
		const char *name = json_string_value(item);

		if (name && strcmp(name, "DEPLOYMENT_FAILURE") == 0)
			found.on_failure = true;
		else if (name && strcmp(name, "DEPLOYMENT_STOP_ON_ALARM") == 0)
			found.on_alarm = true;
		else if (name && strcmp(name, "DEPLOYMENT_STOP_ON_REQUEST") == 0)
			found.on_stop = true;
		else
			return error_set(err, -EBADMSG, "%s: unknown event '%.40s'", member,
				name ? name : "");
	}
	*ret = found;
	return 0;
}

int group_read_settings(struct group *group, struct error *err)
{
	cleanup_with(json_decrefp) json_t *settings = NULL;
	cleanup_with(tag_selection_done) struct tag_selection on_premises = { 0 };
	cleanup_with(tag_selection_done) struct tag_selection ec2 = { 0 };
	struct tag_selection old;
	int r;

	r = json_parse_object(&settings, group->settings, strlen(group->settings), err);
	if (r == 0)
		r = read_selection(&on_premises, settings, "onPremisesInstanceTagFilters",
			"onPremisesTagSet", "onPremisesTagSetList", err);
	if (r == 0)
		r = read_selection(
			&ec2, settings, "ec2TagFilters", "ec2TagSet", "ec2TagSetList", err);
	if (r == 0)
		r = read_auto_rollback(&group->auto_rollback, settings, err);
	if (r < 0)
		return error_wrap(err, "settings of group %s", group->name);
	/* The old ones go with the scope. */
	old = group->on_premises;
	group->on_premises = on_premises;
	on_premises = old;
	old = group->ec2;
	group->ec2 = ec2;
	ec2 = old;
	return 0;
}
