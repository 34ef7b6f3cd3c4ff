/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attributes.h"
#include "agent/label.h"
#include "agent/plan.h"
#include "agent/target.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

enum {
	BLOCK_BYTES = 128 * 1024,     /* smaller files: one read, one write */
	PART_BYTES = 8 * 1024 * 1024, /* after each, writing to disk is started */
	REPORT_BYTES = 4 * 1024 * 1024,
	REPORT_FILES = 64,
};

void stager_init(struct stager *stager, struct plan *plan, install_progress_fn *progress,
	void *userdata, struct error *err)
{
	*stager = (struct stager){ .plan = plan,
		.progress = progress,
		.userdata = userdata,
		.source = { .fd = -1 },
		.err = err };
	stager->block = xmalloc(BLOCK_BYTES);
}

void stager_done(struct stager *stager)
{
	source_cache_done(&stager->source);
	free(stager->block);
}

static int fail(struct stager *stager, int r, const char *what, uint32_t node)
{
	cleanup_with(freep) char *path = plan_path(stager->plan, node);

	return error_set(stager->err, r, "cannot %s %s: %m", what, path);
}

static void report(struct stager *stager, uint64_t bytes)
{
	stager->bytes += bytes;
	if (!stager->progress)
		return;
	if (stager->files % REPORT_FILES == 0 ||
		stager->bytes - stager->reported_bytes >= REPORT_BYTES) {
		stager->reported_bytes = stager->bytes;
		stager->progress(stager->bytes, stager->files, stager->userdata);
	}
}

static int copy_small(struct stager *stager, int from, int to, size_t size)
{
	ssize_t n;

	do
		/* One byte more than there should be: it has not grown either. */
		n = read(from, stager->block, size < BLOCK_BYTES ? size + 1 : size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n != size)
		return -ESTALE;
	return file_write_all(to, stager->block, size);
}

/* Asked once per pair of file systems: a refusal would cost a call for every file. */
static bool clone(struct stager *stager, int from, int to)
{
	struct stat a;
	struct stat b;

	if (fstat(from, &a) < 0 || fstat(to, &b) < 0)
		return false;
	if (stager->no_clone && a.st_dev == stager->clone_from && b.st_dev == stager->clone_to)
		return false;
	if (ioctl(to, FICLONE, from) == 0)
		return true;
	stager->no_clone = errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY ||
			   errno == EINVAL || errno == ENOSYS;
	stager->clone_from = a.st_dev;
	stager->clone_to = b.st_dev;
	return false;
}

static ssize_t copy_part(struct stager *stager, int from, int to, size_t size, bool *by_hand)
{
	ssize_t n;

	if (!*by_hand) {
		n = copy_file_range(from, NULL, to, NULL, size, 0);
		if (n > 0)
			return n;
		if (n < 0 &&
			(errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
			return -errno;
		if (n < 0 && errno == EINTR)
			return 0;
		*by_hand = true; /* not between these two, or not this file */
	}
	n = read(from, stager->block, size < BLOCK_BYTES ? size : BLOCK_BYTES);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ESTALE;
	return file_write_all(to, stager->block, (size_t)n) < 0 ? -errno : n;
}

/* The disk starts on each part while the next is copied, so that the sync at the end finds
 * little to do. */
static int copy_large(struct stager *stager, int from, int to, uint64_t size)
{
	uint64_t done = 0;
	uint64_t started = 0;
	bool by_hand = false;

	if (clone(stager, from, to)) {
		report(stager, size);
		return 0;
	}
	while (done < size) {
		uint64_t left = size - done;
		ssize_t n = copy_part(stager, from, to,
			left < PART_BYTES ? (size_t)left : PART_BYTES, &by_hand);

		if (n < 0)
			return (int)n;
		done += (uint64_t)n;
		if (done - started >= PART_BYTES || done == size) {
			/* A hint only. */
			(void)sync_file_range(to, (off_t)started, (off_t)(done - started),
				SYNC_FILE_RANGE_WRITE);
			started = done;
		}
		report(stager, (uint64_t)n);
	}
	return 0;
}

static int copy_content(struct stager *stager, int from, int to, uint64_t size)
{
	int r;

	if (size == 0)
		return 0;
	if (size > BLOCK_BYTES)
		return copy_large(stager, from, to, size);
	r = copy_small(stager, from, to, (size_t)size);
	if (r == 0)
		report(stager, size);
	return r;
}

/* Owner first: chown(2) takes setuid bits and capabilities away. The ACL after the mode, whose
 * group bits it settles. The time last. */
static int set_attributes(
	const struct node *node, int fd, mode_t made, mode_t mode, const struct buf *xattrs)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = node->mtime_s, .tv_nsec = node->mtime_ns } };
	bool owned = node->uid == geteuid() && node->gid == getegid();

	if (!owned && fchown(fd, node->uid, node->gid) < 0)
		return -errno;
	if ((!owned || made != (mode & 07777)) && fchmod(fd, mode & 07777) < 0)
		return -errno;
	if (xattrs->len) {
		int r = xattrs_change(fd, NULL, 0, xattrs->data, xattrs->len);

		if (r < 0)
			return r;
	}
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int note_result(struct node *node, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	node->ino = st.st_ino;
	node->mode = st.st_mode;
	return 0;
}

static int stage_file(
	struct stager *stager, uint32_t node, int source_fd, int fd, const char *name)
{
	struct plan *plan = stager->plan;
	struct node *at = tree_node(&plan->tree, node);
	cleanup_with(closep) int from = openat(
		source_fd, tree_name(&plan->tree, node), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_with(closep) int to = -1;
	cleanup_with(buf_done) struct buf xattrs = { 0 };
	mode_t made = at->mode & 0777; /* special bits only once the owner is right */
	mode_t mode;
	int r;

	if (from < 0)
		return fail(stager, -errno, "open the source of", node);
	r = attributes_want(plan, node, from, &xattrs, &mode);
	if (r < 0)
		return fail(stager, r, "find the attributes of", node);
	to = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, made);
	if (to < 0)
		return fail(stager, -errno, "stage", node);
	r = copy_content(stager, from, to, at->size);
	if (r == -ESTALE)
		return fail(stager, r,
			"read the source (it changed since the plan was made) of", node);
	if (r < 0)
		return fail(stager, r, "write", node);
	r = set_attributes(at, to, made, mode, &xattrs);
	if (r == 0)
		r = note_result(at, to);
	if (r < 0)
		return fail(stager, r, "set owner, mode or attributes of", node);
	stager->files++;
	return 0;
}

static int label_link(struct stager *stager, uint32_t node, int fd, const char *name)
{
	struct plan *plan = stager->plan;
	const struct node *at = tree_node(&plan->tree, node);
	const struct grant *grant = grant_at(&plan->grants, at->grant);
	cleanup_with(freep) char *path = plan_path(plan, node);
	cleanup_with(buf_done) struct buf label = { 0 };
	int r;

	r = label_make(path, S_IFLNK | 0777,
		grant && grant->context ? &grant->context->context : NULL, &label);
	return r > 0 ? label_set_link(fd, name, label.data, label.len) : r;
}

static int stage_link(
	struct stager *stager, uint32_t node, int source_fd, int fd, const char *name)
{
	struct plan *plan = stager->plan;
	struct node *at = tree_node(&plan->tree, node);
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = at->mtime_s, .tv_nsec = at->mtime_ns } };
	char text[PATH_MAX + 1];
	struct stat st;
	ssize_t n = readlinkat(source_fd, tree_name(&plan->tree, node), text, sizeof(text) - 1);
	int r;

	if (n < 0)
		return fail(stager, -errno, "read the source of", node);
	text[n] = '\0';
	if (symlinkat(text, fd, name) < 0)
		return fail(stager, -errno, "stage", node);
	if (fchownat(fd, name, at->uid, at->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(stager, -errno, "set the owner of", node);
	r = label_enabled() ? label_link(stager, node, fd, name) : 0;
	if (r < 0)
		return fail(stager, r, "label", node);
	if (utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ||
		fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(stager, -errno, "set the time of", node);
	at->ino = st.st_ino;
	at->mode = st.st_mode;
	stager->files++;
	return 0;
}

static int stage_directory(struct stager *stager, uint32_t node, int fd, const char *name);

static int stage_any(struct stager *stager, struct source_cache *source, uint32_t node, int fd,
	const char *name)
{
	const struct node *at = tree_node(&stager->plan->tree, node);
	int source_fd;

	if (at->want == KIND_DIRECTORY)
		return stage_directory(stager, node, fd, name);
	source_fd = source_cached(stager->plan, source, at->source);
	if (source_fd < 0)
		return fail(stager, source_fd, "open the source directory of", node);
	return at->want == KIND_LINK ? stage_link(stager, node, source_fd, fd, name)
				     : stage_file(stager, node, source_fd, fd, name);
}

static int finish_directory(struct stager *stager, uint32_t node, int fd)
{
	struct plan *plan = stager->plan;
	struct node *at = tree_node(&plan->tree, node);
	cleanup_with(closep) int source_fd = at->flags & NODE_SOURCED
						     ? source_open(plan, at->source)
						     : -1;
	cleanup_with(buf_done) struct buf xattrs = { 0 };
	mode_t mode;
	int r;

	if ((at->flags & NODE_SOURCED) && source_fd < 0)
		return fail(stager, source_fd, "open the source of", node);
	r = attributes_want(plan, node, source_fd, &xattrs, &mode);
	if (r == 0)
		r = set_attributes(at, fd, 0700, mode, &xattrs);
	if (r == 0)
		r = note_result(at, fd);
	return r < 0 ? fail(stager, r, "set owner, mode or attributes of", node) : 0;
}

static int stage_directory(struct stager *stager, uint32_t node, int fd, const char *name)
{
	const struct tree *tree = &stager->plan->tree;
	cleanup_with(closep) int made = -1;
	struct source_cache source = { .fd = -1 };
	int r = 0;

	if (mkdirat(fd, name, 0700) < 0)
		return fail(stager, -errno, "stage", node);
	made = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0)
		return fail(stager, -errno, "open the staged", node);
	for (uint32_t child = tree_node(tree, node)->child; child && r == 0;
		child = tree_node(tree, child)->next)
		if (tree_node(tree, child)->want != KIND_NONE)
			r = stage_any(stager, &source, child, made, tree_name(tree, child));
	source_cache_done(&source);
	return r < 0 ? r : finish_directory(stager, node, made);
}

int stage_node(struct stager *stager, uint32_t node, int fd, const char *name)
{
	return stage_any(stager, &stager->source, node, fd, name);
}

static int keep_link(
	int from_fd, const char *from, int to_fd, const char *to, const struct stat *st)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	char text[PATH_MAX + 1];
	ssize_t n = readlinkat(from_fd, from, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (symlinkat(text, to_fd, to) < 0 ||
		fchownat(to_fd, to, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		utimensat(to_fd, to, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int keep_file(struct stager *stager, int from_fd, const char *from, int to_fd,
	const char *to, const struct stat *st)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	cleanup_with(closep) int in = openat(
		from_fd, from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_with(closep) int out = in < 0 ? -1
					      : openat(to_fd, to,
							O_WRONLY | O_CREAT | O_EXCL |
								O_NOFOLLOW | O_CLOEXEC,
							0600);
	cleanup_with(buf_done) struct buf xattrs = { 0 };
	int r;

	if (in < 0 || out < 0)
		return -errno;
	r = xattrs_read(in, label_enabled(), &xattrs);
	if (r == 0)
		r = copy_content(stager, in, out, (uint64_t)st->st_size);
	if (r < 0)
		return r;
	if (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
		return -errno;
	r = xattrs_change(out, NULL, 0, xattrs.data, xattrs.len);
	if (r < 0)
		return r;
	return futimens(out, times) < 0 ? -errno : 0;
}

int stage_keep(struct stager *stager, int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat st;

	if (linkat(from_fd, from, to_fd, to, 0) == 0)
		return 0;
	if (errno != EXDEV && errno != EMLINK && errno != EPERM)
		return -errno;
	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return keep_link(from_fd, from, to_fd, to, &st);
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return keep_file(stager, from_fd, from, to_fd, to, &st);
}
