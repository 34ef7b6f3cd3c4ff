/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/check_options.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "controller/call.h"

/* ---- automatic rollback */

static const char BAD_ROLLBACK[] = "InvalidAutoRollbackConfigException";

static const struct rollback_event {
	const char *name;
	size_t flag; /* in struct auto_rollback */
} rollback_events[] = {
	{ "DEPLOYMENT_FAILURE", offsetof(struct auto_rollback, on_failure) },
	{ "DEPLOYMENT_STOP_ON_ALARM", offsetof(struct auto_rollback, on_alarm) },
	{ "DEPLOYMENT_STOP_ON_REQUEST", offsetof(struct auto_rollback, on_stop) },
};

static void check_event(struct check *check, const char *name, struct auto_rollback *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(rollback_events); i++) {
		if (strcmp(rollback_events[i].name, name) == 0) {
			*(bool *)((char *)ret + rollback_events[i].flag) = true;
			return;
		}
	}
	check_fail(check, CHECK_FORM, BAD_ROLLBACK,
		"'%.100s' is no event of an automatic rollback; there are DEPLOYMENT_FAILURE, "
		"DEPLOYMENT_STOP_ON_ALARM and DEPLOYMENT_STOP_ON_REQUEST",
		name);
}

const json_t *check_auto_rollback(struct check *check, struct auto_rollback *ret)
{
	const json_t *options = check_object(
		check, check->call->input, "autoRollbackConfiguration");
	const json_t *events = options ? check_strings(check, options, "events") : NULL;

	*ret = (struct auto_rollback){ 0 };
	if (!options)
		return NULL;
	ret->enabled = check_bool(check, options, "enabled", false);
	for (size_t i = 0; i < json_array_size(events); i++)
		check_event(check, json_string_value(json_array_get(events, i)), ret);
	if (ret->enabled && json_array_size(events) == 0)
		check_fail(check, CHECK_FORM, BAD_ROLLBACK,
			"The automatic rollback is enabled without \"events\"; list at least "
			"DEPLOYMENT_FAILURE");
	return options;
}

/* ---- alarms */

static const char BAD_ALARMS[] = "InvalidAlarmConfigException";

static bool is_given_before(const json_t *alarms, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const char *other = json_string_value(
			json_object_get(json_array_get(alarms, i), "name"));

		if (other && strcmp(other, name) == 0)
			return true;
	}
	return false;
}

static void check_alarm(struct check *check, const json_t *alarms, size_t i, const char *member)
{
	const char *name = check_string(check, json_array_get(alarms, i), "name");
	size_t length = name ? check_n_characters(name) : 0;

	if (length == 0 || length > ALARM_NAME_LENGTH)
		check_fail(check, CHECK_FORM, BAD_ALARMS,
			"Alarm %zu of \"%s\" has a name of %zu characters; it must have 1 to "
			"%d",
			i + 1, member, length, ALARM_NAME_LENGTH);
	else if (is_given_before(alarms, i, name))
		check_fail(check, CHECK_FORM, BAD_ALARMS, "Alarm '%s' is given twice in \"%s\"",
			name, member);
}

const json_t *check_alarms(struct check *check, const char *member)
{
	const json_t *options = check_object(check, check->call->input, member);
	const json_t *alarms = options ? check_objects(check, options, "alarms") : NULL;
	bool enabled = options && check_bool(check, options, "enabled", false);

	if (!options)
		return NULL;
	(void)check_bool(check, options, "ignorePollAlarmFailure", false);
	if (enabled && json_array_size(alarms) == 0)
		check_fail(check, CHECK_FORM, BAD_ALARMS,
			"The alarms of \"%s\" are enabled and none is named; name one, or "
			"disable "
			"them",
			member);
	/* Each is compared with those before it: no more than allowed. */
	if (json_array_size(alarms) > ALARMS_LIMIT) {
		check_fail(check, CHECK_FORM, "AlarmsLimitExceededException",
			"\"%s\" names %zu alarms; at most %d are allowed", member,
			json_array_size(alarms), ALARMS_LIMIT);
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(alarms); i++)
		check_alarm(check, alarms, i, member);
	return options;
}
