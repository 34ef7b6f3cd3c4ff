/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/group_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/arn.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/check_options.h"
#include "controller/tags.h"

enum {
	FILTERS_LIMIT = 100,
	TAG_GROUPS_LIMIT = 3,
	TAG_GROUP_LIMIT = 10,
	SCALING_GROUPS_LIMIT = 10,
	SCALING_GROUP_LENGTH = 255,
};

/* How one kind of host is selected; EC2's filters choose among the same hosts here. */
struct selector {
	const char *list;
	const char *set;
	const char *set_list;
	const char *invalid;
	const char *combination;
};

static const struct selector EC2 = { "ec2TagFilters", "ec2TagSet", "ec2TagSetList",
	"InvalidEC2TagException", "InvalidEC2TagCombinationException" };
static const struct selector ON_PREMISES = { "onPremisesInstanceTagFilters", "onPremisesTagSet",
	"onPremisesTagSetList", "InvalidTagException",
	"InvalidOnPremisesTagCombinationException" };

static void copy_member(json_t *ret, const json_t *object, const char *member)
{
	json_t *value = json_object_get(object, member);

	if (value && !json_is_null(value))
		(void)json_object_set(ret, member, value);
}

/* What is known of it, so that nothing comes back that nobody looked at. */
static json_t *take_filter(
	struct check *check, const struct selector *selector, const json_t *filter)
{
	json_t *ret = json_object();

	(void)check_text(check, filter, "Key", TAG_KEY_LENGTH, selector->invalid);
	(void)check_text(check, filter, "Value", TAG_VALUE_LENGTH, selector->invalid);
	(void)check_string(check, filter, "Type");
	copy_member(ret, filter, "Key");
	copy_member(ret, filter, "Value");
	copy_member(ret, filter, "Type");
	return ret;
}

static json_t *take_filters(
	struct check *check, const struct selector *selector, const json_t *list)
{
	json_t *ret = json_array();

	for (size_t i = 0; i < json_array_size(list); i++)
		(void)json_array_append_new(
			ret, take_filter(check, selector, json_array_get(list, i)));
	return ret;
}

static void check_selection(
	struct check *check, const struct selector *selector, const json_t *list, bool is_set)
{
	cleanup_with(tag_selection_done) struct tag_selection selection = { 0 };
	struct error err = ERROR_NONE;

	if (tag_selection_from_json(&selection, list, is_set, &err) < 0)
		check_fail(check, CHECK_FORM, selector->invalid, "%s: %s",
			is_set ? selector->set : selector->list, err.text);
}

static json_t *take_list(struct check *check, const struct selector *selector)
{
	const json_t *list = check_objects(check, check->call->input, selector->list);
	json_t *ret;

	if (!list)
		return NULL;
	if (json_array_size(list) > FILTERS_LIMIT) {
		check_fail(check, CHECK_FORM, selector->invalid,
			"\"%s\" holds %zu filters; at most %d are allowed", selector->list,
			json_array_size(list), FILTERS_LIMIT);
		return NULL;
	}
	ret = take_filters(check, selector, list);
	check_selection(check, selector, ret, false);
	return ret;
}

/* One tag group of a set; false if it is no list of objects. */
static bool check_tag_group(
	struct check *check, const struct selector *selector, const json_t *group, size_t i)
{
	for (size_t j = 0; j < json_array_size(group); j++) {
		if (!json_is_object(json_array_get(group, j)))
			group = NULL;
	}
	if (!json_is_array(group)) {
		check_fail(check, CHECK_TYPE, "SerializationException",
			"Element %zu of \"%s\" must be a list of objects", i + 1,
			selector->set_list);
		return false;
	}
	if (json_array_size(group) > TAG_GROUP_LIMIT)
		check_fail(check, CHECK_FORM, "TagSetListLimitExceededException",
			"Tag group %zu of \"%s\" holds %zu tags; at most %d are allowed", i + 1,
			selector->set, json_array_size(group), TAG_GROUP_LIMIT);
	return true;
}

/* The list of lists, empty if the set is; NULL if there is no set. */
static json_t *take_set(struct check *check, const struct selector *selector)
{
	const json_t *set = check_object(check, check->call->input, selector->set);
	const json_t *list = check_list(check, set, selector->set_list);
	json_t *ret;

	if (!set)
		return NULL;
	ret = json_array();
	if (json_array_size(list) > TAG_GROUPS_LIMIT) {
		check_fail(check, CHECK_FORM, "TagSetListLimitExceededException",
			"\"%s\" holds %zu tag groups; at most %d are allowed", selector->set,
			json_array_size(list), TAG_GROUPS_LIMIT);
		return ret;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *group = json_array_get(list, i);

		if (check_tag_group(check, selector, group, i))
			(void)json_array_append_new(ret, take_filters(check, selector, group));
	}
	check_selection(check, selector, ret, true);
	return ret;
}

static void take_selector(
	struct check *check, json_t *settings, const struct selector *selector)
{
	cleanup_with(json_decrefp) json_t *list = take_list(check, selector);
	cleanup_with(json_decrefp) json_t *set = take_set(check, selector);
	bool has_list = json_array_size(list) > 0;
	bool has_set = json_array_size(set) > 0;

	if (has_list && has_set)
		check_fail(check, CHECK_FORM, selector->combination,
			"Both \"%s\" and \"%s\" are given; give one", selector->list,
			selector->set);
	if (list || has_set)
		(void)json_object_del(settings, selector->list);
	if (set || has_list)
		(void)json_object_del(settings, selector->set);
	if (has_list)
		(void)json_object_set(settings, selector->list, list);
	if (has_set)
		(void)json_object_set_new(
			settings, selector->set, json_pack("{s:O}", selector->set_list, set));
}

/* Names in the input, objects in the answer. */
static void take_scaling_groups(struct check *check, json_t *settings)
{
	static const char member[] = "autoScalingGroups";
	static const char invalid[] = "InvalidAutoScalingGroupException";
	const json_t *names = check_strings(check, check->call->input, member);
	json_t *list;

	if (!names)
		return;
	if (json_array_size(names) > SCALING_GROUPS_LIMIT)
		check_fail(check, CHECK_FORM, invalid,
			"\"%s\" holds %zu names; at most %d are allowed", member,
			json_array_size(names), SCALING_GROUPS_LIMIT);
	list = json_array();
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		size_t n = check_n_characters(name);

		if (n == 0 || n > SCALING_GROUP_LENGTH)
			check_fail(check, CHECK_FORM, invalid,
				"Element %zu of \"%s\" must have 1 to %d characters", i + 1,
				member, SCALING_GROUP_LENGTH);
		(void)json_array_append_new(list, json_pack("{s:s}", "name", name));
	}
	(void)json_object_del(settings, member);
	if (json_array_size(list) > 0)
		(void)json_object_set(settings, member, list);
	json_decref(list);
}

/*
 * A wrong role is not InvalidRoleException: Terraform takes that for a role which is not yet
 * known everywhere, and tries for five minutes.
 */
static void take_role(struct check *check, json_t *settings, bool is_new)
{
	const char *role = check_text(check, check->call->input, "serviceRoleArn", ARN_LENGTH,
		"InvalidInputException");
	const char *resource = NULL;

	if (!role || *role == '\0') {
		if (is_new)
			check_fail(check, CHECK_REQUIRED, "RoleRequiredException",
				"No service role is given: set \"serviceRoleArn\"; any role's "
				"ARN will do, nothing is done in its name");
		return;
	}
	if (!arn_is_of(role, "iam", &resource) || strncmp(resource, "role/", 5) != 0 ||
		resource[5] == '\0')
		check_fail(check, CHECK_FORM, "InvalidInputException",
			"The service role '%.200s' must have the form "
			"arn:aws:iam::ACCOUNT:role/NAME",
			role);
	(void)json_object_set_new(settings, "serviceRoleArn", json_string(role));
}

static void take_style(struct check *check, json_t *settings)
{
	static const char invalid[] = "InvalidDeploymentStyleException";
	static const char *const options[] = { "WITHOUT_TRAFFIC_CONTROL",
		"WITH_TRAFFIC_CONTROL", NULL };
	const json_t *style = check_object(check, check->call->input, "deploymentStyle");
	int option = check_word(check, style, "deploymentOption", options, invalid);
	const char *type = check_string(check, style, "deploymentType");

	if (!style)
		return;
	if (type && strcmp(type, "IN_PLACE") != 0)
		check_fail(check, CHECK_FORM, invalid,
			"\"deploymentType\" is '%.100s'; this version deploys in place only: "
			"leave it away or set it to IN_PLACE",
			type);
	(void)json_object_set_new(settings, "deploymentStyle",
		json_pack("{s:s, s:s}", "deploymentType", "IN_PLACE", "deploymentOption",
			options[option < 0 ? 0 : option]));
}

static void take_words(struct check *check, json_t *settings)
{
	static const char *const strategies[] = { "UPDATE", "IGNORE", NULL };
	const json_t *input = check->call->input;
	int strategy = check_word(
		check, input, "outdatedInstancesStrategy", strategies, "InvalidInputException");

	if (strategy >= 0)
		(void)json_object_set_new(settings, "outdatedInstancesStrategy",
			json_string(strategies[strategy]));
	if (check_has(input, "terminationHookEnabled"))
		(void)json_object_set_new(settings, "terminationHookEnabled",
			json_boolean(
				check_bool(check, input, "terminationHookEnabled", false)));
}

/* What another kind of deployment is made of: accepted, it would never do what it says. */
static void refuse_others(struct check *check)
{
	const json_t *input = check->call->input;

	if (json_object_size(check_object(check, input, "blueGreenDeploymentConfiguration")) >
		0)
		check_fail(check, CHECK_FORM,
			"InvalidBlueGreenDeploymentConfigurationException",
			"This version does not deploy blue/green: leave "
			"\"blueGreenDeploymentConfiguration\" away");
	if (json_array_size(check_list(check, input, "ecsServices")) > 0)
		check_fail(check, CHECK_FORM, "InvalidECSServiceException",
			"This controller deploys to servers only: leave \"ecsServices\" away");
}

/* Kept with all members, as AWS shows it, of what is known; nothing for an empty object. */
static void take_options(json_t *settings, const char *member, const json_t *given,
	const char *const *flags, const char *list)
{
	json_t *options;

	if (!given)
		return;
	(void)json_object_del(settings, member);
	if (json_object_size(given) == 0)
		return;
	options = json_object();
	for (; *flags; flags++)
		(void)json_object_set_new(options, *flags,
			json_boolean(json_is_true(json_object_get(given, *flags))));
	(void)json_object_set_new(options, list, json_array());
	copy_member(options, given, list);
	(void)json_object_set_new(settings, member, options);
}

static void take_rollback(struct check *check, json_t *settings)
{
	static const char *const flags[] = { "enabled", NULL };
	struct auto_rollback rollback;
	const json_t *given = check_auto_rollback(check, &rollback);

	take_options(settings, "autoRollbackConfiguration", given, flags, "events");
}

static void take_alarms(struct check *check, json_t *settings)
{
	static const char *const flags[] = { "enabled", "ignorePollAlarmFailure", NULL };
	const json_t *given = check_alarms(check, "alarmConfiguration");

	take_options(settings, "alarmConfiguration", given, flags, "alarms");
}

void group_settings_take(struct check *check, json_t *settings, bool is_new)
{
	take_selector(check, settings, &EC2);
	take_selector(check, settings, &ON_PREMISES);
	take_scaling_groups(check, settings);
	take_role(check, settings, is_new);
	group_settings_take_triggers(check, settings);
	take_alarms(check, settings);
	take_rollback(check, settings);
	group_settings_take_balancers(check, settings);
	take_style(check, settings);
	refuse_others(check);
	take_words(check, settings);
}
