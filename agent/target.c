/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { LINKS_LIMIT = 40, PATH_PART_BYTES = 3000 };

static int open_part(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_DIRECTORY | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path[0] ? path : ".", &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

/* The kernel takes PATH_MAX bytes at once; trees may be deeper. */
int target_open(int root_fd, const char *path, int flags)
{
	cleanup_with(closep) int fd = -1;

	path += strspn(path, "/");
	while (strlen(path) > PATH_PART_BYTES) {
		cleanup_with(freep) char *part = xstrndup(path, PATH_PART_BYTES);
		char *slash = strrchr(part, '/');
		int next;

		if (!slash)
			return -ENAMETOOLONG;
		*slash = '\0';
		next = open_part(fd < 0 ? root_fd : fd, part, O_PATH);
		if (next < 0)
			return next;
		closep(&fd);
		fd = next;
		path += slash - part;
		path += strspn(path, "/");
	}
	return open_part(fd < 0 ? root_fd : fd, path, flags);
}

int target_open_node(int root_fd, const struct tree *tree, uint32_t node, int flags)
{
	cleanup_with(buf_done) struct buf path = { 0 };

	tree_path(tree, node, &path);
	return target_open(root_fd, path.data, flags);
}

/*
 * On an overlay the first change to a file of a lower layer makes another of it, which keeps
 * the number and has a new birth time. Asked once for each file system that is met.
 */
static bool births_last(int dirfd, const char *name, dev_t device)
{
	static struct {
		dev_t device;
		bool known;
		bool last;
	} cache[8];
	size_t slot = (size_t)(minor(device) + major(device)) % ARRAY_SIZE(cache);
	struct statfs fs;

	if (!cache[slot].known || cache[slot].device != device) {
		/* The file itself: a name may be a mount point. */
		cleanup_with(closep) int fd = name[0] ? openat(dirfd, name,
								O_PATH | O_NOFOLLOW | O_CLOEXEC)
						      : -1;

		if ((name[0] && fd < 0) || fstatfs(fd < 0 ? dirfd : fd, &fs) < 0)
			return false;
		cache[slot].known = true;
		cache[slot].device = device;
		cache[slot].last = fs.f_type != OVERLAYFS_SUPER_MAGIC;
	}
	return cache[slot].last;
}

int target_see(int dirfd, const char *name, struct seen *ret)
{
	struct statx st;

	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH,
		    STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &st) < 0)
		return -errno;
	*ret = (struct seen){
		.ino = st.stx_ino,
		.birth = st.stx_mask & STATX_BTIME
				 ? (uint64_t)st.stx_btime.tv_sec * 1000000000u +
					   st.stx_btime.tv_nsec
				 : 0,
		.mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0,
		.size = st.stx_size,
		.mtime_s = st.stx_mtime.tv_sec,
		.mtime_ns = st.stx_mtime.tv_nsec,
		.mode = st.stx_mode,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
		.device = makedev(st.stx_dev_major, st.stx_dev_minor),
	};
	if (ret->birth && !births_last(dirfd, name, ret->device))
		ret->birth = 0;
	return 0;
}

int target_look(struct tree *tree, uint32_t node, int parent_fd)
{
	struct seen seen;
	int r;

	if (tree->nodes[node].flags & NODE_LOOKED)
		return 0;
	r = parent_fd < 0 ? -ENOENT : target_see(parent_fd, tree_name(tree, node), &seen);
	if (r < 0 && r != -ENOENT)
		return r;
	tree->nodes[node].flags |= NODE_LOOKED;
	if (r == 0) {
		*tree_see(tree, node) = seen;
		tree->nodes[node].host = kind_of(seen.mode);
	}
	/* A cleanup file names paths only: ours is whatever stands there. */
	if (tree->nodes[node].was == KIND_OTHER)
		tree->nodes[node].was = tree->nodes[node].host;
	return 0;
}

struct way {
	struct tree *tree;
	int root_fd;
	int links_left;
	void (*on_way)(struct tree *tree, uint32_t node, void *userdata);
	void *userdata;
	struct error *err;
};

static int look_below(struct way *way, uint32_t node)
{
	cleanup_with(closep) int fd = -1;
	struct tree *tree = way->tree;
	uint32_t parent = tree->nodes[node].parent;
	cleanup_with(buf_done) struct buf path = { 0 };
	int r;

	if (tree->nodes[node].flags & NODE_LOOKED)
		return 0;
	if (parent == TREE_ROOT || tree->nodes[parent].host == KIND_DIRECTORY) {
		fd = target_open_node(way->root_fd, tree, parent, O_PATH);
		if (fd < 0) {
			tree_path(tree, parent, &path);
			return error_set(way->err, fd, "cannot open %s: %m", path.data);
		}
	}
	r = target_look(tree, node, fd);
	if (r < 0) {
		tree_path(tree, node, &path);
		return error_set(way->err, r, "cannot look at %s: %m", path.data);
	}
	return 0;
}

static int walk(
	struct way *way, uint32_t from, const char *path, bool must_exist, uint32_t *ret);

static int read_link(struct way *way, uint32_t node, struct buf *ret)
{
	struct tree *tree = way->tree;
	cleanup_with(closep) int fd = target_open_node(
		way->root_fd, tree, tree->nodes[node].parent, O_PATH);
	char text[PATH_MAX];
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, tree_name(tree, node), text, sizeof(text));
	if (n < 0)
		return -errno;
	buf_append(ret, text, (size_t)n);
	return 0;
}

static int follow(struct way *way, uint32_t node, uint32_t *ret)
{
	struct tree *tree = way->tree;
	const struct seen *seen = tree_seen(tree, &tree->nodes[node]);
	cleanup_with(buf_done) struct buf path = { 0 };
	cleanup_with(buf_done) struct buf text = { 0 };
	void (*on_way)(struct tree *, uint32_t, void *) = way->on_way;
	int r;

	tree_path(tree, node, &path);
	if (seen->uid != 0)
		return error_set(way->err, -EPERM,
			"%s is a link that user %u owns; only root's links may lead to a "
			"destination",
			path.data, seen->uid);
	if (way->links_left-- == 0)
		return error_set(way->err, -ELOOP, "%s: more than %d links on the way",
			path.data, LINKS_LIMIT);
	r = read_link(way, node, &text);
	if (r < 0)
		return error_set(way->err, r, "cannot read link %s: %m", path.data);
	way->on_way = NULL;
	buf_append(&text, "", 0);
	r = walk(way, text.data[0] == '/' ? TREE_ROOT : tree->nodes[node].parent, text.data,
		true, ret);
	way->on_way = on_way;
	if (r == -ENOENT || (r == 0 && tree->nodes[*ret].host != KIND_DIRECTORY))
		return error_set(way->err, -ENOTDIR,
			"%s is a link to %s, which is no directory; remove the link first",
			path.data, text.data);
	return r;
}

static int step(struct way *way, const char *name, size_t n, bool must_exist, uint32_t *node)
{
	struct tree *tree = way->tree;
	uint32_t child;
	int r;

	if (n == 1 && name[0] == '.')
		return 0;
	if (n == 2 && memcmp(name, "..", 2) == 0) {
		*node = tree->nodes[*node].parent;
		return 0;
	}
	child = tree_add(tree, *node, name, n);
	if (!child)
		return error_set(
			way->err, -E2BIG, "deeper than %d directories", TREE_DEPTH_LIMIT);
	r = look_below(way, child);
	if (r < 0)
		return r;
	if (must_exist && tree->nodes[child].host == KIND_NONE)
		return -ENOENT;
	if (tree->nodes[child].host == KIND_LINK && tree->nodes[child].was != KIND_LINK)
		return follow(way, child, node);
	*node = child;
	return 0;
}

static int walk(
	struct way *way, uint32_t from, const char *path, bool must_exist, uint32_t *ret)
{
	uint32_t node = from;
	int r;

	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");

		r = step(way, path, n, must_exist, &node);
		if (r < 0)
			return r;
		if (way->on_way)
			way->on_way(way->tree, node, way->userdata);
		path += n;
	}
	*ret = node;
	return 0;
}

int target_resolve(struct tree *tree, int root_fd, const char *path,
	void (*on_way)(struct tree *tree, uint32_t node, void *userdata), void *userdata,
	uint32_t *ret, struct error *err)
{
	struct way way = { .tree = tree,
		.root_fd = root_fd,
		.links_left = LINKS_LIMIT,
		.on_way = on_way,
		.userdata = userdata,
		.err = err };

	return walk(&way, TREE_ROOT, path, false, ret);
}

int target_follow(
	struct tree *tree, int root_fd, uint32_t node, uint32_t *ret, struct error *err)
{
	struct way way = {
		.tree = tree, .root_fd = root_fd, .links_left = LINKS_LIMIT, .err = err
	};

	return follow(&way, node, ret);
}
