/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "appspec/field.h"
#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"

enum {
	TIMEOUT_DEFAULT_S = 3600,
	TIMEOUT_DOCUMENTED_S = 3600,      /* what AWS allows an event in all */
	TIMEOUT_LIMIT_S = 365 * 24 * 3600 /* what is longer never ends anyway */
};

const char *const parse_events[] = {
	"BeforeBlockTraffic",
	"AfterBlockTraffic",
	"ApplicationStop",
	"BeforeInstall",
	"AfterInstall",
	"ApplicationStart",
	"ValidateService",
	"BeforeAllowTraffic",
	"AfterAllowTraffic",
};
const size_t parse_n_events = ARRAY_SIZE(parse_events);

static bool is_in(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Any name is legal: a local deployment may ask for events of its own by name. */
static void warn_of_event(struct report *report, const struct node *key)
{
	static const char *const done_by_us[] = { "Start", "BlockTraffic", "DownloadBundle",
		"Install", "AllowTraffic", "End" };
	static const char *const sections[] = { "version", "os", "files", "permissions",
		"file_exists_behavior", "hooks" };
	struct hint hint;

	if (is_in(key->text, parse_events, parse_n_events))
		return;
	if (is_in(key->text, sections, ARRAY_SIZE(sections))) {
		report_warning(report, key->mark, "W-HOOK-UNKNOWN",
			"'%s' stands below hooks and is taken for an event; it belongs in the "
			"first column",
			key->text);
		return;
	}
	if (is_in(key->text, done_by_us, ARRAY_SIZE(done_by_us))) {
		report_warning(report, key->mark, "W-HOOK-UNKNOWN",
			"event %s takes no scripts, so that these never run; use the events "
			"around it, such as BeforeInstall and AfterInstall",
			key->text);
		return;
	}
	hint = report_hint(report, key->text, parse_events, parse_n_events);
	report_warning(report, key->mark, "W-HOOK-UNKNOWN",
		"there is no event '%s'; its scripts run only in a local deployment that asks "
		"for it%s",
		quote(key->text), hint.text);
}

/* What a Ruby number makes of a text: digits at its start, underscores among them, the rest is
 * dropped. */
static int64_t leading_number(const char *text)
{
	char digits[24];
	size_t n = 0;

	while (isspace((unsigned char)*text))
		text++;
	if (*text == '-' || *text == '+')
		digits[n++] = *text++;
	for (; (isdigit((unsigned char)*text) || *text == '_') && n < sizeof(digits) - 1;
		text++)
		if (*text != '_')
			digits[n++] = *text;
	digits[n] = '\0';
	return strtoll(digits, NULL, 10);
}

static int64_t timeout_value(const struct node *node)
{
	switch (node->type) {
	case SCALAR_INTEGER:
		return scalar_integer(node->text);
	case SCALAR_FLOAT: {
		double value = scalar_float(node->text);

		return value >= 1 && value < (double)INT32_MAX ? (int64_t)value
		       : value >= (double)INT32_MAX            ? INT32_MAX
							       : 0;
	}
	case SCALAR_TEXT:
		return leading_number(node->text);
	case SCALAR_NULL:
	case SCALAR_BOOLEAN:
		return 0;
	}
	return 0;
}

static bool is_plain_number(const char *text)
{
	return *text != '0' && *text && text[strspn(text, "0123456789")] == '\0';
}

/* `timeout` is given as 300, "300", 300.9, 90s, 0x10 or 010 in the wild. */
static void parse_timeout(
	struct appspec_script *script, const struct node *node, struct report *report)
{
	int64_t value;

	script->timeout_s = TIMEOUT_DEFAULT_S;
	if (node_is_absent(node))
		return;
	value = node->kind == NODE_SCALAR ? timeout_value(node) : 0;
	if (value <= 0) {
		report_error(report, node->mark, "E-HOOK-TIMEOUT",
			"timeout must be a number of seconds above 0, found %s",
			describe(node).text);
		return;
	}
	if (value > TIMEOUT_LIMIT_S)
		value = TIMEOUT_LIMIT_S;
	script->timeout_s = (unsigned)value;
	if (!is_plain_number(node->text))
		report_warning(report, node->mark, "W-HOOK-TIMEOUT",
			"timeout '%s' is read as %u seconds%s; write it as that",
			quote(node->text), script->timeout_s,
			node->type == SCALAR_INTEGER && scalar_is_octal(node->text)
				? " (a leading 0 makes the number octal)"
				: "");
	else if (script->timeout_s > TIMEOUT_DOCUMENTED_S)
		report_warning(report, node->mark, "W-HOOK-TIMEOUT",
			"timeout of %u seconds is longer than the %d that AWS allows an event",
			script->timeout_s, TIMEOUT_DOCUMENTED_S);
}

static bool is_word_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(words[i], text) == 0)
			return true;
	return false;
}

static void parse_sudo(
	struct appspec_script *script, const struct node *node, struct report *report)
{
	static const char *const no[] = { "", "0", "no", "off", "false" };
	static const char *const yes[] = { "1", "yes", "on", "true" };

	if (node_is_absent(node))
		return;
	if (node->kind != NODE_SCALAR) {
		report_error(report, node->mark, "E-TYPE",
			"sudo must be true or false, found %s", describe(node).text);
		return;
	}
	if (node->type == SCALAR_BOOLEAN) {
		script->sudo = scalar_boolean(node->text);
		return;
	}
	script->sudo = !is_word_of(node->text, no, ARRAY_SIZE(no));
	if (!is_word_of(node->text, yes, ARRAY_SIZE(yes)))
		report_warning(report, node->mark, "W-HOOK-SUDO",
			"sudo '%s' is taken as %s; write true or false", quote(node->text),
			script->sudo ? "true" : "false");
}

static void parse_runas(
	struct appspec_script *script, const struct node *node, struct report *report)
{
	if (field_trimmed(report, node, "runas", &script->runas) < 0 || !script->runas ||
		script->runas[0] != '\0')
		return;
	report_warning(report, node->mark, "W-HOOK-RUNAS",
		"runas is empty; the script runs as the agent's own user");
	free(take(&script->runas));
}

static void parse_location(struct appspec_script *script, const struct node *entry,
	const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;

	script->mark = node ? node->mark : entry->mark;
	if (field_trimmed(report, node, "location", &text) < 0)
		return;
	if (!node || !text || text[0] == '\0') {
		report_error(report, script->mark, "E-HOOK-LOCATION",
			"a script needs a location, its path in the bundle (location: "
			"scripts/start.sh)");
		return;
	}
	if (field_bundle_path(report, node, "location", text, &script->location) == 0 &&
		script->location[0] == '\0')
		report_error(report, node->mark, "E-HOOK-LOCATION",
			"location '%s' is the bundle itself; name a script in it", quote(text));
}

static void parse_script(
	struct appspec_script *script, const struct node *entry, struct report *report)
{
	const struct node *location = NULL;
	const struct node *timeout = NULL;
	const struct node *runas = NULL;
	const struct node *sudo = NULL;
	const struct field fields[] = {
		{ "location", &location },
		{ "timeout", &timeout },
		{ "runas", &runas },
		{ "sudo", &sudo },
	};

	if (field_mapping(report, entry, "a hook's script", fields, ARRAY_SIZE(fields)) < 0)
		return;
	parse_location(script, entry, location, report);
	parse_timeout(script, timeout, report);
	parse_runas(script, runas, report);
	parse_sudo(script, sudo, report);
}

static void parse_hook(struct appspec *spec, const struct node *key, const struct node *value,
	struct report *report)
{
	struct appspec_hook *hook;
	struct node *const *entries = NULL;
	size_t n;

	if (!key->text || strlen(key->text) != key->length) {
		report_error(report, key->mark, "E-TYPE",
			"the name of an event must be a word, found %s", describe(key).text);
		return;
	}
	warn_of_event(report, key);
	if (node_is_absent(value) ||
		field_list(report, value, "the scripts of an event", &entries, &n) < 0)
		return;
	hook = &spec->hooks[spec->n_hooks++];
	hook->mark = key->mark;
	hook->event = xstrdup(key->text);
	hook->scripts = xcalloc(n, sizeof(*hook->scripts));
	hook->n_scripts = n;
	for (size_t i = 0; i < n; i++)
		parse_script(&hook->scripts[i], entries[i], report);
}

void parse_hooks(struct appspec *spec, const struct node *node, struct report *report)
{
	if (node_is_absent(node))
		return;
	if (node->kind != NODE_MAPPING) {
		report_error(report, node->mark, "E-TYPE",
			"hooks must be a mapping from event names to lists of scripts, found "
			"%s",
			describe(node).text);
		return;
	}
	spec->hooks = xcalloc(node->n / 2, sizeof(*spec->hooks));
	for (size_t i = 0; i < node->n; i += 2)
		parse_hook(spec, node->items[i], node->items[i + 1], report);
}
