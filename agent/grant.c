/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/grant.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/label.h"
#include "agent/plan.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"

void grants_init(struct grants *grants)
{
	*grants = (struct grants){ 0 };
	xgrow(&grants->items, &grants->cap, grants->n);
	grants->items[grants->n++] = (struct grant){ 0 };
}

void grants_done(struct grants *grants)
{
	for (size_t i = 0; i < grants->n_names; i++)
		free(grants->names[i].acls);
	free(grants->names);
	free(grants->items);
	*grants = (struct grants){ 0 };
}

static bool is_number(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		value = value * 10 + (uint64_t)(*at - '0');
		/* -1 stands for "leave it" in chown(2). */
		if (value >= UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)value;
	return text[0] != '\0';
}

/* A name comes before a number, since some have users whose names are numbers. */
static bool find_user(const char *name, uint32_t *ret)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return is_number(name, ret);
	*ret = user->pw_uid;
	return true;
}

static bool find_group(const char *name, uint32_t *ret)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return is_number(name, ret);
	*ret = group->gr_gid;
	return true;
}

/* Unknown users are created by many a BeforeInstall, so they count from Install on. */
static void unknown(struct plan *plan, const struct appspec_permission *entry, const char *what,
	const char *name)
{
	enum severity severity = plan->stage == PLAN_AT_INSTALL ? SEVERITY_ERROR
								: SEVERITY_WARNING;

	diagnostics_add(plan->problems, severity, plan->request.spec->name, entry->mark.line,
		entry->mark.column, "E-OWNER",
		"there is no %s '%s' on this host; create it before Install (BeforeInstall "
		"can), or "
		"name another",
		what, name);
}

static void resolve_names(
	struct plan *plan, const struct appspec_permission *entry, struct grant_names *ret)
{
	if (entry->owner && !find_user(entry->owner, &ret->uid))
		unknown(plan, entry, "user", entry->owner);
	if (entry->group && !find_group(entry->group, &ret->gid))
		unknown(plan, entry, "group", entry->group);
	if (entry->n_acls)
		ret->acls = xcalloc(entry->n_acls, sizeof(*ret->acls));
	for (size_t i = 0; i < entry->n_acls; i++) {
		const struct appspec_acl *acl = &entry->acls[i];
		struct acl_entry *resolved = &ret->acls[i];

		*resolved = (struct acl_entry){ .is_default = acl->is_default,
			.type = acl->type,
			.perms = acl->perms,
			.named = acl->name && acl->name[0] };
		if (!resolved->named)
			continue;
		if (acl->type == ACL_TYPE_USER && !find_user(acl->name, &resolved->id))
			unknown(plan, entry, "user", acl->name);
		if (acl->type == ACL_TYPE_GROUP && !find_group(acl->name, &resolved->id))
			unknown(plan, entry, "group", acl->name);
	}
}

/* A clash is one attribute given twice with different values. */
static void warn_of_clash(struct plan *plan, const struct grant *before,
	const struct appspec_permission *entry, size_t index, uint32_t node)
{
	const struct grant_names *names = &plan->grants.names[index];
	const struct appspec_permission *other = NULL;
	const char *what = NULL;
	cleanup_with(freep) char *path = NULL;

	if (entry->has_mode && before->mode && before->mode->mode != entry->mode)
		what = "mode", other = before->mode;
	else if (entry->owner && before->owner && before->uid != names->uid)
		what = "owner", other = before->owner;
	else if (entry->group && before->group && before->gid != names->gid)
		what = "group", other = before->group;
	else if (entry->n_acls && before->acl)
		what = "acls", other = before->acl;
	else if (entry->has_context && before->context)
		what = "context", other = before->context;
	if (!what)
		return;
	path = plan_path(plan, node);
	plan_warning(plan, &entry->mark, "W-PERM-DUP",
		"%s gets its %s from the entry at line %u too; this later entry wins", path,
		what, other->mark.line);
}

static uint32_t add_grant(struct plan *plan, uint32_t before, size_t index, uint32_t node)
{
	struct grants *grants = &plan->grants;
	const struct appspec_permission *entry = &plan->request.spec->permissions[index];
	struct grant grant;

	for (size_t i = grants->n; i-- > 1;)
		if (grants->items[i].before == before && grants->items[i].entry == index)
			return (uint32_t)i;
	grant = grants->items[before];
	if (before)
		warn_of_clash(plan, &grant, entry, index, node);
	grant.before = before;
	grant.entry = index;
	if (entry->has_mode)
		grant.mode = entry;
	if (entry->owner) {
		grant.owner = entry;
		grant.uid = grants->names[index].uid;
	}
	if (entry->group) {
		grant.group = entry;
		grant.gid = grants->names[index].gid;
	}
	if (entry->n_acls) {
		grant.acl = entry;
		grant.acl_of = index;
	}
	if (entry->has_context)
		grant.context = entry;
	xgrow(&grants->items, &grants->cap, grants->n);
	grants->items[grants->n] = grant;
	return (uint32_t)grants->n++;
}

static void give(struct plan *plan, uint32_t node, size_t index)
{
	struct node *at = tree_node(&plan->tree, node);

	at->grant = add_grant(plan, at->grant, index, node);
}

static bool has_default_acl(const struct appspec_permission *entry)
{
	for (size_t i = 0; i < entry->n_acls; i++)
		if (entry->acls[i].is_default)
			return true;
	return false;
}

static void entry_problem(struct plan *plan, const struct appspec_permission *entry,
	const char *id, const char *text, uint32_t node)
{
	cleanup_with(freep) char *path = plan_path(plan, node);

	diagnostics_add(plan->problems, SEVERITY_ERROR, plan->request.spec->name,
		entry->mark.line, entry->mark.column, id, "%s is a file: %s", path, text);
}

/* The object is itself a file of this install. True if it got something. */
static bool apply_to_file(
	struct plan *plan, const struct appspec_permission *entry, size_t index, uint32_t node)
{
	if (!entry->files)
		return false;
	if (strcmp(entry->pattern, "**") != 0)
		entry_problem(plan, entry, "E-PERM-FILE-PATTERN",
			"as an object it takes no pattern but '**', or leave pattern out",
			node);
	else if (entry->n_except)
		entry_problem(plan, entry, "E-PERM-FILE-EXCEPT",
			"as an object it takes no except", node);
	else if (has_default_acl(entry))
		entry_problem(plan, entry, "E-PERM-FILE-DEFAULT-ACL",
			"only directories have default ACLs", node);
	else
		give(plan, node, index);
	return true;
}

/* Nodes that this install makes or has made; not the directories of others. */
static bool can_be_given(const struct appspec_permission *entry, const struct node *node)
{
	if (node->want == KIND_DIRECTORY)
		return entry->directories && !(node->flags & NODE_FOREIGN);
	return node->want != KIND_NONE && entry->files;
}

static size_t apply_below(
	struct plan *plan, const struct appspec_permission *entry, size_t index, uint32_t top)
{
	const struct tree *tree = &plan->tree;
	cleanup_with(buf_done) struct buf path = { 0 };
	bool deep = strcmp(entry->pattern, "**") == 0;
	uint32_t end = top == TREE_ROOT ? 0 : tree_skip(tree, top);
	size_t skip;
	size_t n = 0;

	tree_path(tree, top, &path);
	skip = path.len == 1 ? 1 : path.len + 1;
	for (uint32_t node = tree->nodes[top].child; node && node != end;
		node = deep ? tree_next(tree, node) : tree->nodes[node].next) {
		if (!can_be_given(entry, &tree->nodes[node]))
			continue;
		buf_clear(&path);
		tree_path(tree, node, &path);
		if (!appspec_permission_matches(entry, path.data + skip))
			continue;
		n++;
		if (tree->nodes[node].want != KIND_DIRECTORY && has_default_acl(entry)) {
			entry_problem(plan, entry, "E-PERM-FILE-DEFAULT-ACL",
				"only directories have default ACLs; add 'type: [directory]'",
				node);
			return n;
		}
		give(plan, node, index);
	}
	return n;
}

/* The same appspec may go to hosts with and without SELinux. */
static void warn_of_context(struct plan *plan, const struct appspec_permission *entry)
{
	if (entry->has_context && !label_enabled())
		plan_warning(plan, &entry->mark, "W-CTX-OFF",
			"the context of %s is not set: SELinux is off on this host",
			entry->object);
}

static int apply_entry(struct plan *plan, size_t index, struct error *err)
{
	const struct appspec_permission *entry = &plan->request.spec->permissions[index];
	struct node *at;
	uint32_t node;
	bool matched = false;
	int r;

	r = target_resolve(&plan->tree, plan->root_fd, entry->object, NULL, NULL, &node, err);
	if (r == -EPERM || r == -ENOTDIR || r == -ELOOP || r == -E2BIG) {
		plan_warning(plan, &entry->mark, "W-PERM-UNMATCHED", "object %s: %s",
			entry->object, err->text);
		*err = ERROR_NONE;
		return 0;
	}
	if (r < 0)
		return r;
	at = tree_node(&plan->tree, node);
	if (at->want == KIND_FILE || at->want == KIND_LINK)
		matched = apply_to_file(plan, entry, index, node);
	else
		matched = apply_below(plan, entry, index, node) > 0;
	if (!matched)
		plan_warning(plan, &entry->mark, "W-PERM-UNMATCHED",
			"nothing that this deployment installs matches object %s with pattern "
			"'%s'",
			entry->object, entry->pattern);
	return 0;
}

static void settle(struct plan *plan)
{
	for (size_t i = 0; i < plan->tree.n_nodes; i++) {
		struct node *node = &plan->tree.nodes[i];
		const struct grant *grant = grant_at(&plan->grants, node->grant);

		if (!grant)
			continue;
		if (grant->owner)
			node->uid = grant->uid;
		if (grant->group)
			node->gid = grant->gid;
		if (grant->mode && node->want != KIND_LINK)
			node->mode = (node->mode & S_IFMT) | (grant->mode->mode & 07777);
	}
}

int grants_apply(struct plan *plan, struct error *err)
{
	const struct appspec *spec = plan->request.spec;
	int r = 0;

	if (!spec->n_permissions)
		return 0;
	plan->grants.names = xcalloc(spec->n_permissions, sizeof(*plan->grants.names));
	plan->grants.n_names = spec->n_permissions;
	for (size_t i = 0; i < spec->n_permissions && r >= 0; i++) {
		warn_of_context(plan, &spec->permissions[i]);
		resolve_names(plan, &spec->permissions[i], &plan->grants.names[i]);
		r = apply_entry(plan, i, err);
	}
	endpwent();
	endgrent();
	settle(plan);
	return r;
}
