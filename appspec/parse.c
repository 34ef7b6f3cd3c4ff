/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/document.h"
#include "appspec/field.h"
#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/suggest.h"
#include "base/utf8.h"

static const struct mark at_start = { 1, 1 };

/* The sections of the file, as nodes; NULL where one is not given. */
struct sections {
	const struct node *version;
	const struct node *os;
	const struct node *files;
	const struct node *permissions;
	const struct node *hooks;
	const struct node *behavior;
	const struct node *resources; /* of an appspec for another platform */
};

static const char *const section_names[] = { "version", "os", "files", "permissions", "hooks",
	"file_exists_behavior" };

static const struct node **find_section(struct sections *sections, const char *name)
{
	const struct {
		const char *name;
		const struct node **value;
	} table[] = {
		{ "version", &sections->version },
		{ "os", &sections->os },
		{ "files", &sections->files },
		{ "permissions", &sections->permissions },
		{ "hooks", &sections->hooks },
		{ "file_exists_behavior", &sections->behavior },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].value;
	return strcasecmp(name, "Resources") == 0 ? &sections->resources : NULL;
}

static void warn_of_section(struct report *report, const struct node *key)
{
	const char *event;

	/* Kept for anchors and for other tools, by the custom of other YAML formats. */
	if (key->text && strncmp(key->text, "x-", 2) == 0)
		return;
	if (!key->text || report->n_warnings > REPORT_LIMIT) {
		report_warning(report, key->mark, "W-KEY-UNKNOWN",
			"a top-level key that is no word is ignored");
		return;
	}
	event = suggest(key->text, parse_events, parse_n_events);
	if (event) {
		report_warning(report, key->mark, "W-KEY-UNKNOWN",
			"'%s' at the top level is ignored, its scripts never run; an event "
			"stands below hooks, indented%s%s%s",
			quote(key->text), strcmp(event, key->text) ? " and spelt '" : "",
			strcmp(event, key->text) ? event : "",
			strcmp(event, key->text) ? "'" : "");
		return;
	}
	report_warning(report, key->mark, "W-KEY-UNKNOWN",
		"unknown top-level key '%s' is ignored%s", quote(key->text),
		report_hint(report, key->text, section_names, ARRAY_SIZE(section_names)).text);
}

/* Looks for `Type: AWS::...` or a telling key in the resources: mappings in a list. */
static bool resources_speak_of(const struct node *node, const char *word, unsigned depth)
{
	if (node->text)
		return strcasestr(node->text, word) != NULL;
	for (size_t i = 0; depth > 0 && i < node->n; i++)
		if (resources_speak_of(node->items[i], word, depth - 1))
			return true;
	return false;
}

/* The appspec of another platform is refused in one sentence, whatever else is wrong with it by
 * our rules. */
static bool is_other_platform(const struct sections *sections, struct report *report)
{
	const char *platform = "Amazon ECS or AWS Lambda";

	if (sections->os || !sections->resources)
		return false;
	if (resources_speak_of(sections->resources, "AWS::ECS", 5) ||
		resources_speak_of(sections->resources, "TaskDefinition", 5))
		platform = "Amazon ECS";
	else if (resources_speak_of(sections->resources, "AWS::Lambda", 5) ||
		 resources_speak_of(sections->resources, "FunctionVersion", 5))
		platform = "AWS Lambda";
	report_error(report, sections->resources->mark, "E-PLATFORM",
		"this is an AppSpec file for %s (it has Resources and no os); Drover deploys "
		"to "
		"servers, whose AppSpec has 'os: linux', files and hooks",
		platform);
	return true;
}

/* The reference compares the number with 0.0, so that 0, 0.00 and -0.0 are as good. */
static bool is_zero(const struct node *node)
{
	if (node->kind != NODE_SCALAR)
		return false;
	if (node->type == SCALAR_INTEGER)
		return scalar_integer(node->text) == 0;
	if (node->type == SCALAR_FLOAT)
		return fpclassify(scalar_float(node->text)) == FP_ZERO;
	return false;
}

static void check_version(const struct node *node, struct report *report)
{
	if (node_is_absent(node))
		report_error(report, node ? node->mark : at_start, "E-VERSION",
			"version is missing; the file must hold the line 'version: 0.0'");
	else if (node->kind == NODE_SCALAR && node->type == SCALAR_TEXT &&
		 scalar_type(node->text) != SCALAR_TEXT)
		report_error(report, node->mark, "E-VERSION",
			"version must be the number 0.0, found %s (take away the quotes)",
			describe(node).text);
	else if (!is_zero(node))
		report_error(report, node->mark, "E-VERSION",
			"version must be 0.0, the only one there is, found %s",
			describe(node).text);
}

static void check_os(const struct node *node, struct report *report)
{
	const char *text = node && node->text ? node->text : "";

	if (node_is_absent(node))
		report_error(report, node ? node->mark : at_start, "E-OS",
			"os is missing; the file must hold the line 'os: linux'");
	else if (strcasecmp(text, "windows") == 0)
		report_error(report, node->mark, "E-OS",
			"this is an AppSpec file for Windows (os: %s), and this host runs "
			"Linux",
			text);
	else if (strlen(text) != node->length || strcmp(text, "linux") != 0)
		report_error(report, node->mark, "E-OS",
			"os must be linux, in small letters, found %s", describe(node).text);
}

static void parse_behavior(struct appspec *spec, const struct node *node, struct report *report)
{
	const char *text = node && node->text ? node->text : "";
	bool known = file_exists_behavior_from_text(&spec->file_exists_behavior, text) == 0;

	if (node_is_absent(node))
		return;
	if (known && strcmp(text, file_exists_behavior_name(spec->file_exists_behavior)) == 0)
		return;
	report_error(report, node->mark, "E-FEB",
		"file_exists_behavior must be DISALLOW, OVERWRITE or RETAIN%s, found %s",
		known ? ", in capital letters" : "", describe(node).text);
}

static void take_sections(
	struct sections *sections, const struct node *root, struct report *report)
{
	for (size_t i = 0; i < root->n; i += 2) {
		const struct node *key = root->items[i];
		const struct node **section = NULL;

		if (key->text && strlen(key->text) == key->length)
			section = find_section(sections, key->text);
		if (section)
			*section = root->items[i + 1];
	}
}

static void warn_of_unknown_sections(const struct node *root, struct report *report)
{
	struct sections ignored = { 0 };

	for (size_t i = 0; i < root->n; i += 2) {
		const struct node *key = root->items[i];
		const struct node **section = key->text ? find_section(&ignored, key->text)
							: NULL;

		if (!section || section == &ignored.resources)
			warn_of_section(report, key);
	}
}

static void parse_root(struct appspec *spec, const struct node *root, struct report *report)
{
	struct sections sections = { 0 };

	if (node_is_absent(root)) {
		report_error(report, root ? root->mark : at_start, "E-EMPTY",
			"the file is empty; it needs at least 'version: 0.0' and 'os: linux'");
		return;
	}
	if (root->kind != NODE_MAPPING) {
		report_error(report, root->mark,
			root->kind == NODE_LIST ? "E-TYPE" : "E-VERSION",
			"an appspec is a mapping that starts with 'version: 0.0' and 'os: "
			"linux', found %s",
			describe(root).text);
		return;
	}
	take_sections(&sections, root, report);
	if (is_other_platform(&sections, report))
		return;
	warn_of_unknown_sections(root, report);
	check_version(sections.version, report);
	check_os(sections.os, report);
	parse_behavior(spec, sections.behavior, report);
	parse_hooks(spec, sections.hooks, report);
	parse_files(spec, sections.files, report);
	parse_permissions(spec, sections.permissions, report);
	appspec_check(spec, report);
}

/* libyaml would guess other encodings; the reference takes UTF-8 alone. */
static int check_encoding(const char *text, size_t n, struct report *report)
{
	struct mark mark = at_start;

	if (n >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		report_error(
			report, mark, "E-ENCODING", "the file is UTF-16; save it as UTF-8");
		return -EINVAL;
	}
	for (size_t i = 0; i < n;) {
		size_t length = utf8_length(text + i, n - i);

		if (length == 0) {
			report_error(report, mark, "E-ENCODING",
				"the byte 0x%02x is not UTF-8; save the file as UTF-8",
				(unsigned char)text[i]);
			return -EINVAL;
		}
		mark.column++;
		if (text[i] == '\n' || (text[i] == '\r' && i + 1 < n && text[i + 1] != '\n'))
			mark = (struct mark){ mark.line + 1, 1 };
		i += length;
	}
	return 0;
}

static void parse_text(struct appspec *spec, const char *text, size_t n, struct report *report)
{
	cleanup_with(document_done) struct document document = { 0 };

	if (n > APPSPEC_LIMIT_BYTES) {
		report_error(report, at_start, "E-LIMIT",
			"the file is larger than %d bytes, the most allowed",
			APPSPEC_LIMIT_BYTES);
		return;
	}
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	if (check_encoding(text, n, report) == 0 &&
		document_parse(&document, text, n, report) == 0)
		parse_root(spec, document.root, report);
}

int appspec_parse(struct appspec **ret, const char *text, size_t n, const char *name,
	struct diagnostics *diagnostics)
{
	cleanup_with(appspec_freep) struct appspec *spec = xcalloc(1, sizeof(*spec));
	struct report report = { .name = name, .diagnostics = diagnostics };

	spec->name = xstrdup(name);
	parse_text(spec, text, n, &report);
	diagnostics_sort(diagnostics);
	if (report.n_errors > 0)
		return -EINVAL;
	*ret = take(&spec);
	return 0;
}
