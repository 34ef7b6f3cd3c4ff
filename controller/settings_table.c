/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/description.h"
#include "base/file.h"
#include "base/scalar.h"
#include "base/size.h"
#include "base/time.h"
#include "controller/settings_internal.h"

#define SECONDS(n) ((n)*UINT64_C(1000))
#define MINUTES(n) SECONDS((n)*60)
#define HOURS(n) MINUTES((n)*60)
#define DAYS(n) HOURS((n)*24)

/* clang-format off */
#define AT(member) offsetof(struct settings, member), sizeof(((struct settings *)NULL)->member)
#define PATH(name, member, path, renews) \
	{ "", name, SETTING_PATH, AT(member), 0, 0, 0, path, renews }
#define COUNT(section, name, member, minimum, maximum, value, renews) \
	{ section, name, SETTING_COUNT, AT(member), minimum, maximum, value, NULL, renews }
#define SIZE(section, name, member, minimum, maximum, value) \
	{ section, name, SETTING_SIZE, AT(member), minimum, maximum, value, NULL, true }
#define TIME(section, name, member, minimum, maximum, value) \
	{ section, name, SETTING_DURATION, AT(member), minimum, maximum, value, NULL, true }
#define SWITCH(section, name, member, value) \
	{ section, name, SETTING_SWITCH, AT(member), 0, 1, value, NULL, true }

const struct setting setting_table[] = {
	PATH("directory", directory, ".", false), /* first: the other paths rest on it */
	PATH("database", database, "droverd.db", false),
	PATH("ca_certificate", ca_certificate, "ca.pem", true),
	PATH("ca_key", ca_key, "keys/ca.key", true),
	PATH("server_certificate", server_certificate, "keys/server.pem", true),
	PATH("server_key", server_key, "keys/server.key", true),
	PATH("signing_certificate", signing_certificate, "keys/signing.pem", true),
	PATH("signing_key", signing_key, "keys/signing.key", true),
	PATH("aws_signing_certificate", aws_signing_certificate, "keys/aws-signing.pem", true),
	PATH("aws_signing_key", aws_signing_key, "keys/aws-signing.key", true),
	PATH("admin_key", admin_key, "keys/admin.json", false),

	COUNT("", "doors", n_doors, 1, SETTINGS_LIMIT_DOORS, 0, false),

	SIZE("limits", "line_bytes", limits.line_bytes, 256, 65536, 8192),
	SIZE("limits", "header_bytes", limits.header_bytes, 1024, 262144, 16384),
	COUNT("limits", "headers", limits.n_headers, 8, 128, 100, true),
	SIZE("limits", "body_bytes", limits.body_bytes, 65536, SETTINGS_LIMIT_BODY_BYTES,
		SETTINGS_LIMIT_BODY_BYTES),
	COUNT("limits", "connections", limits.connections, 16, 1000000, 50000, true),
	COUNT("limits", "connections_per_address", limits.connections_per_address, 1, 1000000,
		5000, true),

	TIME("deadlines", "handshake", deadlines.handshake_ms, SECONDS(1), MINUTES(5), SECONDS(10)),
	TIME("deadlines", "header", deadlines.header_ms, SECONDS(1), MINUTES(5), SECONDS(10)),
	TIME("deadlines", "body", deadlines.body_ms, SECONDS(1), MINUTES(10), SECONDS(30)),
	TIME("deadlines", "write", deadlines.write_ms, SECONDS(1), MINUTES(10), SECONDS(30)),
	TIME("deadlines", "idle", deadlines.idle_ms, SECONDS(1), HOURS(1), MINUTES(5)),

	TIME("", "long_poll", long_poll_ms, 0, MINUTES(5), SECONDS(60)),

	TIME("rollout", "start_timeout", rollout.start_timeout_ms, SECONDS(1), DAYS(1), MINUTES(4)),
	TIME("rollout", "event_timeout", rollout.event_timeout_ms, SECONDS(1), DAYS(7), MINUTES(61)),
	TIME("rollout", "gone_timeout", rollout.gone_timeout_ms, SECONDS(1), DAYS(7), MINUTES(5)),
	TIME("rollout", "traffic_timeout", rollout.traffic_timeout_ms, SECONDS(1), DAYS(7), HOURS(1)),
	TIME("rollout", "deployment_timeout", rollout.deployment_timeout_ms, SECONDS(1), DAYS(30),
		HOURS(12)),
	COUNT("rollout", "vanish_percent", rollout.vanish_percent, 0, 100, 25, true),
	TIME("rollout", "vanish_window", rollout.vanish_window_ms, SECONDS(1), HOURS(1), MINUTES(3)),
	SWITCH("rollout", "late_joiners", rollout.late_joiners, true),
	SWITCH("rollout", "rollback_like_aws", rollout.rollback_like_aws, false),
	SWITCH("rollout", "concurrent_on_a_host", rollout.concurrent_on_a_host, false),

	TIME("presence", "agent", presence.ours_ms, SECONDS(1), HOURS(1), SECONDS(60)),
	TIME("presence", "aws_agent", presence.aws_ms, SECONDS(1), HOURS(1), SECONDS(180)),
	TIME("presence", "grace", presence.grace_ms, 0, HOURS(1), SECONDS(150)),
};
/* clang-format on */
const size_t n_setting_table = ARRAY_SIZE(setting_table);

static void *member_of(const struct setting *setting, const struct settings *settings)
{
	return (char *)(uintptr_t)settings + setting->offset;
}

static char **path_of(const struct setting *setting, const struct settings *settings)
{
	return member_of(setting, settings);
}

static void set_number(struct settings *settings, const struct setting *setting, uint64_t value)
{
	if (setting->kind == SETTING_SWITCH)
		*(bool *)member_of(setting, settings) = value != 0;
	else if (setting->width == sizeof(uint32_t))
		*(uint32_t *)member_of(setting, settings) = (uint32_t)value;
	else
		*(uint64_t *)member_of(setting, settings) = value;
}

static uint64_t get_number(const struct settings *settings, const struct setting *setting)
{
	if (setting->kind == SETTING_SWITCH)
		return *(bool *)member_of(setting, settings);
	if (setting->width == sizeof(uint32_t))
		return *(uint32_t *)member_of(setting, settings);
	return *(uint64_t *)member_of(setting, settings);
}

/* "directory" may be relative to the file, all other paths to "directory". */
static void set_path(struct settings *settings, const struct setting *setting, const char *path)
{
	char **member = path_of(setting, settings);
	size_t n = (size_t)(path_base(settings->path) - settings->path);
	cleanup_with(freep) char *base = member == &settings->directory
						 ? xstrndup(settings->path, n)
						 : xstrdup(settings->directory);

	free(*member);
	*member = path_normalise(base, path);
}

void setting_default(struct settings *settings, const struct setting *setting)
{
	if (setting->kind == SETTING_PATH)
		set_path(settings, setting, setting->path);
	else
		set_number(settings, setting, setting->value);
}

const char *setting_text(const struct node *value, const char *what, struct report *report)
{
	if (value->kind == NODE_SCALAR && strlen(value->text) == value->length)
		return value->text;
	report_error(report, value->mark, "E-TYPE", "%s takes one plain value, found %s", what,
		describe(value).text);
	return NULL;
}

static void read_path(struct settings *settings, const struct setting *setting,
	const struct node *value, const char *text, struct report *report)
{
	if (path_has_dotdot(text))
		report_error(report, value->mark, "E-VALUE",
			"%s: '%s' is not a path without \"..\"", setting->name, quote(text));
	else
		set_path(settings, setting, text);
}

struct bound {
	char text[40];
};

/* A bound in the words in which the value is written. */
static struct bound format_bound(const struct setting *setting, uint64_t value)
{
	struct bound bound;

	if (setting->kind != SETTING_DURATION)
		(void)snprintf(bound.text, sizeof(bound.text), "%" PRIu64, value);
	else if (value != 0 && value % DAYS(1) == 0)
		(void)snprintf(bound.text, sizeof(bound.text), "%" PRIu64 "d", value / DAYS(1));
	else if (value != 0 && value % MINUTES(1) == 0)
		(void)snprintf(
			bound.text, sizeof(bound.text), "%" PRIu64 "m", value / MINUTES(1));
	else
		(void)snprintf(
			bound.text, sizeof(bound.text), "%" PRIu64 "s", value / SECONDS(1));
	return bound;
}

static void read_number(struct settings *settings, const struct setting *setting,
	const struct node *value, const char *text, struct report *report)
{
	const char *dot = setting->section[0] ? "." : "";
	char *end = NULL;
	uint64_t number = 0;
	int r = 0;

	if (setting->kind == SETTING_DURATION)
		r = time_parse_duration(&number, text);
	else if (setting->kind == SETTING_SIZE)
		r = size_parse(&number, text);
	else if (strlen(text) > 19 || strspn(text, "0123456789") != strlen(text))
		r = -EINVAL;
	else
		number = strtoull(text, &end, 10);
	if (r == 0 && number >= setting->minimum && number <= setting->maximum) {
		set_number(settings, setting, number);
		return;
	}
	report_error(report, value->mark, "E-VALUE", "%s%s%s: '%s' is not a %s from %s to %s%s",
		setting->section, dot, setting->name, quote(text),
		setting->kind == SETTING_DURATION ? "time"
		: setting->kind == SETTING_SIZE   ? "size"
						  : "number",
		format_bound(setting, setting->minimum).text,
		format_bound(setting, setting->maximum).text,
		setting->kind == SETTING_DURATION ? " (with its unit: ms, s, m, h or d)" : "");
}

static void read_switch(struct settings *settings, const struct setting *setting,
	const struct node *value, const char *text, struct report *report)
{
	if (scalar_type(text) == SCALAR_BOOLEAN)
		set_number(settings, setting, scalar_boolean(text));
	else
		report_error(report, value->mark, "E-VALUE",
			"%s.%s: '%s' is neither true nor false", setting->section,
			setting->name, quote(text));
}

void setting_read(struct settings *settings, const struct setting *setting,
	const struct node *value, struct report *report)
{
	const char *text = setting_text(value, setting->name, report);

	if (!text)
		return;
	if (setting->kind == SETTING_PATH)
		read_path(settings, setting, value, text, report);
	else if (setting->kind == SETTING_SWITCH)
		read_switch(settings, setting, value, text, report);
	else
		read_number(settings, setting, value, text, report);
}

bool setting_equals(
	const struct setting *setting, const struct settings *a, const struct settings *b)
{
	if (setting->kind == SETTING_PATH)
		return strcmp(*path_of(setting, a), *path_of(setting, b)) == 0;
	return get_number(a, setting) == get_number(b, setting);
}

void setting_copy(
	const struct setting *setting, struct settings *to, const struct settings *from)
{
	if (setting->kind == SETTING_PATH) {
		free(*path_of(setting, to));
		*path_of(setting, to) = xstrdup(*path_of(setting, from));
	} else {
		set_number(to, setting, get_number(from, setting));
	}
}
