/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of every path: one walk over the tree, with the host's directories open. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/attributes.h"
#include "agent/compare.h"
#include "agent/label.h"
#include "agent/plan.h"
#include "agent/target.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

struct decision {
	struct plan *plan;
	enum file_exists_behavior behavior;
	struct manifest_others *others;
	struct compare compare;
	struct error *err;
};

/* An open directory of the host while its children are decided. */
struct place {
	int fd; /* -1: not there */
	uint64_t mount;
	uint32_t heir;
	bool part; /* below something that is staged as a whole */
	struct source_cache source;
};

static int fail(struct decision *decision, int r, const char *what, uint32_t node)
{
	cleanup_with(freep) char *path = plan_path(decision->plan, node);

	return error_set(decision->err, r, "cannot %s %s: %m", what, path);
}

/* What a directory that is not ours hands down. */
static int inherit(struct decision *decision, uint32_t node, int fd, uint32_t *ret)
{
	struct plan *plan = decision->plan;
	struct heir heir = { 0 };
	char acl[4096];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return fail(decision, -errno, "look at", node);
	n = fgetxattr(fd, ACL_DEFAULT_NAME, acl, sizeof(acl));
	if (n < 0 && errno != ENODATA && errno != ENOTSUP)
		return fail(decision, -errno, "read the default ACL of", node);
	heir.setgid = st.st_mode & S_ISGID;
	heir.gid = st.st_gid;
	if (n > 0) {
		heir.default_acl = xmemdup(acl, (size_t)n);
		heir.default_acl_n = (size_t)n;
	}
	*ret = 0;
	if (heir.setgid || heir.default_acl) {
		xgrow(&plan->heirs, &plan->cap_heirs, plan->n_heirs);
		plan->heirs[plan->n_heirs++] = heir;
		*ret = (uint32_t)plan->n_heirs;
	}
	return 0;
}

static void take_heritage(struct plan *plan, struct node *node, uint32_t index)
{
	const struct grant *grant = grant_at(&plan->grants, node->grant);
	const struct heir *heir;

	node->heir = index;
	if (!index)
		return;
	heir = &plan->heirs[index - 1];
	if (!heir->setgid)
		return;
	if (!grant || !grant->group)
		node->gid = heir->gid;
	if (node->want == KIND_DIRECTORY && !(grant && grant->mode))
		node->mode |= S_ISGID;
}

static bool was_changed(const struct tree *tree, const struct node *node)
{
	const struct owned *owned = tree_owned(tree, node);
	const struct seen *seen = tree_seen(tree, node);

	if (!owned || !seen || !owned->ino)
		return false;
	if (node->was != node->host)
		return true;
	if (owned->uid != seen->uid || owned->gid != seen->gid || owned->mode != seen->mode)
		return true;
	return node->was != KIND_DIRECTORY &&
	       (owned->ino != seen->ino || owned->size != seen->size ||
		       owned->mtime_s != seen->mtime_s || owned->mtime_ns != seen->mtime_ns);
}

static void note_changes(const struct tree *tree, struct node *node)
{
	if (node->was && was_changed(tree, node))
		node->flags |= NODE_CHANGED;
}

/* Not ours and in the way: what the appspec or the deployment says about that. */
static void decide_foreign(struct decision *decision, uint32_t node)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	cleanup_with(freep) char *path = plan_path(plan, node);
	cleanup_with(freep) char *group = NULL;
	cleanup_with(buf_done) struct buf key = { 0 };

	tree_path(&plan->tree, node, &key);
	group = manifest_other_owner(plan, &decision->others, key.data);
	if (decision->behavior == FILE_EXISTS_RETAIN) {
		at->act = ACT_KEPT;
	} else if (group) {
		/* No script can settle that: an error before the first of them. */
		plan_problem(plan, at->entry, "E-FILE-OWNED",
			"%s belongs to the deployment group %s; two groups cannot own one path",
			path, group);
	} else if (decision->behavior == FILE_EXISTS_OVERWRITE) {
		at->act = ACT_REPLACED;
		at->flags |= NODE_SAVED;
	} else {
		plan_conflict(plan, at->entry, "E-FILE-EXISTS",
			"%s exists and no deployment of this group put it there; remove it, or "
			"set "
			"file_exists_behavior to OVERWRITE or RETAIN",
			path);
	}
}

static bool is_same(struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	int source_fd = -1;

	if (plan_skips_compare(plan) || !compare_quick(&plan->tree, at))
		return false;
	source_fd = source_cached(plan, &place->source, at->source);
	return source_fd >= 0 &&
	       compare_node(&decision->compare, plan, node, place->fd, source_fd);
}

/* Ours in the same kind as when it was installed, and nothing is mounted over it. */
static bool is_ours(const struct tree *tree, uint32_t parent, uint32_t child)
{
	const struct node *at = tree_node(tree, child);
	const struct seen *seen = tree_seen(tree, at);
	const struct seen *above = tree_seen(tree, tree_node(tree, parent));

	return at->was != KIND_NONE &&
	       (at->host == KIND_DIRECTORY) == (at->was == KIND_DIRECTORY) &&
	       (!seen || !above || seen->mount == above->mount);
}

/* Every name below must be one of ours; the first that is not goes to `ret`. */
static int find_foreign(struct decision *decision, uint32_t node, int fd, struct buf *ret)
{
	struct tree *tree = &decision->plan->tree;
	cleanup_with(closep) int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return fail(decision, -errno, "read directory", node);
	(void)take_fd(&copy);
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		const char *name = entry->d_name;
		uint32_t child;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		child = tree_find(tree, node, name, strlen(name));
		if (child)
			r = target_look(tree, child, dirfd(dir));
		if (r < 0)
			return fail(decision, r, "look at", child);
		if (!child || !is_ours(tree, node, child)) {
			tree_path(tree, node, ret);
			buf_putc(ret, '/');
			buf_puts(ret, name);
			return 1;
		}
		if (tree_node(tree, child)->host == KIND_DIRECTORY) {
			cleanup_with(closep) int below = openat(dirfd(dir), name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (below < 0)
				return fail(decision, -errno, "open", child);
			r = find_foreign(decision, child, below, ret);
		}
	}
	if (r == 0 && errno != 0)
		return fail(decision, -errno, "read directory", node);
	return r;
}

/* What stood below a directory that goes as a whole. */
static void remove_below(struct tree *tree, uint32_t top)
{
	uint32_t end = tree_skip(tree, top);

	for (uint32_t node = tree_next(tree, top); node && node != end;
		node = tree_next(tree, node)) {
		struct node *at = tree_node(tree, node);

		if (at->was && at->host) {
			at->act = ACT_REMOVED;
			at->flags |= NODE_PART;
			note_changes(tree, at);
		}
	}
}

/* A directory of ours gives way to a file or link, if all inside is ours. */
static int decide_swap(struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	cleanup_with(freep) char *path = plan_path(plan, node);
	cleanup_with(buf_done) struct buf foreign = { 0 };
	cleanup_with(closep) int fd = -1;
	int r;

	if (at->was != KIND_DIRECTORY) {
		plan_conflict(plan, at->entry, "E-FILE-IS-DIRECTORY",
			"%s is a directory that no deployment of this group made, and a file "
			"or link "
			"should go there; move the directory away",
			path);
		return 0;
	}
	fd = openat(place->fd, tree_name(&plan->tree, node),
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(decision, -errno, "open", node);
	r = find_foreign(decision, node, fd, &foreign);
	if (r < 0)
		return r;
	if (r > 0) {
		plan_conflict(plan, at->entry, "E-DIRECTORY-KEPT",
			"%s should become a file or link, but %s in it is not ours; move it "
			"away",
			path, foreign.data);
		return 0;
	}
	at->act = ACT_REPLACED;
	remove_below(&plan->tree, node);
	return 0;
}

static bool is_mount_point(
	const struct plan *plan, const struct node *node, const struct place *place)
{
	const struct seen *seen = tree_seen(&plan->tree, node);

	return seen && seen->mount != place->mount;
}

static void refuse_mount_point(
	struct plan *plan, uint32_t node, uint32_t entry, const char *what)
{
	cleanup_with(freep) char *path = plan_path(plan, node);

	plan_conflict(plan, entry, "E-MOUNT-POINT",
		"%s is a mount point and cannot be %s; unmount it first", path, what);
}

static int decide_file(struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);

	take_heritage(plan, at, place->heir);
	note_changes(&plan->tree, at);
	if (place->part)
		at->flags |= NODE_PART;
	if (is_mount_point(plan, at, place)) {
		refuse_mount_point(plan, node, at->entry, "replaced");
		return 0;
	}
	if (at->host == KIND_NONE) {
		at->act = ACT_NEW;
	} else if (at->host == KIND_DIRECTORY) {
		return decide_swap(decision, node, place);
	} else if (at->host == KIND_OTHER) {
		cleanup_with(freep) char *path = plan_path(plan, node);

		plan_conflict(plan, at->entry, "E-FILE-TYPE",
			"%s is a fifo, socket or device; remove it first", path);
	} else if (at->was == KIND_NONE) {
		decide_foreign(decision, node);
	} else if (is_same(decision, node, place)) {
		at->act = ACT_SAME;
		at->ino = tree_seen(&plan->tree, at)->ino;
	} else {
		at->act = ACT_REPLACED;
	}
	return 0;
}

static int decide_children(struct decision *decision, uint32_t node, struct place *place);

/* A directory of ours that stays: does it look as it shall? */
static int decide_own_directory(struct decision *decision, uint32_t node, int fd)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	const struct seen *seen = tree_seen(&plan->tree, at);
	cleanup_with(closep) int source_fd = at->flags & NODE_SOURCED
						     ? source_open(plan, at->source)
						     : -1;
	cleanup_with(buf_done) struct buf want = { 0 };
	cleanup_with(buf_done) struct buf have = { 0 };
	mode_t mode;
	int r;

	if ((at->flags & NODE_SOURCED) && source_fd < 0)
		return fail(decision, source_fd, "open the source of", node);
	r = attributes_want(plan, node, source_fd, &want, &mode);
	if (r == 0)
		r = xattrs_read(fd, label_enabled(), &have);
	if (r < 0)
		return fail(decision, r, "read the attributes of", node);
	at->mode = mode;
	at->ino = seen->ino;
	at->act = seen->mode == mode && seen->uid == at->uid && seen->gid == at->gid &&
				  seen->mtime_s == at->mtime_s &&
				  seen->mtime_ns == at->mtime_ns && xattrs_equal(&want, &have)
			  ? ACT_SAME
			  : ACT_ADJUSTED;
	return 0;
}

static int open_below(
	struct decision *decision, uint32_t node, struct place *place, int *ret_fd)
{
	*ret_fd = openat(place->fd, tree_name(&decision->plan->tree, node),
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret_fd < 0 ? fail(decision, -errno, "open", node) : 0;
}

/* Missing, or in place of a file of ours: staged with all that is below. */
static int decide_new_directory(struct decision *decision, uint32_t node, struct place *place)
{
	struct place below = { .fd = -1,
		.mount = place->mount,
		.heir = place->heir,
		.part = true,
		.source = { .fd = -1 } };
	struct node *at = tree_node(&decision->plan->tree, node);
	int r;

	at->act = at->host == KIND_NONE ? ACT_NEW : ACT_REPLACED;
	if (place->part)
		at->flags |= NODE_PART;
	r = decide_children(decision, node, &below);
	source_cache_done(&below.source);
	return r;
}

static int decide_present_directory(
	struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	const struct seen *seen = tree_seen(&plan->tree, at);
	cleanup_with(closep) int fd = -1;
	struct place below = {
		.mount = seen->mount, .heir = place->heir, .source = { .fd = -1 }
	};
	int r = open_below(decision, node, place, &fd);

	if (r < 0)
		return r;
	below.fd = fd;
	r = at->flags & NODE_FOREIGN ? inherit(decision, node, fd, &below.heir)
				     : decide_own_directory(decision, node, fd);
	if (r == 0)
		r = decide_children(decision, node, &below);
	source_cache_done(&below.source);
	return r;
}

static int decide_directory(struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);

	if (!(at->flags & NODE_FOREIGN))
		take_heritage(plan, at, place->heir);
	note_changes(&plan->tree, at);
	if (at->host == KIND_DIRECTORY)
		return decide_present_directory(decision, node, place);
	if (at->host != KIND_NONE && (at->was == KIND_NONE || at->host == KIND_OTHER)) {
		cleanup_with(freep) char *path = plan_path(plan, node);

		plan_conflict(plan, at->entry, "E-DIRECTORY-IS-FILE",
			"%s should be a directory, and something that no deployment of this "
			"group "
			"put there is in its place; move it away",
			path);
		return 0;
	}
	return decide_new_directory(decision, node, place);
}

/* Only what is going away may be in a directory that goes. */
static int is_emptied(struct decision *decision, uint32_t node, int fd, bool *ret)
{
	struct tree *tree = &decision->plan->tree;
	cleanup_with(closep) int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir)
		return fail(decision, -errno, "read directory", node);
	(void)take_fd(&copy);
	*ret = true;
	while (*ret && (errno = 0, entry = readdir(dir))) {
		const char *name = entry->d_name;
		uint32_t child;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		child = tree_find(tree, node, name, strlen(name));
		*ret = child && tree_node(tree, child)->act == ACT_REMOVED;
	}
	return *ret && errno != 0 ? fail(decision, -errno, "read directory", node) : 0;
}

static int decide_old_directory(struct decision *decision, uint32_t node, struct place *place)
{
	struct tree *tree = &decision->plan->tree;
	struct node *at = tree_node(tree, node);
	cleanup_with(closep) int fd = -1;
	struct place below = {
		.mount = tree_seen(tree, at)->mount, .heir = place->heir, .source = { .fd = -1 }
	};
	bool emptied = false;
	int r = open_below(decision, node, place, &fd);

	if (r < 0)
		return r;
	below.fd = fd;
	r = decide_children(decision, node, &below);
	if (r < 0 || at->was != KIND_DIRECTORY)
		return r;
	r = is_emptied(decision, node, fd, &emptied);
	if (r < 0)
		return r;
	at->act = emptied && below.mount == place->mount ? ACT_REMOVED : ACT_KEPT;
	return 0;
}

static int decide_unwanted(struct decision *decision, uint32_t node, struct place *place)
{
	struct plan *plan = decision->plan;
	struct node *at = tree_node(&plan->tree, node);
	const struct owned *owned = tree_owned(&plan->tree, at);
	bool original = plan->request.rollback && owned && owned->original &&
			at->was != KIND_DIRECTORY;

	note_changes(&plan->tree, at);
	if (at->host == KIND_DIRECTORY)
		return decide_old_directory(decision, node, place);
	if (!at->was || at->host == KIND_OTHER)
		return 0;
	if (is_mount_point(plan, at, place)) {
		refuse_mount_point(plan, node, PLAN_NO_ENTRY, "removed");
		return 0;
	}
	if (original && !place->part && place->fd >= 0)
		at->act = ACT_RESTORED;
	else if (at->host != KIND_NONE)
		at->act = ACT_REMOVED;
	return 0;
}

static int decide_children(struct decision *decision, uint32_t node, struct place *place)
{
	struct tree *tree = &decision->plan->tree;
	int r = 0;

	for (uint32_t child = tree_node(tree, node)->child; child && r == 0;
		child = tree_node(tree, child)->next) {
		r = target_look(tree, child, place->fd);
		if (r < 0)
			return fail(decision, r, "look at", child);
		switch (tree_node(tree, child)->want) {
		case KIND_FILE:
		case KIND_LINK:
			r = decide_file(decision, child, place);
			break;
		case KIND_DIRECTORY:
			r = decide_directory(decision, child, place);
			break;
		default:
			r = decide_unwanted(decision, child, place);
		}
	}
	return r;
}

/* Originals that earlier deployments overwrote are carried along, those overwritten now come
 * behind. */
static void number_originals(struct plan *plan)
{
	bool same = plan->before.deployment &&
		    strcmp(plan->before.deployment, plan->request.deployment) == 0;

	for (size_t i = 0; same && i < plan->tree.n_owned; i++)
		if (plan->tree.owned[i].original > plan->n_originals)
			plan->n_originals = plan->tree.owned[i].original;
	for (size_t i = 0; i < plan->tree.n_nodes; i++) {
		struct node *node = &plan->tree.nodes[i];
		const struct owned *owned = tree_owned(&plan->tree, node);

		if (!node_is_ours_after(node) || node->want == KIND_DIRECTORY)
			continue;
		if (owned && owned->original && node->was)
			node->original = same ? owned->original : ++plan->n_originals;
		else if (node->flags & NODE_SAVED)
			node->original = ++plan->n_originals;
	}
}

static enum file_exists_behavior behavior_of(const struct install_request *request)
{
	if (request->spec->file_exists_behavior != FILE_EXISTS_UNSET)
		return request->spec->file_exists_behavior;
	return request->behavior == FILE_EXISTS_UNSET ? FILE_EXISTS_DISALLOW
						      : request->behavior;
}

int plan_decide(struct plan *plan, struct error *err)
{
	struct decision decision = {
		.plan = plan, .behavior = behavior_of(&plan->request), .err = err
	};
	struct place top = { .fd = plan->root_fd, .source = { .fd = -1 } };
	struct seen seen;
	int r = target_see(plan->root_fd, "", &seen);

	if (r < 0)
		return error_set(err, r, "cannot look at the root directory: %m");
	top.mount = seen.mount;
	*tree_see(&plan->tree, TREE_ROOT) = seen;
	tree_node(&plan->tree, TREE_ROOT)->host = KIND_DIRECTORY;
	tree_node(&plan->tree, TREE_ROOT)->flags |= NODE_LOOKED;
	r = inherit(&decision, TREE_ROOT, plan->root_fd, &top.heir);
	compare_init(&decision.compare);
	if (r == 0)
		r = decide_children(&decision, TREE_ROOT, &top);
	compare_done(&decision.compare);
	source_cache_done(&top.source);
	manifest_others_free(decision.others);
	if (r == 0)
		number_originals(plan);
	return r;
}
