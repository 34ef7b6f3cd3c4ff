/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

/* What an honest archive, whatever its size, is far from. */
enum { LATER_BYTES = 64 << 20, LOOKS_BYTES = 1 << 20 };

/* Heads each record of `later`; the path with its NUL and the ACL follow. */
struct later {
	struct timespec mtime;
	unsigned n_path;
	unsigned n_acl;
	bool has_mtime;
};

/* Archivers walk through directories one by one, but some hand out their files in turns. */
enum { PARENTS = 8 };

struct tree_parent {
	int fd;
	size_t n; /* bytes of path */
	char path[ENTRY_PATH_MAX + 1];
};

void tree_init(struct tree *tree, int root_fd)
{
	*tree = (struct tree){ .root_fd = root_fd,
		.parent_fd = -1,
		.parents = xcalloc(PARENTS, sizeof(*tree->parents)) };
}

void tree_done(struct tree *tree)
{
	for (size_t i = 0; i < tree->n_parents; i++)
		closep(&tree->parents[i].fd);
	free(tree->parents);
	tree->parents = NULL;
	tree->n_parents = 0;
	tree->parent_fd = -1;
	buf_done(&tree->later);
	buf_done(&tree->looks);
}

static int open_beneath(int fd, const char *path, unsigned flags, unsigned resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	long opened;

	do
		opened = syscall(SYS_openat2, fd, path, &how, sizeof(how));
	while (opened < 0 && (errno == EINTR || errno == EAGAIN));
	return opened < 0 ? -errno : (int)opened;
}

static int open_directory(const struct tree *tree, const char *path)
{
	return open_beneath(tree->root_fd, path, O_PATH | O_DIRECTORY,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

/* Makes every directory of the path that is missing. */
static int make_missing(const struct tree *tree, const char *path)
{
	cleanup_with(freep) char *copy = xstrdup(path);
	cleanup_with(closep) int fd = -1;
	char *rest = copy;
	char *name;

	while ((name = strsep(&rest, "/"))) {
		int at = fd < 0 ? tree->root_fd : fd;
		int next;

		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = open_beneath(
			at, name, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (next < 0)
			return next;
		closep(&fd);
		fd = next;
	}
	return take_fd(&fd);
}

static bool find_parent(struct tree *tree, const char *path, size_t n)
{
	for (size_t i = 0; i < tree->n_parents; i++)
		if (tree->parents[i].n == n && memcmp(tree->parents[i].path, path, n) == 0) {
			tree->parent_fd = tree->parents[i].fd;
			return true;
		}
	return false;
}

static void keep_parent(struct tree *tree, const char *path, size_t n, int fd)
{
	struct tree_parent *parent = &tree->parents[tree->oldest];

	if (tree->n_parents < PARENTS)
		tree->n_parents++;
	else
		closep(&parent->fd);
	tree->oldest = (tree->oldest + 1) % PARENTS;
	parent->fd = tree->parent_fd = fd;
	parent->n = n;
	memcpy(parent->path, path, n);
}

/* Makes parent_fd the directory that `path` lies in; *ret_name is its last component. */
static int enter_parent(
	struct tree *tree, const char *path, const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	char parent[ENTRY_PATH_MAX + 1];
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (find_parent(tree, path, n))
		return 0;

	memcpy(parent, path, n);
	parent[n] = '\0';
	fd = open_directory(tree, n > 0 ? parent : ".");
	if (fd == -ENOENT)
		fd = make_missing(tree, parent);
	if (fd == -ELOOP || fd == -ENOTDIR)
		return error_set(err, -EPERM,
			"lies below a name that is a link or a file in the same archive");
	if (fd < 0)
		return error_set(err, fd, "cannot be made: %m");
	keep_parent(tree, path, n, fd);
	return 0;
}

/* Takes away what an earlier entry of the same name made. */
static int make_room(struct tree *tree, const char *name, struct error *err)
{
	struct stat st;

	if (fstatat(tree->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode))
		return error_set(err, -EPERM, "would replace a directory of the same archive");
	if (unlinkat(tree->parent_fd, name, 0) < 0)
		return error_set(err, -errno, "cannot replace an earlier one: %m");
	return 0;
}

int tree_create_file(struct tree *tree, const char *path, mode_t mode, struct error *err)
{
	const char *name;
	int r = enter_parent(tree, path, &name, err);

	for (int attempt = 0; r == 0; attempt++) {
		int fd = openat(tree->parent_fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

		if (fd >= 0)
			return fd;
		if (errno != EEXIST || attempt > 0)
			return error_set(err, -errno, "cannot be made: %m");
		r = make_room(tree, name, err);
	}
	return r;
}

int tree_finish_file(int fd, const struct tree_attributes *attributes, struct error *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, attributes->mtime };

	if ((attributes->uid != 0 || attributes->gid != 0) &&
		fchown(fd, attributes->uid, attributes->gid) < 0)
		return error_set(err, -errno, "cannot be given to user %u and group %u: %m",
			attributes->uid, attributes->gid);
	if (attributes->has_mtime && futimens(fd, times) < 0)
		return error_set(err, -errno, "cannot be given its time: %m");
	return 0;
}

static int remember(struct tree *tree, const char *path,
	const struct tree_attributes *attributes, const void *acl, size_t n_acl,
	struct error *err)
{
	struct later later = {
		.mtime = attributes->mtime,
		.n_path = (unsigned)strlen(path) + 1,
		.n_acl = (unsigned)n_acl,
		.has_mtime = attributes->has_mtime,
	};

	if (!later.has_mtime && n_acl == 0)
		return 0;
	if (tree->later.len + sizeof(later) + later.n_path + n_acl > LATER_BYTES)
		return error_set(err, -EFBIG,
			"brings the names of directories over 64 MiB, the most that is kept");
	buf_append(&tree->later, &later, sizeof(later));
	buf_append(&tree->later, path, later.n_path);
	if (n_acl > 0)
		buf_append(&tree->later, acl, n_acl);
	return 0;
}

static int make_or_adjust(struct tree *tree, const char *name,
	const struct tree_attributes *attributes, struct error *err)
{
	struct stat st;

	if (mkdirat(tree->parent_fd, name, attributes->mode) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(err, -errno, "cannot be made: %m");
	if (fstatat(tree->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot be looked at: %m");
	if (!S_ISDIR(st.st_mode))
		return error_set(
			err, -EPERM, "is a directory, but an earlier one of that name is not");
	if (fchownat(tree->parent_fd, name, attributes->uid, attributes->gid,
		    AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(tree->parent_fd, name, attributes->mode, 0) < 0)
		return error_set(err, -errno, "cannot be given its owner and mode: %m");
	return 0;
}

int tree_make_dir(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	const void *default_acl, size_t n_default_acl, int *ret_fd, struct error *err)
{
	const char *name;
	int r = enter_parent(tree, path, &name, err);

	if (r == 0)
		r = make_or_adjust(tree, name, attributes, err);
	if (r < 0)
		return r;
	if ((attributes->uid != 0 || attributes->gid != 0) &&
		fchownat(tree->parent_fd, name, attributes->uid, attributes->gid,
			AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot be given to user %u and group %u: %m",
			attributes->uid, attributes->gid);
	r = remember(tree, path, attributes, default_acl, n_default_acl, err);
	if (r == 0 && ret_fd) {
		*ret_fd = openat(
			tree->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (*ret_fd < 0)
			return error_set(err, -errno, "cannot be opened: %m");
	}
	return r;
}

static int finish_link(struct tree *tree, const char *name,
	const struct tree_attributes *attributes, struct error *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, attributes->mtime };

	if ((attributes->uid != 0 || attributes->gid != 0) &&
		fchownat(tree->parent_fd, name, attributes->uid, attributes->gid,
			AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot be given to user %u and group %u: %m",
			attributes->uid, attributes->gid);
	if (attributes->has_mtime &&
		utimensat(tree->parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot be given its time: %m");
	return 0;
}

int tree_make_link(struct tree *tree, const char *path, const char *target,
	const struct tree_attributes *attributes, bool needs_look, struct error *err)
{
	const char *name;
	int r = enter_parent(tree, path, &name, err);

	if (r == 0 && symlinkat(target, tree->parent_fd, name) < 0) {
		if (errno != EEXIST)
			return error_set(err, -errno, "cannot be made: %m");
		r = make_room(tree, name, err);
		if (r == 0 && symlinkat(target, tree->parent_fd, name) < 0)
			return error_set(err, -errno, "cannot be made: %m");
	}
	if (r < 0)
		return r;
	if (needs_look && tree->looks.len > LOOKS_BYTES)
		return error_set(err, -EFBIG,
			"is one more link that goes back behind a name than are looked at");
	if (needs_look)
		buf_append(&tree->looks, path, strlen(path) + 1);
	return finish_link(tree, name, attributes, err);
}

/* Any descriptor of the file itself, by which it is linked: no second look at its name. */
static int open_link_source(struct tree *tree, const char *target, struct error *err)
{
	cleanup_with(closep) int fd = open_beneath(tree->root_fd, target, O_PATH | O_NOFOLLOW,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return error_set(err, -EPERM,
			"is a hard link to a file that does not come before it in the archive");
	if (fd == -ELOOP)
		return error_set(err, -EPERM, "is a hard link through a symbolic link");
	if (fd < 0)
		return error_set(err, fd, "cannot be linked: %m");
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot be linked: %m");
	if (!S_ISREG(st.st_mode))
		return error_set(
			err, -EPERM, "is a hard link to something that is no regular file");
	return take_fd(&fd);
}

int tree_make_hardlink(
	struct tree *tree, const char *path, const char *target, struct error *err)
{
	cleanup_with(closep) int source = open_link_source(tree, target, err);
	const char *name;
	int r;

	if (source < 0)
		return source;
	if (strcmp(path, target) == 0)
		return error_set(err, -EPERM, "is a hard link to itself");
	r = enter_parent(tree, path, &name, err);
	if (r < 0)
		return r;
	if (linkat(tree->root_fd, target, tree->parent_fd, name, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(err, -errno, "cannot be linked: %m");
	r = make_room(tree, name, err);
	if (r == 0 && linkat(tree->root_fd, target, tree->parent_fd, name, 0) < 0)
		return error_set(err, -errno, "cannot be linked: %m");
	return r;
}

static int finish_directory(struct tree *tree, const char *path, const struct later *later,
	const void *acl, struct error *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, later->mtime };
	cleanup_with(closep) int fd = -1;

	if (later->n_acl > 0) {
		fd = open_beneath(tree->root_fd, path, O_RDONLY | O_DIRECTORY,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (fd < 0)
			return error_set(err, fd, "cannot be opened: %m");
		if (fsetxattr(fd, "system.posix_acl_default", acl, later->n_acl, 0) < 0 &&
			errno != EOPNOTSUPP)
			return error_set(err, -errno, "cannot be given its default ACL: %m");
	}
	if (later->has_mtime && utimensat(tree->root_fd, path, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, -errno, "cannot be given its time: %m");
	return 0;
}

static int finish_directories(struct tree *tree, const char **ret_path, struct error *err)
{
	const char *at = tree->later.data;
	const char *end = at + tree->later.len;
	struct later later;
	int r = 0;

	for (; at < end && r == 0; at += sizeof(later) + later.n_path + later.n_acl) {
		memcpy(&later, at, sizeof(later));
		*ret_path = at + sizeof(later);
		r = finish_directory(tree, *ret_path, &later, *ret_path + later.n_path, err);
	}
	return r;
}

/* What leads nowhere, or round in circles, stays inside. */
static int look_at_links(
	struct tree *tree, const char *prefix, const char **ret_path, struct error *err)
{
	cleanup_with(closep) int root = open_directory(tree, prefix[0] ? prefix : ".");
	const char *at = tree->looks.data;
	const char *end = at + tree->looks.len;
	size_t skip = prefix[0] ? strlen(prefix) + 1 : 0;

	*ret_path = prefix;
	if (root < 0)
		return error_set(err, root, "cannot be opened: %m");
	for (; at < end; at += strlen(at) + 1) {
		cleanup_with(closep) int fd = open_beneath(
			root, at + skip, O_PATH, RESOLVE_BENEATH);

		*ret_path = at;
		if (fd == -EXDEV)
			return error_set(
				err, -EPERM, "is a link that points outside the bundle");
	}
	return 0;
}

int tree_finish(struct tree *tree, const char *prefix, const char **ret_path, struct error *err)
{
	int r = tree->looks.len > 0 ? look_at_links(tree, prefix, ret_path, err) : 0;

	return r < 0 ? r : finish_directories(tree, ret_path, err);
}

static DIR *open_listing(int fd, const char *path)
{
	cleanup_with(closep) int copy = openat(
		fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (dir)
		(void)take_fd(&copy);
	return dir;
}

static struct dirent *next_name(DIR *dir)
{
	struct dirent *entry;

	do
		entry = readdir(dir);
	while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

static int find_only_entry(struct tree *tree, char **ret, struct error *err)
{
	cleanup_with(closedirp) DIR *dir = open_listing(tree->root_fd, ".");
	cleanup_with(freep) char *name = NULL;
	struct dirent *entry;
	struct stat st;

	if (!dir)
		return error_set(err, -errno, "cannot list the unpacked directory: %m");
	entry = next_name(dir);
	if (!entry)
		return 0;
	name = xstrdup(entry->d_name);
	if (!next_name(dir) && fstatat(tree->root_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode))
		*ret = take(&name);
	return 0;
}

int tree_find_wrapper(struct tree *tree, char **ret, struct error *err)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	cleanup_with(freep) char *name = NULL;
	struct dirent *entry;
	int r = find_only_entry(tree, &name, err);

	*ret = NULL;
	if (r < 0 || !name)
		return r;
	dir = open_listing(tree->root_fd, name);
	if (!dir)
		return error_set(err, -errno, "cannot list the unpacked directory: %m");
	while ((entry = next_name(dir))) {
		if (!strcasestr(entry->d_name, "appspec"))
			continue;
		*ret = take(&name);
		break;
	}
	return 0;
}
