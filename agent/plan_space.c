/* SPDX-License-Identifier: Apache-2.0 */

/* How much there is to write, and whether the file systems have room for it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/plan.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"

/* Left free on top of the need, for directories and the journal. */
enum { RESERVE_BYTES = 1024 * 1024, RESERVE_INODES = 16 };

struct room {
	dev_t device;
	uint32_t node; /* a directory that is there */
	uint64_t bytes;
	uint64_t blocks; /* files, each of which wastes part of a block */
};

struct rooms {
	struct room *items;
	size_t n, cap;
};

static struct room *room_for(struct rooms *rooms, const struct plan *plan, uint32_t node)
{
	const struct tree *tree = &plan->tree;
	uint32_t above = tree_node(tree, node)->parent;
	const struct seen *seen;

	while (above != TREE_ROOT && tree_node(tree, above)->host != KIND_DIRECTORY)
		above = tree_node(tree, above)->parent;
	seen = tree_seen(tree, tree_node(tree, above));
	for (size_t i = 0; i < rooms->n; i++)
		if (rooms->items[i].device == seen->device)
			return &rooms->items[i];
	xgrow(&rooms->items, &rooms->cap, rooms->n);
	rooms->items[rooms->n] = (struct room){ .device = seen->device, .node = above };
	return &rooms->items[rooms->n++];
}

static void count(struct plan *plan, const struct node *node)
{
	struct plan_totals *totals = &plan->totals;

	if (node->act == ACT_NONE)
		return;
	switch (plan_action_of(plan, node)) {
	case PLAN_NEW:
		totals->n_new++;
		break;
	case PLAN_REPLACED:
		totals->n_replaced++;
		break;
	case PLAN_SAME:
		totals->n_same++;
		break;
	case PLAN_REMOVED:
		totals->n_removed++;
		break;
	case PLAN_KEPT:
		totals->n_kept++;
	}
}

static void say_full(struct plan *plan, const struct room *room, const char *format,
	unsigned long long need, unsigned long long have)
{
	cleanup_with(freep) char *path = plan_path(plan, room->node);
	cleanup_with(freep) char *text = xasprintf("%llu needed, %llu free", need, have);

	diagnostics_add(plan->problems,
		plan->stage == PLAN_AT_INSTALL ? SEVERITY_ERROR : SEVERITY_WARNING,
		plan->request.spec->name, 0, 0, "E-SPACE",
		"not enough %s on the file system of %s: %s", format, path, text);
}

static int check_room(struct plan *plan, const struct room *room, struct error *err)
{
	cleanup_with(closep) int fd = target_open_node(
		plan->root_fd, &plan->tree, room->node, 0);
	struct statvfs fs;
	uint64_t need;

	if (fd < 0 || fstatvfs(fd, &fs) < 0) {
		cleanup_with(freep) char *path = plan_path(plan, room->node);

		return error_set(err, fd < 0 ? fd : -errno,
			"cannot look at the file system of %s: %m", path);
	}
	need = room->bytes + room->blocks * (fs.f_frsize / 2) + RESERVE_BYTES;
	if (need > (uint64_t)fs.f_bavail * fs.f_frsize)
		say_full(plan, room, "bytes", need, (uint64_t)fs.f_bavail * fs.f_frsize);
	if (fs.f_files && room->blocks + RESERVE_INODES > fs.f_favail)
		say_full(plan, room, "inodes", room->blocks + RESERVE_INODES, fs.f_favail);
	return 0;
}

int plan_measure(struct plan *plan, struct error *err)
{
	const struct tree *tree = &plan->tree;
	struct rooms rooms = { 0 };
	int r = 0;

	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node)) {
		const struct node *at = tree_node(tree, node);
		struct room *room;

		count(plan, at);
		if ((at->act != ACT_NEW && at->act != ACT_REPLACED) || !at->want)
			continue;
		room = room_for(&rooms, plan, node);
		room->blocks++;
		if (at->want == KIND_FILE) {
			room->bytes += at->size;
			plan->totals.bytes += at->size;
		}
	}
	for (size_t i = 0; i < rooms.n && r >= 0; i++)
		r = check_room(plan, &rooms.items[i], err);
	free(rooms.items);
	return r;
}
