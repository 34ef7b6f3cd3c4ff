/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/attributes.h"
#include "agent/inventory.h"
#include "agent/label.h"
#include "agent/plan.h"
#include "agent/stage.h"
#include "agent/stream.h"
#include "agent/target.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

enum { STATE_NODE = UINT32_MAX, NAME_BYTES = 16 };

/* Between which names can be moved: the same mount and, as a subvolume of btrfs has none of its
 * own, the same device. Both are directories that are there. */
static bool same_volume(const struct plan *plan, uint32_t a, uint32_t b)
{
	const struct seen *one = tree_seen(&plan->tree, tree_node(&plan->tree, a));
	const struct seen *other = tree_seen(&plan->tree, tree_node(&plan->tree, b));

	return one && other && one->mount == other->mount && one->device == other->device;
}

static bool is_below(const struct tree *tree, uint32_t node, uint32_t above)
{
	while (node != above && node != TREE_ROOT)
		node = tree_node(tree, node)->parent;
	return node == above;
}

/*
 * Where the stage for a change in `directory` stands: in the parent of the destination root, so
 * that no temporary name shows where a server or a glob looks, as long as that is on the same
 * volume.
 */
static uint32_t place_of_stage(const struct plan *plan, uint32_t directory, bool is_new)
{
	const struct tree *tree = &plan->tree;
	uint32_t anchor = UINT32_MAX;
	uint32_t parent;

	for (uint32_t at = directory;; at = tree_node(tree, at)->parent) {
		const struct node *node = tree_node(tree, at);

		if (!same_volume(plan, at, directory))
			break;
		if ((node->flags & NODE_ENTRY) || node->was == KIND_DIRECTORY)
			anchor = at;
		if (at == TREE_ROOT)
			break;
	}
	/* The destination itself is new: its parent is just where it goes. */
	if (anchor == UINT32_MAX && is_new)
		return directory;
	if (anchor == UINT32_MAX)
		anchor = directory;
	parent = tree_node(tree, anchor)->parent;
	return anchor != TREE_ROOT && same_volume(plan, parent, directory) ? parent : anchor;
}

static uint32_t stage_for(
	struct operations *operations, const struct plan *plan, uint32_t directory, bool is_new)
{
	uint32_t place;

	for (size_t i = 1; i < operations->n_stages; i++)
		if (same_volume(plan, operations->stages[i].node, directory) &&
			is_below(&plan->tree, directory, operations->stages[i].node))
			return (uint32_t)i;
	place = place_of_stage(plan, directory, is_new);
	xgrow(&operations->stages, &operations->cap_stages, operations->n_stages);
	operations->stages[operations->n_stages] = (struct stage){ .node = place, .fd = -1 };
	return (uint32_t)operations->n_stages++;
}

/* The index of a directory in the journal. */
static uint32_t list_directory(struct operations *operations, uint32_t node)
{
	if (node == STATE_NODE)
		return 0;
	if (!operations->directory_of[node]) {
		xgrow(&operations->directories, &operations->cap_directories,
			operations->n_directories);
		operations->directories[operations->n_directories] = node;
		operations->directory_of[node] = (uint32_t)++operations->n_directories;
	}
	return operations->directory_of[node] - 1;
}

static struct identity seen_identity(const struct plan *plan, uint32_t node)
{
	const struct seen *seen = tree_seen(&plan->tree, tree_node(&plan->tree, node));

	return seen ? (struct identity){ .ino = seen->ino, .birth = seen->birth }
		    : (struct identity){ 0 };
}

static void add(struct operations *operations, const struct plan *plan, uint32_t node,
	enum op_kind kind)
{
	uint32_t directory = tree_node(&plan->tree, node)->parent;
	struct operation operation = {
		.node = node,
		.kind = (uint8_t)kind,
		.is_directory = tree_node(&plan->tree, node)->host == KIND_DIRECTORY,
		.stage = stage_for(operations, plan, directory, kind == OP_PLACE),
		.before = kind == OP_PLACE ? (struct identity){ 0 } : seen_identity(plan, node),
	};

	(void)list_directory(operations, directory);
	operation.number = operations->stages[operation.stage].n++;
	xgrow(&operations->items, &operations->cap, operations->n);
	operations->items[operations->n++] = operation;
}

static void collect_node(struct operations *operations, const struct plan *plan, uint32_t node)
{
	const struct node *at = tree_node(&plan->tree, node);

	if (at->flags & NODE_PART)
		return;
	switch ((enum act)at->act) {
	case ACT_NEW:
		add(operations, plan, node, OP_PLACE);
		break;
	case ACT_REPLACED:
		add(operations, plan, node, OP_EXCHANGE);
		break;
	case ACT_RESTORED:
		add(operations, plan, node, at->host == KIND_NONE ? OP_PLACE : OP_EXCHANGE);
		break;
	case ACT_REMOVED:
		if (at->host != KIND_DIRECTORY)
			add(operations, plan, node, OP_REMOVE);
		break;
	case ACT_ADJUSTED:
		(void)list_directory(operations, node);
		break;
	case ACT_NONE:
	case ACT_SAME:
	case ACT_KEPT:
		break;
	}
}

/* Directories go last, the deepest first: in the array children stand behind their parents. */
static void collect_old_directories(struct operations *operations, const struct plan *plan)
{
	for (size_t i = plan->tree.n_nodes - 1; i > 0; i--) {
		const struct node *node = tree_node(&plan->tree, (uint32_t)i);

		if (node->act == ACT_REMOVED && node->host == KIND_DIRECTORY &&
			!(node->flags & NODE_PART)) {
			/* Its own time comes back if it does. */
			(void)list_directory(operations, (uint32_t)i);
			add(operations, plan, (uint32_t)i, OP_REMOVE);
		}
	}
}

void operations_collect(struct operations *ret, const struct plan *plan)
{
	const struct tree *tree = &plan->tree;

	*ret = (struct operations){ 0 };
	ret->stage_name = xasprintf(".drover-%s", plan->request.deployment);
	ret->directory_of = xcalloc(tree->n_nodes, sizeof(*ret->directory_of));
	xgrow(&ret->directories, &ret->cap_directories, ret->n_directories);
	ret->directories[ret->n_directories++] = STATE_NODE;
	xgrow(&ret->stages, &ret->cap_stages, ret->n_stages);
	ret->stages[ret->n_stages++] = (struct stage){ .node = STATE_NODE, .fd = -1 };
	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node))
		collect_node(ret, plan, node);
	collect_old_directories(ret, plan);
	for (size_t i = 1; i < ret->n_stages; i++)
		(void)list_directory(ret, ret->stages[i].node);
}

void operations_done(struct operations *operations)
{
	for (size_t i = 0; i < operations->n; i++)
		free((char *)operations->items[i].state_name);
	for (size_t i = 0; i < operations->n_stages; i++)
		closep(&operations->stages[i].fd);
	free(operations->items);
	free(operations->stages);
	free(operations->stage_name);
	free(operations->directory_of);
	free(operations->directories);
	*operations = (struct operations){ 0 };
}

uint32_t operations_add_state(struct operations *operations, char *name)
{
	xgrow(&operations->items, &operations->cap, operations->n);
	operations->items[operations->n++] = (struct operation){
		.node = STATE_NODE, .state_name = name, .number = operations->stages[0].n
	};
	return operations->stages[0].n++;
}

static int fail(
	const struct plan *plan, int r, const char *what, uint32_t node, struct error *err)
{
	cleanup_with(freep) char *path = node == STATE_NODE
						 ? xstrdup("a file of deployment-instructions")
						 : plan_path(plan, node);

	return error_set(err, r, "cannot %s %s: %m", what, path);
}

static int open_node(const struct plan *plan, uint32_t node)
{
	return node == STATE_NODE
		       ? target_open(plan->request.root->instructions_fd, ".", O_RDONLY)
		       : target_open_node(plan->root_fd, &plan->tree, node, O_RDONLY);
}

/* The path in the journal: from the real root, "" for the state directory. */
static void journal_path(const struct plan *plan, uint32_t node, struct buf *ret)
{
	buf_append(ret, "", 0);
	if (node == STATE_NODE)
		return;
	if (plan->request.install_root)
		buf_puts(ret, plan->request.install_root);
	tree_path(&plan->tree, node, ret);
}

static struct metadata metadata_of(const struct seen *seen)
{
	return (struct metadata){ .mode = seen->mode,
		.uid = seen->uid,
		.gid = seen->gid,
		.mtime_s = seen->mtime_s,
		.mtime_ns = seen->mtime_ns };
}

/* A directory as it is now, by an open descriptor; checked against the plan. */
static int describe(const struct plan *plan, uint32_t node, int fd, struct buf *path,
	struct journal_directory *ret, struct error *err)
{
	struct identity planned;
	struct seen seen;
	int r = target_see(fd, "", &seen);

	if (r < 0)
		return fail(plan, r, "look at", node, err);
	*ret = (struct journal_directory){ .identity = { seen.ino, seen.birth } };
	if (node != STATE_NODE) {
		planned = seen_identity(plan, node);
		if (!identity_equal(planned, ret->identity))
			return fail(plan, -ESTALE, "use (it changed since the plan was made)",
				node, err);
		/* As planned: the stages in it have changed its time meanwhile. */
		seen = *tree_seen(&plan->tree, tree_node(&plan->tree, node));
	}
	journal_path(plan, node, path);
	ret->path = path->data;
	ret->before = metadata_of(&seen);
	return 0;
}

int operations_announce(const struct operations *operations, const struct plan *plan,
	bool fresh_replaced, struct error *err)
{
	size_t n = operations->n_stages;
	cleanup_with(freep) struct journal_directory *directories = xcalloc(
		n, sizeof(*directories));
	cleanup_with(freep) struct journal_stage *stages = xcalloc(n, sizeof(*stages));
	struct buf *paths = xcalloc(n, sizeof(*paths));
	struct journal_section intent = { .deployment = plan->request.deployment,
		.fresh_replaced = fresh_replaced,
		.directories = directories,
		.n_directories = (uint32_t)n,
		.stages = stages,
		.n_stages = (uint32_t)n };
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		uint32_t node = operations->stages[i].node;
		cleanup_with(closep) int fd = open_node(plan, node);

		r = fd < 0 ? fail(plan, fd, "open", node, err)
			   : describe(plan, node, fd, &paths[i], &directories[i], err);
		directories[i].flags = node == STATE_NODE ? 0
							  : DIRECTORY_QUIET | DIRECTORY_SYNC;
		stages[i] = (struct journal_stage){ .directory = (uint32_t)i,
			.name = operations->stage_name };
	}
	if (r >= 0)
		r = journal_create(plan->request.root, plan->request.group, &intent, err);
	for (size_t i = 0; i < n; i++)
		buf_done(&paths[i]);
	free(paths);
	return r;
}

/* Nothing of the directory it stands in may be handed down to what is staged. */
static int make_stage(struct stage *stage, const char *name, int parent)
{
	struct seen seen;
	int r;

	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	stage->fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (stage->fd < 0)
		return -errno;
	if ((fremovexattr(stage->fd, ACL_DEFAULT_NAME) < 0 && errno != ENODATA &&
		    errno != ENOTSUP) ||
		(fremovexattr(stage->fd, ACL_ACCESS_NAME) < 0 && errno != ENODATA &&
			errno != ENOTSUP) ||
		fchown(stage->fd, geteuid(), getegid()) < 0 || fchmod(stage->fd, 0700) < 0)
		return -errno;
	r = target_see(stage->fd, "", &seen);
	if (r < 0)
		return r;
	stage->identity = (struct identity){ seen.ino, seen.birth };
	return seen.uid == geteuid() ? 0 : -EPERM;
}

int operations_make_stages(
	struct operations *operations, const struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < operations->n_stages; i++) {
		struct stage *stage = &operations->stages[i];
		cleanup_with(closep) int parent = open_node(plan, stage->node);
		int r = parent < 0 ? parent : make_stage(stage, operations->stage_name, parent);

		if (r < 0)
			return fail(plan, r, "make a stage directory in", stage->node, err);
	}
	return 0;
}

int operations_open_replaced(const struct plan *plan, const char *deployment, bool make)
{
	cleanup_with(freep) char *path = xasprintf(
		"%s/%s/replaced", plan->request.group, deployment);
	int fd;

	if (make && file_make_dirs(plan->request.root->fd, path, 0700, NULL) < 0)
		return -errno;
	fd = file_open_beneath(plan->request.root->fd, path, O_RDONLY | O_DIRECTORY, 0);
	return fd;
}

/* An original comes back from the replaced/ of the deployment that is installed. */
static int stage_original(
	struct stager *stager, const struct operation *operation, int fd, const char *name)
{
	struct plan *plan = stager->plan;
	const struct node *node = tree_node(&plan->tree, operation->node);
	cleanup_with(closep) int replaced = operations_open_replaced(
		plan, plan->before.deployment, false);
	char number[NAME_BYTES];
	int r = replaced;

	(void)snprintf(number, sizeof(number), "%u", tree_owned(&plan->tree, node)->original);
	if (r >= 0)
		r = stage_keep(stager, replaced, number, fd, name);
	return r < 0 ? fail(plan, r, "bring back the original of", operation->node, stager->err)
		     : 0;
}

int operations_stage(struct operations *operations, struct plan *plan, struct stager *stager)
{
	for (size_t i = 0; i < operations->n; i++) {
		struct operation *operation = &operations->items[i];
		char name[NAME_BYTES];
		struct seen seen;
		int fd = operations->stages[operation->stage].fd;
		int r;

		if (operation->kind == OP_REMOVE || operation->node == STATE_NODE)
			continue;
		(void)snprintf(name, sizeof(name), "%u", operation->number);
		r = tree_node(&plan->tree, operation->node)->act == ACT_RESTORED
			    ? stage_original(stager, operation, fd, name)
			    : stage_node(stager, operation->node, fd, name);
		if (r < 0)
			return r;
		if (operation->is_directory)
			r = inventory_write(fd, operation->number, plan, operation->node);
		if (r < 0)
			return fail(plan, r, "list what is in", operation->node, stager->err);
		r = target_see(fd, name, &seen);
		if (r < 0)
			return fail(
				plan, r, "look at the staged", operation->node, stager->err);
		operation->after = (struct identity){ seen.ino, seen.birth };
	}
	return 0;
}

/* Directories of ours get their time again after names in them have changed. */
static int put_directory(struct stream *stream, const struct plan *plan, uint32_t node,
	unsigned flags, struct error *err)
{
	cleanup_with(closep) int fd = open_node(plan, node);
	cleanup_with(closep) int source_fd = -1;
	cleanup_with(buf_done) struct buf path = { 0 };
	cleanup_with(buf_done) struct buf before = { 0 };
	cleanup_with(buf_done) struct buf after = { 0 };
	const struct node *at = node == STATE_NODE ? NULL : tree_node(&plan->tree, node);
	struct journal_directory directory;
	mode_t mode = 0;
	int r;

	if (fd < 0)
		return fail(plan, fd, "open", node, err);
	r = describe(plan, node, fd, &path, &directory, err);
	if (r < 0)
		return r;
	directory.flags = flags;
	if (at && (at->act == ACT_SAME || at->act == ACT_ADJUSTED)) {
		if (at->flags & NODE_SOURCED) {
			source_fd = source_open(plan, at->source);
			r = source_fd < 0 ? source_fd : 0;
		}
		if (r == 0)
			r = attributes_want(plan, node, source_fd, &after, &mode);
		if (r == 0)
			r = xattrs_read(fd, label_enabled(), &before);
		if (r < 0)
			return fail(plan, r, "read the attributes of", node, err);
		directory.flags = DIRECTORY_SET | (flags & DIRECTORY_SYNC);
		directory.before.xattrs = before.data;
		directory.before.xattrs_n = before.len;
		directory.after = (struct metadata){ .mode = mode,
			.uid = at->uid,
			.gid = at->gid,
			.mtime_s = at->mtime_s,
			.mtime_ns = at->mtime_ns,
			.xattrs = after.data,
			.xattrs_n = after.len };
	}
	journal_put_directory(stream, &directory);
	return 0;
}

static void put_op(struct stream *stream, const struct operations *operations,
	const struct plan *plan, const struct operation *operation)
{
	bool state = operation->node == STATE_NODE;
	uint32_t parent = state ? 0 : tree_node(&plan->tree, operation->node)->parent;
	struct op op = { .kind = (enum op_kind)operation->kind,
		.is_directory = operation->is_directory,
		.directory = state ? 0 : operations->directory_of[parent] - 1,
		.stage = operation->stage,
		.number = operation->number,
		.name = state ? operation->state_name : tree_name(&plan->tree, operation->node),
		.after = operation->after,
		.before = operation->before };

	journal_put_op(stream, &op);
}

/* What the switch has to know of a directory in the journal. */
static unsigned flags_of(const struct operations *operations, const struct plan *plan,
	const bool *busy, size_t index)
{
	const struct tree *tree = &plan->tree;
	uint32_t node = operations->directories[index];
	unsigned flags = 0;
	dev_t device;

	if (node == STATE_NODE)
		return 0;
	/* It only holds a stage: its time comes back. */
	if (!busy[index])
		flags |= DIRECTORY_QUIET;
	device = tree_seen(tree, tree_node(tree, node))->device;
	for (size_t i = 1; i < index; i++) {
		uint32_t other = operations->directories[i];

		/* Mostly the first is on the same file system. */
		if (tree_seen(tree, tree_node(tree, other))->device == device)
			return flags;
	}
	return flags | DIRECTORY_SYNC;
}

int operations_write(const struct operations *operations, const struct plan *plan,
	bool fresh_replaced, int journal_fd, struct error *err)
{
	cleanup_with(freep) struct stream *stream = xmalloc(sizeof(*stream));
	cleanup_with(freep) bool *busy = xcalloc(operations->n_directories, sizeof(*busy));
	int r = journal_begin(stream, journal_fd);

	for (size_t i = 0; i < operations->n; i++)
		if (operations->items[i].node != STATE_NODE)
			busy[operations->directory_of[tree_node(
				     &plan->tree, operations->items[i].node)
							      ->parent] -
				1] = true;
	journal_put_head(stream, plan->request.deployment, fresh_replaced);
	journal_put_count(stream, (uint32_t)operations->n_directories);
	for (size_t i = 0; i < operations->n_directories && r >= 0; i++)
		r = put_directory(stream, plan, operations->directories[i],
			flags_of(operations, plan, busy, i), err);
	if (r < 0)
		return r;
	journal_put_count(stream, (uint32_t)operations->n_stages);
	for (size_t i = 0; i < operations->n_stages; i++) {
		uint32_t node = operations->stages[i].node;
		struct journal_stage stage = {
			.directory = node == STATE_NODE ? 0
							: operations->directory_of[node] - 1,
			.name = operations->stage_name,
			.identity = operations->stages[i].identity
		};

		journal_put_stage(stream, &stage);
	}
	journal_put_count(stream, (uint32_t)operations->n);
	for (size_t i = 0; i < operations->n; i++)
		put_op(stream, operations, plan, &operations->items[i]);
	r = journal_end(stream);
	return r < 0 ? error_set(err, r, "cannot write the journal: %m") : 0;
}
