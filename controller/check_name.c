/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/check.h"

#include <string.h>

#include "controller/call.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/tags.h"

const struct name_rule APPLICATION_NAME = {
	.member = "applicationName",
	.what = "application name",
	.required = "ApplicationNameRequiredException",
	.invalid = "InvalidApplicationNameException",
};
const struct name_rule GROUP_NAME = {
	.member = "deploymentGroupName",
	.what = "deployment group name",
	.required = "DeploymentGroupNameRequiredException",
	.invalid = "InvalidDeploymentGroupNameException",
};
const struct name_rule CONFIG_NAME = {
	.member = "deploymentConfigName",
	.what = "deployment configuration name",
	.required = "DeploymentConfigNameRequiredException",
	.invalid = "InvalidDeploymentConfigNameException",
};
const struct name_rule HOST_NAME = {
	.member = "instanceName",
	.what = "instance name",
	.required = "InstanceNameRequiredException",
	.invalid = "InvalidInstanceNameException",
	.is_host = true,
};

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz"
			       "0123456789"
			       "._+=,@-";

static void check_form(struct check *check, const struct name_rule *rule, const char *name)
{
	size_t n = check_n_characters(name);
	size_t good = strspn(name, ALPHABET);

	if (n > NAME_LENGTH)
		check_fail(check, CHECK_FORM, rule->invalid,
			"The %s '%.100s' has %zu characters; at most %d are allowed",
			rule->what, name, n, NAME_LENGTH);
	else if (name[good] != '\0')
		check_fail(check, CHECK_FORM, rule->invalid,
			"The %s '%.400s' may hold only letters, digits and . _ + = , @ -",
			rule->what, name);
	else if (rule->is_host && strncmp(name, "i-", 2) == 0)
		check_fail(check, CHECK_FORM, rule->invalid,
			"The %s '%s' begins with 'i-', as only names of EC2 instances do; "
			"choose another",
			rule->what, name);
}

const char *check_name_member(
	struct check *check, const struct name_rule *rule, const char *member)
{
	const char *name = check_string(check, check->call->input, member);

	if (!name || *name == '\0')
		return NULL;
	check_form(check, rule, name);
	return name;
}

const char *check_required_name(
	struct check *check, const struct name_rule *rule, const char *member)
{
	const char *name = check_name_member(check, rule, member);

	if (!name)
		check_fail(check, CHECK_REQUIRED, rule->required, "No %s is given: set \"%s\"",
			rule->what, member);
	return name;
}

const char *check_name(struct check *check, const struct name_rule *rule)
{
	return check_required_name(check, rule, rule->member);
}

const json_t *check_names(struct check *check, const struct name_rule *rule, const char *member,
	size_t limit, const char *too_many)
{
	const json_t *list = check_strings(check, check->call->input, member);
	size_t n = json_array_size(list);

	if (n == 0)
		check_fail(check, CHECK_REQUIRED, rule->required,
			"No %s is given: \"%s\" needs at least one", rule->what, member);
	if (n > limit) {
		check_fail(check, CHECK_FORM, too_many,
			"\"%s\" holds %zu names; at most %zu are allowed in one call", member,
			n, limit);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (*name == '\0')
			check_fail(check, CHECK_REQUIRED, rule->required,
				"Element %zu of \"%s\" is empty", i + 1, member);
		else
			check_form(check, rule, name);
	}
	return list;
}

static void check_tag(struct check *check, const char *member, size_t i, const char *invalid,
	struct tags *tags)
{
	const json_t *tag = json_array_get(json_object_get(check->call->input, member), i);
	const char *key = check_string(check, tag, "Key");
	const char *value = check_string(check, tag, "Value");
	size_t key_length = key ? check_n_characters(key) : 0;
	size_t value_length = value ? check_n_characters(value) : 0;

	if (key_length == 0 || key_length > TAG_KEY_LENGTH)
		check_fail(check, CHECK_FORM, invalid,
			"\"Key\" of tag %zu of \"%s\" has %zu characters; it must have 1 to %d",
			i + 1, member, key_length, TAG_KEY_LENGTH);
	else if (value_length > TAG_VALUE_LENGTH)
		check_fail(check, CHECK_FORM, invalid,
			"Tag '%.128s' has a value of %zu characters; at most %d are allowed",
			key, value_length, TAG_VALUE_LENGTH);
	else if (tags_find(tags, key))
		check_fail(check, CHECK_FORM, invalid,
			"Tag '%.128s' is given twice; give each key once", key);
	else
		tags_set(tags, key, value ? value : "");
}

void check_tags(struct check *check, const char *member, const char *invalid, struct tags *ret)
{
	const json_t *list = check_objects(check, check->call->input, member);

	*ret = (struct tags){ 0 };
	/* Each is looked for among those before it: no more than anybody could want. */
	if (json_array_size(list) > TAGS_LIMIT) {
		check_fail(check, CHECK_FORM, invalid,
			"\"%s\" holds %zu tags; at most %d are allowed", member,
			json_array_size(list), TAGS_LIMIT);
		return;
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		check_tag(check, member, i, invalid, ret);
}

void check_platform(struct check *check)
{
	const char *platform = check_string(check, check->call->input, "computePlatform");

	if (platform && strcmp(platform, "Server") != 0)
		check_fail(check, CHECK_FORM, "InvalidComputePlatformException",
			"\"computePlatform\" is '%.100s'; this controller deploys to servers "
			"only: leave it away or set it to Server",
			platform);
}

const char *check_deployment_id(struct check *check)
{
	const char *id = check_string(check, check->call->input, "deploymentId");

	if (!id || *id == '\0') {
		check_fail(check, CHECK_REQUIRED, "DeploymentIdRequiredException",
			"No deployment ID is given: set \"deploymentId\"");
		return NULL;
	}
	if (!identifier_is_deployment(id))
		check_fail(check, CHECK_FORM, "InvalidDeploymentIdException",
			"'%.100s' is not a deployment ID; it is 'd-' and nine upper-case "
			"letters or digits",
			id);
	return id;
}

struct application *check_application(struct call *call, const char *name)
{
	struct application *application = fleet_find_application(call_fleet(call), name);

	if (!application)
		call_fail(call, "ApplicationDoesNotExistException",
			"No application found for name: %s", name);
	return application;
}

struct group *check_group(
	struct call *call, const struct application *application, const char *name)
{
	struct group *group = fleet_find_group(call_fleet(call), application, name);

	if (!group)
		call_fail(call, "DeploymentGroupDoesNotExistException",
			"No Deployment Group found for name: %s", name);
	return group;
}

struct deployment_config *check_config(struct call *call, const char *name)
{
	struct deployment_config *config = fleet_find_config(call_fleet(call), name);

	if (!config)
		call_fail(call, "DeploymentConfigDoesNotExistException",
			"No deployment configuration found for name: %s; "
			"list-deployment-configs shows all",
			name);
	return config;
}
