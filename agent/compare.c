/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/attributes.h"
#include "agent/label.h"
#include "agent/plan.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum { BLOCK_BYTES = 64 * 1024 };

void compare_init(struct compare *compare)
{
	compare->blocks = xmalloc((size_t)2 * BLOCK_BYTES);
}

void compare_done(struct compare *compare)
{
	free(compare->blocks);
	compare->blocks = NULL;
}

bool compare_quick(const struct tree *tree, const struct node *node)
{
	const struct seen *seen = tree_seen(tree, node);

	return seen && node->host == node->want && seen->size == node->size &&
	       seen->mtime_s == node->mtime_s && seen->mtime_ns == node->mtime_ns &&
	       seen->uid == node->uid && seen->gid == node->gid;
}

static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;

	while (n < BLOCK_BYTES) {
		ssize_t r = read(fd, block + n, BLOCK_BYTES - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

/* Both are known to have `size` bytes, so that the end need not be read for. */
static bool same_content(struct compare *compare, int a, int b, uint64_t size)
{
	char *other = compare->blocks + BLOCK_BYTES;

	while (size > 0) {
		size_t want = size < BLOCK_BYTES ? (size_t)size : BLOCK_BYTES;
		ssize_t n = size < BLOCK_BYTES ? read(a, compare->blocks, want)
					       : read_block(a, compare->blocks);
		ssize_t m = size < BLOCK_BYTES ? read(b, other, want) : read_block(b, other);

		if (n != (ssize_t)want || m != (ssize_t)want ||
			memcmp(compare->blocks, other, want) != 0)
			return false;
		size -= want;
	}
	return true;
}

static bool same_link(const char *name, int host_fd, int source_fd, size_t size)
{
	char a[PATH_MAX];
	char b[PATH_MAX];
	ssize_t n = readlinkat(host_fd, name, a, sizeof(a));

	return n == (ssize_t)size && readlinkat(source_fd, name, b, sizeof(b)) == n &&
	       memcmp(a, b, (size_t)n) == 0;
}

static int open_source_file(int fd, const char *name)
{
	return openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_host_file(int fd, const char *name)
{
	return openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
}

static bool is_bare(int fd, bool labels)
{
	cleanup_with(buf_done) struct buf xattrs = { 0 };

	return xattrs_read(fd, labels, &xattrs) == 0 && xattrs.len == 0;
}

void compare_ahead(
	struct compare *compare, struct plan *plan, uint32_t node, int host_fd, int source)
{
	struct node *at = tree_node(&plan->tree, node);
	const struct seen *seen = tree_seen(&plan->tree, at);
	const char *name = tree_name(&plan->tree, node);
	cleanup_with(closep) int host = -1;

	if (at->want != KIND_FILE || at->host != KIND_FILE || seen->size != at->size ||
		seen->mtime_s != at->mtime_s || seen->mtime_ns != at->mtime_ns)
		return;
	host = open_host_file(host_fd, name);
	if (host < 0)
		return;
	at->flags |= NODE_READ;
	if (!same_content(compare, source, host, at->size))
		return;
	at->flags |= NODE_ALIKE;
	/* The bundle's labels do not count: those of files in place come by their paths. */
	if (is_bare(source, false) && is_bare(host, label_enabled()))
		at->flags |= NODE_BARE;
}

bool compare_node(
	struct compare *compare, struct plan *plan, uint32_t node, int host_fd, int source_fd)
{
	struct node *at = tree_node(&plan->tree, node);
	const struct seen *seen = tree_seen(&plan->tree, at);
	const char *name = tree_name(&plan->tree, node);
	cleanup_with(closep) int a = -1;
	cleanup_with(closep) int b = -1;
	cleanup_with(buf_done) struct buf want = { 0 };
	cleanup_with(buf_done) struct buf have = { 0 };
	mode_t mode;

	if (at->want == KIND_LINK)
		return same_link(name, host_fd, source_fd, at->size);
	if ((at->flags & NODE_READ) && !(at->flags & NODE_ALIKE))
		return false;
	if (!(at->flags & NODE_BARE)) {
		a = open_source_file(source_fd, name);
		b = open_host_file(host_fd, name);
		if (a < 0 || b < 0 || xattrs_read(b, label_enabled(), &have) < 0)
			return false;
	}
	if (attributes_want(plan, node, a, &want, &mode) < 0 || mode != seen->mode ||
		!xattrs_equal(&want, &have) ||
		(!(at->flags & NODE_READ) && !same_content(compare, a, b, at->size)))
		return false;
	at->mode = mode;
	return true;
}
