/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/group_settings.h"

#include <string.h>

#include "controller/arn.h"
#include "controller/call.h"
#include "controller/check.h"

/* The settings that bring others into a deployment: triggers and load balancers. */

enum {
	TRIGGERS_LIMIT = 10,
	TRIGGER_LENGTH = 255,
	BALANCERS_LIMIT = 10,
	BALANCER_LENGTH = 255,
};

/* Whether the list of objects has one whose `member` is `name`. */
static bool has_name(const json_t *list, const char *member, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(item, member)), name) == 0)
			return true;
	}
	return false;
}

/*
 * The `name` of an object in a list, of 1 to `limit` characters, none twice. NULL, and the
 * check failed, otherwise.
 */
static const char *check_unique(struct check *check, const json_t *earlier,
	const json_t *object, const char *member, size_t limit, const char *list,
	const char *invalid)
{
	const char *name = check_string(check, object, member);
	size_t n = name ? check_n_characters(name) : 0;

	if (n == 0 || n > limit)
		check_fail(check, CHECK_FORM, invalid,
			"Element %zu of \"%s\" needs a \"%s\" of 1 to %zu characters",
			json_array_size(earlier) + 1, list, member, limit);
	else if (has_name(earlier, member, name))
		check_fail(check, CHECK_FORM, invalid, "'%.255s' is given twice in \"%s\"",
			name, list);
	else
		return name;
	return NULL;
}

/* ---- triggers ---- */

static json_t *take_events(
	struct check *check, const json_t *list, const char *const *words, const char *invalid)
{
	json_t *ret = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *event = json_string_value(json_array_get(list, i));
		size_t known = 0;

		while (words[known] && strcmp(words[known], event) != 0)
			known++;
		if (words[known])
			(void)json_array_append_new(ret, json_string(event));
		else
			check_fail(check, CHECK_FORM, invalid,
				"'%.100s' is no event of a trigger; DeploymentStart, "
				"DeploymentFailure and InstanceFailure are some",
				event);
	}
	return ret;
}

/* No sentence has the words "Topic ARN": Terraform would try again for five minutes. */
static json_t *take_trigger(struct check *check, const json_t *earlier, const json_t *given)
{
	static const char invalid[] = "InvalidTriggerConfigException";
	static const char *const words[] = { "DeploymentStart", "DeploymentSuccess",
		"DeploymentFailure", "DeploymentStop", "DeploymentRollback", "DeploymentReady",
		"InstanceStart", "InstanceSuccess", "InstanceFailure", "InstanceReady", NULL };
	const char *name = check_unique(check, earlier, given, "triggerName", TRIGGER_LENGTH,
		"triggerConfigurations", invalid);
	const char *target = check_text(check, given, "triggerTargetArn", ARN_LENGTH, invalid);
	const json_t *events = check_strings(check, given, "triggerEvents");

	if (!target || !arn_is_of(target, "sns", NULL))
		check_fail(check, CHECK_FORM, invalid,
			"The target of a trigger must have the form "
			"arn:aws:sns:REGION:ACCOUNT:NAME");
	if (json_array_size(events) == 0)
		check_fail(check, CHECK_FORM, invalid,
			"Element %zu of \"triggerConfigurations\" has no events",
			json_array_size(earlier) + 1);
	if (!name || !target)
		return NULL;
	return json_pack("{s:s, s:s, s:o}", "triggerName", name, "triggerTargetArn", target,
		"triggerEvents", take_events(check, events, words, invalid));
}

void group_settings_take_triggers(struct check *check, json_t *settings)
{
	static const char member[] = "triggerConfigurations";
	const json_t *given = check_objects(check, check->call->input, member);
	json_t *list;

	if (!given)
		return;
	if (json_array_size(given) > TRIGGERS_LIMIT) {
		check_fail(check, CHECK_FORM, "TriggerTargetsLimitExceededException",
			"\"%s\" holds %zu triggers; at most %d are allowed", member,
			json_array_size(given), TRIGGERS_LIMIT);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < json_array_size(given); i++) {
		json_t *trigger = take_trigger(check, list, json_array_get(given, i));

		if (trigger)
			(void)json_array_append_new(list, trigger);
	}
	(void)json_object_del(settings, member);
	if (json_array_size(list) > 0)
		(void)json_object_set(settings, member, list);
	json_decref(list);
}

/* ---- load balancers ---- */

static void take_balancer_list(
	struct check *check, json_t *ret, const json_t *given, const char *member)
{
	static const char invalid[] = "InvalidLoadBalancerInfoException";
	const json_t *list = check_objects(check, given, member);
	json_t *names;

	if (json_array_size(list) == 0)
		return;
	if (json_array_size(list) > BALANCERS_LIMIT) {
		check_fail(check, CHECK_FORM, invalid,
			"\"%s\" holds %zu names; at most %d are allowed", member,
			json_array_size(list), BALANCERS_LIMIT);
		return;
	}
	names = json_array();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = check_unique(check, names, json_array_get(list, i), "name",
			BALANCER_LENGTH, member, invalid);

		if (name)
			(void)json_array_append_new(names, json_pack("{s:s}", "name", name));
	}
	(void)json_object_set_new(ret, member, names);
}

void group_settings_take_balancers(struct check *check, json_t *settings)
{
	static const char member[] = "loadBalancerInfo";
	const json_t *given = check_object(check, check->call->input, member);
	json_t *info;

	if (!given)
		return;
	if (json_array_size(check_list(check, given, "targetGroupPairInfoList")) > 0)
		check_fail(check, CHECK_FORM, "InvalidTargetGroupPairException",
			"Pairs of target groups are for Amazon ECS; "
			"leave \"targetGroupPairInfoList\" away");
	info = json_object();
	take_balancer_list(check, info, given, "elbInfoList");
	take_balancer_list(check, info, given, "targetGroupInfoList");
	(void)json_object_del(settings, member);
	if (json_object_size(info) > 0)
		(void)json_object_set(settings, member, info);
	json_decref(info);
}
