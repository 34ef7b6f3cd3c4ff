/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/inventory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/plan.h"
#include "agent/target.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { NAME_BYTES = 24, LIMIT_BYTES = 256 * 1024 * 1024 };

static void name_it(uint32_t number, char ret[static NAME_BYTES])
{
	(void)snprintf(ret, NAME_BYTES, "%u.own", number);
}

static int compare(const void *a, const void *b)
{
	const struct identity *left = a;
	const struct identity *right = b;

	if (left->ino != right->ino)
		return left->ino < right->ino ? -1 : 1;
	return (left->birth > right->birth) - (left->birth < right->birth);
}

int inventory_write(int stage_fd, uint32_t number, const struct plan *plan, uint32_t node)
{
	const struct tree *tree = &plan->tree;
	cleanup_with(buf_done) struct buf items = { 0 };
	cleanup_with(closep) int fd = -1;
	uint32_t end = tree_skip(tree, node);
	char name[NAME_BYTES];

	for (uint32_t at = tree_next(tree, node); at && at != end; at = tree_next(tree, at)) {
		const struct seen *seen = tree_seen(tree, tree_node(tree, at));
		struct identity identity;

		if (!seen)
			continue;
		identity = (struct identity){ seen->ino, seen->birth };
		buf_append(&items, &identity, sizeof(identity));
	}
	if (items.len > 0)
		qsort(items.data, items.len / sizeof(struct identity), sizeof(struct identity),
			compare);
	name_it(number, name);
	fd = openat(stage_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : file_write_all(fd, items.data, items.len);
}

/* Takes fd over. */
static int search(int fd, const struct buf *items)
{
	cleanup_with(closep) int owned = fd;
	cleanup_with(closedirp) DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	(void)take_fd(&owned);
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		struct identity identity;
		struct seen seen;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = target_see(dirfd(dir), entry->d_name, &seen);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		identity = (struct identity){ seen.ino, seen.birth };
		if (items->len == 0 ||
			!bsearch(&identity, items->data, items->len / sizeof(identity),
				sizeof(identity), compare))
			return 1;
		if (kind_of(seen.mode) == KIND_DIRECTORY) {
			int below = openat(dirfd(dir), entry->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = below < 0 ? -errno : search(below, items);
		}
	}
	return r == 0 && errno != 0 ? -errno : r;
}

int inventory_is_exceeded(int stage_fd, uint32_t number, const char *name)
{
	cleanup_with(buf_done) struct buf items = { 0 };
	char file[NAME_BYTES];
	int fd;
	int r;

	name_it(number, file);
	r = file_read(stage_fd, file, LIMIT_BYTES, &items, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fd = openat(stage_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : search(fd, &items);
}

int inventory_remove(int stage_fd, uint32_t number)
{
	char name[NAME_BYTES];

	name_it(number, name);
	if (unlinkat(stage_fd, name, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
