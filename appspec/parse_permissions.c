/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/parse.h"

#include <stdlib.h>
#include <string.h>

#include "appspec/acl.h"
#include "appspec/context.h"
#include "appspec/field.h"
#include "appspec/mode.h"
#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

/* What one entry may hold, as nodes; NULL where it is not given. */
struct entry {
	const struct node *object;
	const struct node *pattern;
	const struct node *except;
	const struct node *type;
	const struct node *owner;
	const struct node *group;
	const struct node *mode;
	const struct node *acls;
	const struct node *context;
};

static void parse_object(struct appspec_permission *permission, const struct node *parent,
	const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;

	if (field_trimmed(report, node, "object", &text) < 0)
		return;
	if (!text || text[0] == '\0') {
		report_error(report, node ? node->mark : parent->mark, "E-PERM-OBJECT",
			"a permissions entry needs an object, the absolute path of what it "
			"applies to");
		return;
	}
	(void)field_host_path(report, node, "object", text, &permission->object);
}

/* Only '*' has a meaning, and only names of direct children are compared. */
static void check_pattern(
	struct report *report, const struct node *node, const char *what, const char *text)
{
	if (strchr(text, '/'))
		report_warning(report, node->mark, "W-PERM-PATTERN",
			"%s '%s' matches nothing: it is compared with names, which hold no '/'",
			what, quote(text));
	else if (strpbrk(text, "?[]{}") || strcmp(text, ".*") == 0)
		report_warning(report, node->mark, "W-PERM-PATTERN",
			"%s '%s' is no regular expression: only '*' has a meaning, all else "
			"stands for itself",
			what, quote(text));
	else if (text[0] == '\0')
		report_warning(report, node->mark, "W-PERM-PATTERN",
			"%s is empty and matches nothing", what);
}

static void parse_pattern(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	if (field_text(report, node, "pattern", &permission->pattern) == 0 &&
		permission->pattern)
		check_pattern(report, node, "pattern", permission->pattern);
	if (!permission->pattern)
		permission->pattern = xstrdup("**");
}

static void parse_except(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	if (field_texts(report, node, "except", &permission->except, &permission->n_except) < 0)
		return;
	for (size_t i = 0; i < permission->n_except; i++)
		check_pattern(report, node->items[i], "except", permission->except[i]);
}

static void parse_type(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	static const char *const names[] = { "file", "directory" };
	struct node *const *items = NULL;
	size_t n;

	permission->files = permission->directories = node_is_absent(node);
	if (field_list(report, node, "type", &items, &n) < 0 || node_is_absent(node))
		return;
	for (size_t i = 0; i < n; i++) {
		const char *text = items[i]->text ? items[i]->text : "";

		if (strcmp(text, "file") == 0)
			permission->files = true;
		else if (strcmp(text, "directory") == 0)
			permission->directories = true;
		else
			report_error(report, items[i]->mark, "E-PERM-TYPE",
				"type must be file or directory, found %s%s",
				describe(items[i]).text,
				report_hint(report, text, names, ARRAY_SIZE(names)).text);
	}
	if (n == 0)
		report_warning(report, node->mark, "W-PERM-TYPE",
			"type is an empty list, so that the entry applies to nothing; leave it "
			"out for files and directories");
}

static void parse_principal(
	char **ret, const struct node *node, const char *what, struct report *report)
{
	if (field_trimmed(report, node, what, ret) < 0 || !*ret)
		return;
	if (strchr(*ret, ':')) {
		report_warning(report, node->mark, "W-PERM-OWNER",
			"%s '%s' holds a colon; give user and group as owner and group", what,
			quote(*ret));
	} else if ((*ret)[0] == '\0') {
		report_warning(report, node->mark, "W-PERM-OWNER",
			"%s is empty and sets nothing", what);
		free(take(ret));
	}
}

static void parse_mode(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	const char *id = NULL;
	struct error err = ERROR_NONE;
	cleanup_with(freep) char *note = NULL;

	if (node_is_absent(node))
		return;
	if (node->kind != NODE_SCALAR) {
		report_error(report, node->mark, "E-TYPE",
			"mode must be up to four octal digits, found %s", describe(node).text);
		return;
	}
	if (mode_parse(&permission->mode, &permission->mode_text, &note, node, &id, &err) < 0) {
		report_error(report, node->mark, id, "%s", err.text);
		return;
	}
	permission->has_mode = true;
	if (note)
		report_warning(report, node->mark, "W-PERM-MODE", "%s", note);
}

static void parse_acl(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;
	struct appspec_acl acl = { 0 };
	struct error err = ERROR_NONE;
	const char *id = NULL;

	if (node_is_absent(node)) {
		report_error(report, node->mark, "E-ACE", "an ACL entry is empty");
		return;
	}
	if (field_text(report, node, "an ACL entry", &text) < 0)
		return;
	if (acl_parse(&acl, text, &id, &err) < 0) {
		report_error(report, node->mark, id, "%s", err.text);
		return;
	}
	if (acl.type == ACL_TYPE_USER &&
		(strcmp(acl.name, "u") == 0 || strcmp(acl.name, "g") == 0 ||
			strcmp(acl.name, "user") == 0 || strcmp(acl.name, "group") == 0))
		report_warning(report, node->mark, "W-PERM-ACL",
			"ACL entry '%s' means a user named '%s'; base permissions belong to "
			"mode, others need a type and a name ('g:staff:rw')",
			quote(text), acl.name);
	permission->acls[permission->n_acls++] = acl;
}

static void parse_acls(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	struct node *const *items = NULL;
	size_t n;

	if (field_list(report, node, "acls", &items, &n) < 0 || n == 0)
		return;
	permission->acls = xcalloc(n, sizeof(*permission->acls));
	for (size_t i = 0; i < n; i++)
		parse_acl(permission, items[i], report);
}

static void parse_range(
	struct appspec_context *context, const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;
	struct error err = ERROR_NONE;
	const char *id = NULL;

	if (field_text(report, node, "range", &text) < 0 || !text)
		return;
	if (context_range_parse(&context->range, text, &id, &err) < 0)
		report_error(report, node->mark, id, "%s", err.text);
}

static void parse_context(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	struct appspec_context *context = &permission->context;
	const struct node *name = NULL;
	const struct node *user = NULL;
	const struct node *type = NULL;
	const struct node *range = NULL;
	const struct node *role = NULL;
	const struct field fields[] = {
		{ "name", &name },
		{ "user", &user },
		{ "type", &type },
		{ "range", &range },
		{ "role", &role },
	};

	if (node_is_absent(node) ||
		field_mapping(report, node, "context", fields, ARRAY_SIZE(fields)) < 0)
		return;
	permission->has_context = true;
	if (role)
		report_warning(report, role->mark, "W-CTX-ROLE",
			"role is ignored: the role of a file is always object_r");
	if (name && user)
		report_warning(report, user->mark, "W-CTX-USER",
			"context has both name and user, which mean the same; user is ignored");
	(void)field_trimmed(
		report, name ? name : user, "the user of a context", &context->user);
	if (field_trimmed(report, type, "the type of a context", &context->type) == 0 &&
		(!context->type || context->type[0] == '\0'))
		report_error(report, type ? type->mark : node->mark, "E-CTX-TYPE",
			"a context needs a type (type: httpd_sys_content_t)");
	parse_range(context, range, report);
}

static void warn_if_empty(
	const struct entry *entry, const struct node *node, struct report *report)
{
	if (entry->owner || entry->group || entry->mode || entry->acls || entry->context)
		return;
	report_warning(report, node->mark, "W-PERM-EMPTY",
		"the entry sets nothing: no owner, group, mode, acls or context");
}

static void parse_permission(
	struct appspec_permission *permission, const struct node *node, struct report *report)
{
	struct entry entry = { 0 };
	const struct field fields[] = {
		{ "object", &entry.object },
		{ "pattern", &entry.pattern },
		{ "except", &entry.except },
		{ "type", &entry.type },
		{ "owner", &entry.owner },
		{ "group", &entry.group },
		{ "mode", &entry.mode },
		{ "acls", &entry.acls },
		{ "context", &entry.context },
	};

	permission->mark = node->mark;
	if (field_mapping(report, node, "a permissions entry", fields, ARRAY_SIZE(fields)) < 0)
		return;
	parse_object(permission, node, entry.object, report);
	parse_pattern(permission, entry.pattern, report);
	parse_except(permission, entry.except, report);
	parse_type(permission, entry.type, report);
	parse_principal(&permission->owner, entry.owner, "owner", report);
	parse_principal(&permission->group, entry.group, "group", report);
	parse_mode(permission, entry.mode, report);
	parse_acls(permission, entry.acls, report);
	parse_context(permission, entry.context, report);
	warn_if_empty(&entry, node, report);
}

void parse_permissions(struct appspec *spec, const struct node *node, struct report *report)
{
	struct node *const *items = NULL;
	size_t n;

	if (field_list(report, node, "permissions", &items, &n) < 0 || n == 0)
		return;
	spec->permissions = xcalloc(n, sizeof(*spec->permissions));
	spec->n_permissions = n;
	for (size_t i = 0; i < n; i++)
		parse_permission(&spec->permissions[i], items[i], report);
}
