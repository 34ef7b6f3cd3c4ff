/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/group.h"

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/call.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/resource_tags.h"
#include "controller/store.h"

static void say(json_t *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(json_t *list, const char *format, ...)
{
	cleanup_with(freep) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	(void)json_array_append_new(list, json_string(text));
}

static bool is_on(const json_t *object, const char *member)
{
	return json_is_true(json_object_get(object, member));
}

static size_t n_of(const json_t *object, const char *member)
{
	return json_array_size(json_object_get(object, member));
}

static void say_balancers(json_t *list, const json_t *settings)
{
	const char *option = json_string_value(json_object_get(
		json_object_get(settings, "deploymentStyle"), "deploymentOption"));

	if (json_object_get(settings, "loadBalancerInfo") ||
		(option && strcmp(option, "WITH_TRAFFIC_CONTROL") == 0))
		say(list, "Load balancers: this version does not take hosts out of load "
			  "balancers nor put them back; they are deployed to under traffic, "
			  "unless a hook stops it");
}

json_t *group_unsupported(const struct group *group)
{
	cleanup_with(json_decrefp) json_t *settings = json_loads(group->settings, 0, NULL);
	const json_t *alarms = json_object_get(settings, "alarmConfiguration");
	json_t *list = json_array();
	size_t n;

	if (is_on(alarms, "enabled"))
		say(list,
			"Alarms: this version does not watch alarms; "
			"none of the %zu that the group names stops a deployment",
			n_of(alarms, "alarms"));
	if (group->auto_rollback.enabled && group->auto_rollback.on_alarm)
		say(list, "Automatic rollback: DEPLOYMENT_STOP_ON_ALARM never happens, since "
			  "this version does not watch alarms");
	say_balancers(list, settings);
	n = n_of(settings, "triggerConfigurations");
	if (n > 0)
		say(list,
			"Triggers: this version sends no notifications; "
			"nobody is told through the %zu triggers of the group",
			n);
	n = n_of(settings, "autoScalingGroups");
	if (n > 0)
		say(list,
			"Scaling groups: this version does not ask the %zu scaling groups for "
			"their hosts; only hosts that the group's tags select are deployed to",
			n);
	if (is_on(settings, "terminationHookEnabled"))
		say(list, "Scaling groups: this version does nothing when a host is ended; "
			  "terminationHookEnabled has no effect");
	return list;
}

void group_delete(struct call *call, struct group *group, const char *error_code)
{
	deployments_group_deleted(call_deployments(call), group, error_code, call->now_ms);
	resource_tags_forget(call_store(call), group->id);
	store_delete_group(call_store(call), group->id);
	fleet_remove_group(call_fleet(call), group);
}
