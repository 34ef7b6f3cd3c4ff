/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle_targets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appspec/appspec.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/file.h"

enum {
	LIMIT_TARGETS = 200000,
	LIMIT_DEPTH = 128,           /* one descriptor each */
	LIMIT_COMPARISONS = 20000000 /* of permissions with targets */
};

/* A path that the bundle's install would make. */
struct target {
	char *path;
	bool is_directory;
	const struct appspec_file *entry;
};

struct targets {
	const struct appspec *spec;
	struct diagnostics *problems;
	struct target *items;
	size_t n;
	size_t cap;
	size_t comparisons;
	bool incomplete; /* a source is missing, which was reported before */
};

static void targets_done(struct targets *targets)
{
	for (size_t i = 0; i < targets->n; i++)
		free(targets->items[i].path);
	free(targets->items);
}

static int add(struct targets *targets, const char *path, bool is_directory,
	const struct appspec_file *entry)
{
	if (targets->n == LIMIT_TARGETS)
		return -E2BIG;
	xgrow(&targets->items, &targets->cap, targets->n);
	targets->items[targets->n++] = (struct target){ xstrdup(path), is_directory, entry };
	return 0;
}

/* The destination and its parents are made if missing. */
static int add_destination(struct targets *targets, const struct appspec_file *entry)
{
	cleanup_with(freep) char *path = xstrdup(entry->destination);
	int r = 0;

	while (r == 0 && path[1] != '\0') {
		char *slash = strrchr(path, '/');

		r = add(targets, path, true, entry);
		slash[slash == path ? 1 : 0] = '\0';
	}
	return r;
}

static int add_tree(struct targets *targets, const struct appspec_file *entry, int dirfd,
	const char *path, unsigned depth);

/* One name in a directory of the bundle, which goes to `directory` on the host. */
static int add_entry(struct targets *targets, const struct appspec_file *entry, int dirfd,
	const char *name, const char *directory, unsigned depth)
{
	cleanup_with(freep) char *path = path_join(directory, name);
	cleanup_with(closep) int fd = -1;
	struct stat st;
	int r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = add(targets, path, S_ISDIR(st.st_mode), entry);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	if (depth == LIMIT_DEPTH)
		return -E2BIG;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : add_tree(targets, entry, fd, path, depth + 1);
}

static int add_tree(struct targets *targets, const struct appspec_file *entry, int dirfd,
	const char *path, unsigned depth)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	const struct dirent *found;
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (found = readdir(dir)))
		if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
			r = add_entry(targets, entry, dirfd, found->d_name, path, depth);
	return r;
}

static int add_source(struct targets *targets, const struct appspec_file *entry, int bundle_fd)
{
	const char *source = entry->source[0] ? entry->source : ".";
	cleanup_with(closep) int fd = file_open_beneath(
		bundle_fd, source, O_PATH | O_NOFOLLOW, 0);
	cleanup_with(freep) char *path = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0) {
		targets->incomplete = true;
		return 0;
	}
	r = add_destination(targets, entry);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return add_tree(targets, entry, fd, entry->destination, 0);
	path = path_join(entry->destination, path_base(source));
	return add(targets, path, false, entry);
}

static int compare_targets(const void *left, const void *right)
{
	const struct target *a = left;
	const struct target *b = right;
	int r = strcmp(a->path, b->path);

	/* Of equal paths directories go first, then those of earlier entries. */
	if (r == 0)
		r = b->is_directory - a->is_directory;
	return r != 0 ? r : (a->entry > b->entry) - (a->entry < b->entry);
}

static void report(const struct targets *targets, enum severity severity, struct mark mark,
	const char *id, const char *text, const char *path)
{
	diagnostics_add(targets->problems, severity, targets->spec->name, mark.line,
		mark.column, id, "%s: %s", path, text);
}

/* One report for each entry that collides, not for each of its files. */
static void check_collisions(const struct targets *targets)
{
	const struct appspec_file *reported = NULL;

	for (size_t i = 1; i < targets->n; i++) {
		const struct target *a = &targets->items[i - 1];
		const struct target *b = &targets->items[i];

		if (b->is_directory || b->entry == reported || strcmp(a->path, b->path) != 0)
			continue;
		reported = b->entry;
		if (a->is_directory)
			report(targets, SEVERITY_ERROR, b->entry->mark, "E-COPY-OVER-MKDIR",
				"is installed as a file here and as a directory by another "
				"entry or as a parent",
				b->path);
		else
			report(targets, SEVERITY_ERROR, b->entry->mark, "E-COPY-DUP",
				"is installed by an earlier entry as well", b->path);
	}
}

/* The first target that is not before `path`. */
static size_t lower_bound(const struct targets *targets, const char *path)
{
	size_t low = 0;
	size_t high = targets->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(targets->items[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_default_acl(const struct appspec_permission *permission)
{
	for (size_t i = 0; i < permission->n_acls; i++)
		if (permission->acls[i].is_default)
			return true;
	return false;
}

/* The object is one installed file: nothing that selects may be given. */
static void check_file_object(
	const struct targets *targets, const struct appspec_permission *permission)
{
	const char *id = NULL;
	const char *text = NULL;

	if (strcmp(permission->pattern, "**") != 0) {
		id = "E-PERM-FILE-PATTERN";
		text = "is a file, for which pattern must be left out";
	} else if (permission->n_except > 0) {
		id = "E-PERM-FILE-EXCEPT";
		text = "is a file, for which except must be left out";
	} else if (has_default_acl(permission)) {
		id = "E-PERM-FILE-DEFAULT-ACL";
		text = "is a file, and only directories have default ACL entries";
	}
	if (id)
		report(targets, SEVERITY_ERROR, permission->mark, id, text, permission->object);
}

/* True if something below the object is matched. */
static bool check_below(struct targets *targets, const struct appspec_permission *permission)
{
	bool at_root = strcmp(permission->object, "/") == 0;
	cleanup_with(freep) char *prefix = path_join(permission->object, "");
	size_t n = at_root ? 1 : strlen(prefix);
	bool matched = false;

	for (size_t i = lower_bound(targets, prefix); i < targets->n; i++) {
		const struct target *target = &targets->items[i];

		if (strncmp(target->path, prefix, n) != 0)
			break;
		targets->comparisons++;
		if (!(target->is_directory ? permission->directories : permission->files) ||
			!appspec_permission_matches(permission, target->path + n))
			continue;
		matched = true;
		if (!has_default_acl(permission))
			break;
		if (!target->is_directory) {
			report(targets, SEVERITY_ERROR, permission->mark,
				"E-PERM-FILE-DEFAULT-ACL",
				"is a file, and only directories have default ACL entries (add "
				"'type: [directory]')",
				target->path);
			break;
		}
	}
	return matched;
}

static void check_permission(
	struct targets *targets, const struct appspec_permission *permission)
{
	size_t i = lower_bound(targets, permission->object);
	bool is_file = i < targets->n &&
		       strcmp(targets->items[i].path, permission->object) == 0 &&
		       !targets->items[i].is_directory;
	bool matched = is_file ? permission->files : check_below(targets, permission);

	if (is_file && matched)
		check_file_object(targets, permission);
	if (!matched && !targets->incomplete)
		report(targets, SEVERITY_WARNING, permission->mark, "W-PERM-UNMATCHED",
			is_file ? "is a file, which type leaves out"
				: "nothing that this bundle installs matches the entry",
			permission->object);
}

void bundle_check_targets(
	int bundle_fd, const struct appspec *spec, struct diagnostics *problems)
{
	cleanup_with(targets_done) struct targets targets = {
		.spec = spec,
		.problems = problems,
	};

	for (size_t i = 0; i < spec->n_files; i++)
		if (add_source(&targets, &spec->files[i], bundle_fd) < 0)
			return; /* too many, or unreadable: the plan will tell */
	if (targets.n > 0)
		qsort(targets.items, targets.n, sizeof(*targets.items), compare_targets);
	check_collisions(&targets);
	appspec_check_objects(spec, problems);
	for (size_t i = 0; i < spec->n_permissions; i++) {
		if (targets.comparisons > LIMIT_COMPARISONS)
			return;
		targets.comparisons += spec->n_files;
		if (appspec_may_install(spec, spec->permissions[i].object))
			check_permission(&targets, &spec->permissions[i]);
	}
}
