/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/revision.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/root.h"
#include "agent/revision_tree.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

bool revision_is_kept(const struct root *root, const char *group, const char *deployment)
{
	cleanup_with(freep) char *path = root_archive_dir(root, group, deployment);
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_same_origin(const struct record *a, const struct record *b)
{
	const char *from_a = a->from ? a->from : a->deployment;
	const char *from_b = b->from ? b->from : b->deployment;

	if (strcmp(from_a, from_b) == 0)
		return true;
	return a->source_mtime_ns != 0 && a->location && b->location &&
	       strcmp(a->location, b->location) == 0 && a->source_bytes == b->source_bytes &&
	       a->source_mtime_ns == b->source_mtime_ns;
}

int revision_is_same(const struct root *root, const char *group, const struct record *a,
	const struct record *b, struct error *err)
{
	cleanup_with(freep) char *path_a = root_archive_dir(root, group, a->deployment);
	cleanup_with(freep) char *path_b = root_archive_dir(root, group, b->deployment);

	if (is_same_origin(a, b))
		return 1;
	/* One that is no longer here cannot be compared: it counts as another. */
	if (!revision_is_kept(root, group, a->deployment) ||
		!revision_is_kept(root, group, b->deployment))
		return 0;
	return revision_trees_equal(path_a, path_b, err);
}

int revision_installed(
	const struct root *root, const char *group, char **ret, struct error *err)
{
	cleanup_with(freep) char *path = NULL;
	int r = root_read_pointer(root, group, "_last_successful_install", &path, err);

	if (r < 0)
		return r;
	*ret = path && root_id_is_safe(path_base(path)) ? xstrdup(path_base(path)) : NULL;
	return 0;
}

struct entry {
	char *name;
	struct timespec mtime;
};

struct entries {
	struct entry *items;
	size_t n;
	size_t cap;
};

static void entries_done(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->items[i].name);
	free(entries->items);
}

static int list_entries(
	struct entries *entries, int group_fd, const char *current, struct error *err)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	int fd = openat(group_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_set(err, -errno, "cannot list the kept revisions: %m");
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			strcmp(entry->d_name, current) == 0 ||
			fstatat(group_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		xgrow(&entries->items, &entries->cap, entries->n);
		entries->items[entries->n++] = (struct entry){ xstrdup(entry->d_name),
			st.st_mtim };
	}
	return 0;
}

static int compare_times(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->mtime.tv_sec != y->mtime.tv_sec)
		return x->mtime.tv_sec < y->mtime.tv_sec ? -1 : 1;
	if (x->mtime.tv_nsec != y->mtime.tv_nsec)
		return x->mtime.tv_nsec < y->mtime.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool is_among(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

int revision_extra(const struct root *root, const char *group, const char *current,
	unsigned max, const char *const *spared, char ***ret, size_t *n, struct error *err)
{
	cleanup_with(entries_done) struct entries entries = { 0 };
	cleanup_with(closep) int fd = openat(
		root->fd, group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	size_t extra;
	int r;

	*ret = NULL;
	*n = 0;
	if (fd < 0)
		return errno == ENOENT ? 0
				       : error_set(err, -errno, "cannot open %s/%s: %m",
						 root->path, group);
	r = list_entries(&entries, fd, current, err);
	if (r < 0)
		return r;
	extra = entries.n + 1 > max ? entries.n + 1 - max : 0;
	if (extra == 0 || entries.n == 0)
		return 0;
	assert(entries.items);
	qsort(entries.items, entries.n, sizeof(*entries.items), compare_times);
	*ret = xcalloc(entries.n + 1, sizeof(**ret));
	for (size_t i = 0; i < entries.n && *n < extra; i++)
		if (!is_among(entries.items[i].name, spared))
			(*ret)[(*n)++] = take(&entries.items[i].name);
	return 0;
}

int revision_remove(
	const struct root *root, const char *group, char *const *names, struct error *err)
{
	cleanup_with(closep) int fd = openat(
		root->fd, group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/%s: %m", root->path, group);
	for (; *names; names++) {
		int r = file_remove_tree(fd, *names, err);

		if (r < 0)
			return error_wrap(err, "cannot remove old revision %s/%s/%s",
				root->path, group, *names);
	}
	return 0;
}
