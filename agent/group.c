/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/root.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

static const char default_name[] = "default";

/* What stands behind a group's id in the names of its files. */
static const char *const kinds[] = { "-history.json", "_last_successful_install",
	"_most_recent_install", "-install.json", "-cleanup" };

void group_done(struct deployment_group *group)
{
	free(group->id);
	free(group->name);
	free(group->application);
	*group = (struct deployment_group){ 0 };
}

void groups_done(struct groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		group_done(&groups->items[i]);
	free(groups->items);
	*groups = (struct groups){ 0 };
}

static char *id_of_file(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t length = strlen(kinds[i]);

		if (n > length && name[0] != '.' && strcmp(name + n - length, kinds[i]) == 0)
			return xstrndup(name, n - length);
	}
	return NULL;
}

static bool is_known(const struct groups *groups, const char *id)
{
	for (size_t i = 0; i < groups->n; i++)
		if (strcmp(groups->items[i].id, id) == 0)
			return true;
	return false;
}

static void load_group(struct groups *groups, const struct root *root, const char *id)
{
	cleanup_with(history_done) struct history history = { 0 };
	struct deployment_group group = { .id = xstrdup(id) };

	group.damaged = history_load(&history, root, id, NULL) < 0;
	group.name = xstrdup(history.name ? history.name : id);
	if (history.application)
		group.application = xstrdup(history.application);
	xgrow(&groups->items, &groups->cap, groups->n);
	groups->items[groups->n++] = group;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(((const struct deployment_group *)a)->id,
		((const struct deployment_group *)b)->id);
}

int groups_load(struct groups *groups, const struct root *root, struct error *err)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	int fd = openat(root->instructions_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_set(
			err, -errno, "cannot list %s/deployment-instructions: %m", root->path);
	while ((entry = readdir(dir))) {
		cleanup_with(freep) char *id = id_of_file(entry->d_name);

		if (id && root_id_is_safe(id) && !is_known(groups, id))
			load_group(groups, root, id);
	}
	if (groups->n > 1)
		qsort(groups->items, groups->n, sizeof(*groups->items), compare_ids);
	return 0;
}

char *group_label(const struct deployment_group *group)
{
	return group->application ? xasprintf("%s/%s", group->application, group->name)
				  : xstrdup(group->name);
}

static int set_group(
	struct deployment_group *ret, const char *id, const char *name, const char *application)
{
	*ret = (struct deployment_group){ .id = xstrdup(id),
		.name = xstrdup(name),
		.application = application ? xstrdup(application) : NULL };
	return 0;
}

static bool matches(const struct deployment_group *group, const struct group_wish *wish)
{
	cleanup_with(freep) char *label = group_label(group);

	/* Who has no application yet fits any: it learns the one that is given. */
	if (wish->application && group->application &&
		strcmp(wish->application, group->application) != 0)
		return false;
	if (wish->name && strncmp(wish->name, "id:", 3) == 0)
		return strcmp(wish->name + 3, group->id) == 0;
	return !wish->name || strcmp(wish->name, group->id) == 0 ||
	       strcmp(wish->name, group->name) == 0 || strcmp(wish->name, label) == 0;
}

static int refuse(const struct groups *groups, const struct group_wish *wish, bool matching,
	const char *why, struct error *err)
{
	cleanup_with(buf_done) struct buf list = { 0 };

	for (size_t i = 0; i < groups->n; i++) {
		const struct deployment_group *group = &groups->items[i];
		cleanup_with(freep) char *label = group_label(group);

		if (matching && !matches(group, wish))
			continue;
		buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", label);
		if (strcmp(group->id, group->name) != 0)
			buf_printf(&list, " (id:%s)", group->id);
	}
	return error_set(err, -EINVAL, "%s%s; choose one with --group: %s",
		wish->name ? wish->name : "", why,
		list.data ? list.data : "none is known here");
}

/* A damaged history may hide the very name, and then a second group would own its files. */
static int refuse_damaged(
	const struct groups *groups, const struct group_wish *wish, struct error *err)
{
	for (size_t i = 0; i < groups->n; i++)
		if (groups->items[i].damaged)
			return error_set(err, -EINVAL,
				"no group %s is known, but the history of group id %s is "
				"damaged "
				"and may be its: name the group by its id, or move "
				"deployment-instructions/%s-history.json aside",
				wish->name ? wish->name : default_name, groups->items[i].id,
				groups->items[i].id);
	return 0;
}

static int make_new(const struct groups *groups, const struct group_wish *wish,
	struct deployment_group *ret, struct error *err)
{
	const char *slash = wish->name ? strchr(wish->name, '/') : NULL;
	cleanup_with(
		freep) char *before = slash ? xstrndup(wish->name, (size_t)(slash - wish->name))
					    : NULL;
	const char *application = before ? before : wish->application;
	const char *name = slash ? slash + 1 : wish->name ? wish->name : default_name;
	cleanup_with(freep) char *id = xstrdup(name);
	int r = refuse_damaged(groups, wish, err);

	if (r < 0)
		return r;
	if (before && wish->application && strcmp(before, wish->application) != 0)
		return error_set(err, -EINVAL, "--group %s and --application %s differ",
			wish->name, wish->application);
	/* The name alone is another application's: the id must still be one of its own. */
	if (is_known(groups, id) && application) {
		free(id);
		id = xasprintf("%s-%s", application, name);
	}
	if (!root_id_is_safe(id) || is_known(groups, id) || (before && before[0] == '\0'))
		return error_set(err, -EINVAL,
			"'%s' cannot name a new group: a name is at most 200 printable ASCII "
			"characters without a slash and not taken, also not by the deployment "
			"root's own "
			"directories",
			wish->name ? wish->name : name);
	return set_group(ret, id, name, application);
}

int groups_choose(const struct groups *groups, const struct group_wish *wish,
	struct deployment_group *ret, struct error *err)
{
	const struct deployment_group *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < groups->n; i++) {
		if (!matches(&groups->items[i], wish))
			continue;
		found = &groups->items[i];
		n++;
	}
	if (n == 1)
		return set_group(ret, found->id, found->name,
			wish->application ? wish->application : found->application);
	if (n > 1)
		return refuse(groups, wish, true,
			wish->name ? " means several groups" : "this host has several groups",
			err);
	if (wish->may_be_new)
		return make_new(groups, wish, ret, err);
	if (!wish->name && groups->n == 0)
		return error_set(err, -EINVAL, "nothing was ever deployed here");
	return refuse(
		groups, wish, false, wish->name ? ": no such group" : "no such group", err);
}
