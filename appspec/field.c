/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/field.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

static const struct field *find_field(const struct field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* Keys seen in the wild at places where they mean nothing, and what says it instead. */
static const char *remedy(const char *key)
{
	static const struct {
		const char *key;
		const char *remedy;
	} table[] = {
		{ "overwrite", "; existing files are dealt with by 'file_exists_behavior: "
			       "OVERWRITE' in "
			       "the first column" },
		{ "command", "; a script is named by location" },
		{ "commands", "; a script is named by location" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].key, key) == 0)
			return table[i].remedy;
	return NULL;
}

static void warn_of_unknown(struct report *report, const struct node *key, const char *what,
	const struct field *fields, size_t n)
{
	const char *names[16];
	const char *more;
	struct hint hint;

	if (!key->text) {
		report_warning(report, key->mark, "W-KEY-UNKNOWN",
			"a key of %s that is no word is ignored", what);
		return;
	}
	assert(n <= ARRAY_SIZE(names));
	for (size_t i = 0; i < n; i++)
		names[i] = fields[i].name;
	hint = report_hint(report, key->text, names, n);
	more = remedy(key->text);
	report_warning(report, key->mark, "W-KEY-UNKNOWN",
		"unknown key '%s' in %s is ignored%s", quote(key->text), what,
		more ? more : hint.text);
}

int field_mapping(struct report *report, const struct node *node, const char *what,
	const struct field *fields, size_t n)
{
	if (node->kind != NODE_MAPPING) {
		report_error(report, node->mark, "E-TYPE",
			"%s must be a mapping (key: value), found %s", what,
			describe(node).text);
		return -EINVAL;
	}
	for (size_t i = 0; i < node->n; i += 2) {
		const struct node *key = node->items[i];
		const struct field *field = key->text ? find_field(fields, n, key->text) : NULL;

		if (field)
			*field->value = node->items[i + 1];
		else
			warn_of_unknown(report, key, what, fields, n);
	}
	return 0;
}

int field_list(struct report *report, const struct node *node, const char *what,
	struct node *const **ret, size_t *ret_n)
{
	*ret_n = 0;
	if (node_is_absent(node))
		return 0;
	if (node->kind != NODE_LIST) {
		report_error(report, node->mark, "E-TYPE",
			"%s must be a list (one '- ' before each entry), found %s", what,
			describe(node).text);
		return -EINVAL;
	}
	*ret = node->items;
	*ret_n = node->n;
	return 0;
}

int field_text(struct report *report, const struct node *node, const char *what, char **ret)
{
	if (node_is_absent(node))
		return 0;
	if (node->kind != NODE_SCALAR) {
		report_error(report, node->mark, "E-TYPE", "%s must be a text, found %s", what,
			describe(node).text);
		return -EINVAL;
	}
	if (strlen(node->text) != node->length) {
		report_error(report, node->mark, "E-TYPE",
			"%s holds a NUL byte, which no name or path may", what);
		return -EINVAL;
	}
	*ret = xstrdup(node->text);
	return 0;
}

int field_trimmed(struct report *report, const struct node *node, const char *what, char **ret)
{
	static const char blanks[] = " \t\r\n\f\v";
	cleanup_with(freep) char *text = NULL;
	const char *start;
	size_t n;
	int r = field_text(report, node, what, &text);

	if (r < 0 || !text)
		return r;
	start = text + strspn(text, blanks);
	n = strlen(start);
	while (n > 0 && strchr(blanks, start[n - 1]))
		n--;
	*ret = xstrndup(start, n);
	return 0;
}

int field_texts(struct report *report, const struct node *node, const char *what, char ***ret,
	size_t *ret_n)
{
	struct node *const *items = NULL;
	size_t n;
	int r = field_list(report, node, what, &items, &n);

	if (r < 0 || n == 0)
		return r;
	*ret = xcalloc(n, sizeof(**ret));
	for (size_t i = 0; i < n; i++) {
		char *text = NULL;

		if (node_is_absent(items[i])) {
			report_error(report, items[i]->mark, "E-TYPE",
				"an entry of %s must be a text, found nothing", what);
			r = -EINVAL;
		} else if (field_text(report, items[i], what, &text) < 0) {
			r = -EINVAL;
		} else {
			(*ret)[(*ret_n)++] = text;
		}
	}
	return r;
}

/* What a path may hold without being wrong, though its author probably meant something else. */
static void warn_of_oddities(
	struct report *report, const struct node *node, const char *what, const char *text)
{
	static const char *const placeholders[] = { "${", "$(", "{{", "<%", "%{" };

	if (strchr(text, '\n'))
		report_warning(report, node->mark, "W-PATH-ODD",
			"%s '%s' holds a line break, which is kept (write '|-' or '>-' for a "
			"block without one at its end)",
			what, quote(text));
	if (strchr(text, '\\'))
		report_warning(report, node->mark, "W-PATH-ODD",
			"%s '%s' holds a backslash, which separates nothing on Linux", what,
			quote(text));
	for (size_t i = 0; i < ARRAY_SIZE(placeholders); i++) {
		if (!strstr(text, placeholders[i]) && !(i == 0 && text[0] == '$'))
			continue;
		report_warning(report, node->mark, "W-PATH-ODD",
			"%s '%s' looks like a template; it is taken literally, variables are "
			"not expanded",
			what, quote(text));
		break;
	}
	if (strchr(text, '*'))
		report_warning(report, node->mark, "W-PATH-ODD",
			"%s '%s' holds a '*', which is taken literally; name a directory to "
			"take all it holds",
			what, quote(text));
}

static int check_path(
	struct report *report, const struct node *node, const char *what, const char *text)
{
	if (path_has_dotdot(text)) {
		report_error(report, node->mark, "E-PATH",
			"%s '%s' must not hold '..'; write the path it means", what,
			quote(text));
		return -EINVAL;
	}
	if (strlen(text) >= PATH_MAX) {
		report_error(report, node->mark, "E-PATH",
			"%s '%s' is longer than %d bytes, the most a path may have", what,
			quote(text), PATH_MAX - 1);
		return -EINVAL;
	}
	warn_of_oddities(report, node, what, text);
	return 0;
}

int field_bundle_path(struct report *report, const struct node *node, const char *what,
	const char *text, char **ret)
{
	cleanup_with(freep) char *absolute = NULL;
	int r = check_path(report, node, what, text);

	if (r < 0)
		return r;
	if (text[0] == '~')
		report_warning(report, node->mark, "W-PATH-ODD",
			"%s '%s' lies below the bundle; '~' is taken literally", what,
			quote(text));
	absolute = path_normalise("", text);
	*ret = xstrdup(absolute + 1);
	return 0;
}

int field_host_path(struct report *report, const struct node *node, const char *what,
	const char *text, char **ret)
{
	int r = check_path(report, node, what, text);

	if (r < 0)
		return r;
	if (text[0] == '~') {
		report_error(report, node->mark, "E-PATH",
			"%s '%s' must not start with '~'; write the home directory's absolute "
			"path",
			what, quote(text));
		return -EINVAL;
	}
	if (text[0] == '\0') {
		report_error(report, node->mark, "E-PATH",
			"%s is empty; write an absolute path, '/' if that is meant", what);
		return -EINVAL;
	}
	*ret = path_normalise("", text);
	if (text[0] != '/')
		report_warning(report, node->mark, "W-PATH-RELATIVE",
			"%s '%s' is not absolute; it is taken as '%s'", what, quote(text),
			quote(*ret));
	return 0;
}
