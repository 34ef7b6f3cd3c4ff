/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/page.h"
#include "controller/resource_tags.h"
#include "controller/store.h"

/* Deployment configurations: how many hosts must stay healthy meanwhile. */

#define CONFIG_PREDEFINED "CodeDeployDefault."

static const char INVALID_MINIMUM[] = "InvalidMinimumHealthyHostValueException";

static json_t *config_info(const struct deployment_config *config)
{
	static const char *const types[] = {
		[MINIMUM_HOST_COUNT] = "HOST_COUNT",
		[MINIMUM_FLEET_PERCENT] = "FLEET_PERCENT",
		[MINIMUM_MOST_CONCURRENCY] = "MOST_CONCURRENCY",
	};
	json_t *info = json_object();

	answer_text(info, "deploymentConfigId", config->id);
	answer_text(info, "deploymentConfigName", config->name);
	(void)json_object_set_new(info, "minimumHealthyHosts",
		json_pack("{s:s, s:I}", "type", types[config->minimum.type], "value",
			(json_int_t)config->minimum.value));
	answer_time(info, "createTime", config->created_ms);
	answer_text(info, "computePlatform", "Server");
	return info;
}

static void check_value(struct check *check, struct minimum_healthy *minimum, int64_t value)
{
	if (value < 0 || value > INT32_MAX)
		check_fail(check, CHECK_FORM, INVALID_MINIMUM,
			"\"value\" of minimumHealthyHosts is %" PRId64 "; it must be 0 or more",
			value);
	else if (minimum->type == MINIMUM_FLEET_PERCENT && value > 99)
		check_fail(check, CHECK_FORM, INVALID_MINIMUM,
			"\"value\" of minimumHealthyHosts is %" PRId64
			" percent; it must be 0 to 99, or nothing could ever be deployed",
			value);
	else
		minimum->value = (uint32_t)value;
}

static struct minimum_healthy check_minimum(struct check *check)
{
	static const char *const types[] = { "HOST_COUNT", "FLEET_PERCENT", NULL };
	const json_t *given = check_object(check, check->call->input, "minimumHealthyHosts");
	struct minimum_healthy minimum = { 0 };
	int type;

	if (!given) {
		check_fail(check, CHECK_FORM, INVALID_MINIMUM,
			"A configuration for servers needs \"minimumHealthyHosts\"");
		return minimum;
	}
	type = check_word(check, given, "type", types, INVALID_MINIMUM);
	if (type < 0)
		check_fail(check, CHECK_FORM, INVALID_MINIMUM,
			"\"type\" of minimumHealthyHosts is missing; "
			"it must be HOST_COUNT or FLEET_PERCENT");
	if (!check_has(given, "value"))
		check_fail(check, CHECK_FORM, INVALID_MINIMUM,
			"\"value\" of minimumHealthyHosts is missing");
	minimum.type = type == 1 ? MINIMUM_FLEET_PERCENT : MINIMUM_HOST_COUNT;
	check_value(check, &minimum, check_integer(check, given, "value", 0));
	return minimum;
}

/* What belongs to other platforms, or would not be done: never accepted in silence. */
static void check_unsupported(struct check *check)
{
	const json_t *zones = check_object(check, check->call->input, "zonalConfig");
	const json_t *routing = check_object(check, check->call->input, "trafficRoutingConfig");

	if (json_object_size(routing) > 0)
		check_fail(check, CHECK_FORM, "InvalidTrafficRoutingConfigurationException",
			"\"trafficRoutingConfig\" is for AWS Lambda and Amazon ECS; "
			"leave it away");
	if (json_object_size(zones) > 0)
		check_fail(check, CHECK_FORM, "InvalidZonalDeploymentConfigurationException",
			"This version does not deploy zone by zone: "
			"leave \"zonalConfig\" away, and make a group for each zone");
}

static void create_config(struct call *call)
{
	struct deployment_config *config;
	struct minimum_healthy minimum;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &CONFIG_NAME);
	if (name && strncmp(name, CONFIG_PREDEFINED, strlen(CONFIG_PREDEFINED)) == 0)
		check_fail(&check, CHECK_FORM, CONFIG_NAME.invalid,
			"Names that begin with '%s' are reserved for predefined configurations",
			CONFIG_PREDEFINED);
	minimum = check_minimum(&check);
	check_platform(&check);
	check_unsupported(&check);
	if (!check_passed(&check))
		return;
	if (fleet_find_config(call_fleet(call), name)) {
		call_fail(call, "DeploymentConfigAlreadyExistsException",
			"There is a deployment configuration of the name %s already; "
			"it cannot be changed, only deleted and made anew",
			name);
		return;
	}
	config = xcalloc(1, sizeof(*config));
	identifier_make_uuid(config->id);
	(void)snprintf(config->name, sizeof(config->name), "%s", name);
	config->minimum = minimum;
	config->created_ms = call->now_ms;
	(void)fleet_add_config(call_fleet(call), config);
	store_put_config(call_store(call), config);
	call_answer(call, json_pack("{s:s}", "deploymentConfigId", config->id));
}

static void get_config(struct call *call)
{
	const struct deployment_config *config;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &CONFIG_NAME);
	if (!check_passed(&check))
		return;
	config = check_config(call, name);
	if (config)
		call_answer(
			call, json_pack("{s:o}", "deploymentConfigInfo", config_info(config)));
}

/* The predefined ones are in no store; they come first, all on the first page. */
static void list_configs(struct call *call)
{
	static const char *const predefined[] = {
		CONFIG_PREDEFINED "AllAtOnce",
		CONFIG_PREDEFINED "HalfAtATime",
		CONFIG_PREDEFINED "OneAtATime",
	};
	cleanup_with(page_done) struct page page = { 0 };
	struct error err = ERROR_NONE;
	struct check check;
	int r;

	check_init(&check, call);
	page_begin(&page, &check, "nextToken");
	if (!check_passed(&check))
		return;
	if (*page.after == '\0') {
		for (size_t i = 0; i < ARRAY_SIZE(predefined); i++)
			page_add_name(&page, predefined[i]);
	}
	r = store_page_configs(
		call_store(call), page.after, PAGE_ASK, page_add_name, &page, &err);
	page_end(&page, r, call, "deploymentConfigsList", NULL, &err);
}

static void delete_config(struct call *call)
{
	struct deployment_config *config;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &CONFIG_NAME);
	if (!check_passed(&check))
		return;
	config = fleet_find_config(call_fleet(call), name);
	if (config && config->minimum.predefined) {
		call_fail(call, "InvalidOperationException",
			"%s is predefined and cannot be deleted", name);
		return;
	}
	if (config && config->n_groups > 0) {
		call_fail(call, "DeploymentConfigInUseException",
			"%s is used by %u deployment group%s; "
			"choose another there with update-deployment-group first",
			name, config->n_groups, config->n_groups == 1 ? "" : "s");
		return;
	}
	if (config) {
		resource_tags_forget(call_store(call), config->id);
		store_delete_config(call_store(call), config->id);
		fleet_remove_config(call_fleet(call), config);
	}
	call_answer(call, NULL);
}

const struct operation config_operations[] = {
	{ "CreateDeploymentConfig", create_config, true },
	{ "GetDeploymentConfig", get_config, false },
	{ "ListDeploymentConfigs", list_configs, false },
	{ "DeleteDeploymentConfig", delete_config, true },
	{ NULL },
};
