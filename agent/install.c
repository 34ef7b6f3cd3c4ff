/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/operations.h"
#include "agent/plan.h"
#include "agent/recover.h"
#include "agent/stage.h"
#include "agent/stream.h"
#include "agent/switch.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"

enum { LOCK_POLL_MS = 50 };

int install_lock(const struct root *root, unsigned wait_ms, int *ret_fd, struct error *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	cleanup_with(closep) int fd = openat(
		root->instructions_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	uint64_t until = time_boot_ms() + wait_ms;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s/deployment-instructions/lock: %m",
			root->path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, -errno,
				"cannot lock %s/deployment-instructions/lock: %m", root->path);
		if (time_boot_ms() >= until)
			return error_set(err, -EBUSY,
				"another deployment is installing files (lock "
				"%s/deployment-instructions/lock)",
				root->path);
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* One install while it runs. */
struct run {
	struct plan *plan;
	struct operations operations;
	struct stager stager;
	int journal_fd;
	bool fresh_replaced;
	struct error *err;
};

/* The original of a path goes to the new replaced/ before its place is taken: a link where it
 * can be, so that nothing can be lost between. */
static int keep_original(struct run *run, int replaced, int before, bool same, uint32_t index)
{
	struct plan *plan = run->plan;
	struct node *node = tree_node(&plan->tree, index);
	const struct owned *owned = tree_owned(&plan->tree, node);
	cleanup_with(closep) int fd = -1;
	char number[16];
	char old[16];
	int r;

	(void)snprintf(number, sizeof(number), "%u", node->original);
	if (!(node->flags & NODE_SAVED)) {
		if (same)
			return 0; /* the same deployment again: it is there */
		(void)snprintf(old, sizeof(old), "%u", owned->original);
		(void)unlinkat(replaced, number, 0);
		r = before < 0 ? -ENOENT
			       : stage_keep(&run->stager, before, old, replaced, number);
		/* Gone with its deployment's directory: there is nothing to carry on. */
		if (r == -ENOENT)
			node->original = 0;
		return r == -ENOENT ? 0 : r;
	}
	fd = target_open_node(plan->root_fd, &plan->tree, node->parent, O_RDONLY);
	/* Left by an earlier try of the same deployment; nothing refers to it. */
	(void)unlinkat(replaced, number, 0);
	return fd < 0 ? fd
		      : stage_keep(&run->stager, fd, tree_name(&plan->tree, index), replaced,
				number);
}

static int keep_originals(struct run *run)
{
	struct plan *plan = run->plan;
	bool same = plan->before.deployment &&
		    strcmp(plan->before.deployment, plan->request.deployment) == 0;
	cleanup_with(closep) int replaced = -1;
	cleanup_with(closep) int before = -1;

	if (!plan->n_originals)
		return 0;
	replaced = operations_open_replaced(plan, plan->request.deployment, true);
	if (replaced < 0)
		return error_set(run->err, replaced, "cannot make the directory replaced/: %m");
	if (plan->before.deployment && !same)
		before = operations_open_replaced(plan, plan->before.deployment, false);
	for (uint32_t i = 1; i < plan->tree.n_nodes; i++) {
		int r = plan->tree.nodes[i].original
				? keep_original(run, replaced, before, same, i)
				: 0;

		if (r < 0) {
			cleanup_with(freep) char *path = plan_path(plan, i);

			return error_set(
				run->err, r, "cannot keep the original of %s: %m", path);
		}
	}
	return 0;
}

static int open_state(struct run *run, const char *kind, mode_t mode, size_t *ret)
{
	char *name = root_instruction_name(run->plan->request.group, kind);
	struct operation *operation;
	char number[16];
	struct seen seen;
	int fd;
	int r;

	(void)snprintf(
		number, sizeof(number), "%u", operations_add_state(&run->operations, name));
	*ret = run->operations.n - 1;
	operation = &run->operations.items[*ret];
	r = target_see(run->plan->request.root->instructions_fd, name, &seen);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && S_ISDIR(seen.mode))
		return -EISDIR;
	operation->kind = r == 0 ? OP_EXCHANGE : OP_PLACE;
	if (r == 0)
		operation->before = (struct identity){ seen.ino, seen.birth };
	fd = openat(run->operations.stages[0].fd, number,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	return fd < 0 ? -errno : fd;
}

static int close_state(struct run *run, size_t index, int fd)
{
	struct seen seen;
	int r = target_see(fd, "", &seen);

	if (r == 0)
		run->operations.items[index].after = (struct identity){ seen.ino, seen.birth };
	return r;
}

static int write_state(struct run *run, const char *kind, mode_t mode, struct stream *stream,
	void (*write_content)(struct run *run, struct stream *stream))
{
	size_t index = 0;
	cleanup_with(closep) int fd = open_state(run, kind, mode, &index);
	int r = fd;

	if (r >= 0) {
		stream_init(stream, fd);
		write_content(run, stream);
		r = stream_end(stream);
	}
	if (r >= 0)
		r = close_state(run, index, fd);
	return r < 0 ? error_set(run->err, r, "cannot write the state file %s%s: %m",
			       run->plan->request.group, kind)
		     : 0;
}

static void put_cleanup(struct run *run, struct stream *stream)
{
	cleanup_write(run->plan, stream);
}

static void put_instructions(struct run *run, struct stream *stream)
{
	instructions_write(run->plan, stream);
}

static void put_pointer(struct run *run, struct stream *stream)
{
	cleanup_with(freep) char *path = root_deployment_dir(run->plan->request.root,
		run->plan->request.group, run->plan->request.deployment);

	stream_puts(stream, path);
}

/* The state files are staged and switched like everything else. */
static int write_states(struct run *run)
{
	cleanup_with(freep) struct stream *stream = xmalloc(sizeof(*stream));
	size_t index = 0;
	cleanup_with(closep) int fd = -1;
	uint64_t size;
	uint64_t hash;
	int r;

	r = write_state(run, "-cleanup", 0644, stream, put_cleanup);
	if (r < 0)
		return r;
	size = stream->total;
	hash = stream->hash;
	fd = open_state(run, "-manifest", 0600, &index);
	r = fd;
	if (r >= 0) {
		stream_init(stream, fd);
		manifest_write(run->plan, size, hash, stream);
		r = stream_end(stream);
	}
	if (r >= 0)
		r = close_state(run, index, fd);
	if (r < 0)
		return error_set(run->err, r, "cannot write the state file %s-manifest: %m",
			run->plan->request.group);
	r = write_state(run, "-install.json", 0644, stream, put_instructions);
	return r < 0 ? r
		     : write_state(run, "_last_successful_install", 0644, stream, put_pointer);
}

/* The bundle must outlast the pointer to it. */
static int sync_bundle(struct run *run)
{
	struct stat bundle;
	struct stat state;

	if (fstat(run->plan->bundle_fd, &bundle) < 0 ||
		fstat(run->plan->request.root->instructions_fd, &state) < 0)
		return error_set(run->err, -errno, "cannot look at the bundle: %m");
	if (bundle.st_dev != state.st_dev && syncfs(run->plan->bundle_fd) < 0)
		return error_set(run->err, -errno, "cannot sync the bundle's file system: %m");
	return 0;
}

/* Everything up to the point where the first name on the host changes. */
static int prepare(struct run *run)
{
	int r = operations_make_stages(&run->operations, run->plan, run->err);

	if (r == 0)
		r = operations_stage(&run->operations, run->plan, &run->stager);
	if (r == 0)
		r = keep_originals(run);
	if (r == 0)
		r = write_states(run);
	if (r == 0)
		r = operations_write(&run->operations, run->plan, run->fresh_replaced,
			run->journal_fd, run->err);
	return r == 0 ? sync_bundle(run) : r;
}

/* What was switched goes back; the first failure is the one to tell. */
static int undo(struct run *run, int r)
{
	const struct root *root = run->plan->request.root;
	const char *group = run->plan->request.group;
	struct error undoing = ERROR_NONE;
	struct journal journal;
	int back = journal_read(&journal, root, group, &undoing);

	if (back == -ENOENT)
		return r;
	if (back == 0) {
		back = recover_back(root, group, &journal, &undoing);
		journal_done(&journal);
	}
	if (back < 0) {
		struct error first = run->err ? *run->err : ERROR_NONE;

		(void)error_set(run->err, r,
			"%s; undoing that failed too (%s), the next start tries again",
			first.text, undoing.text);
	}
	return r;
}

static int sync_all(struct run *run, const struct journal *journal)
{
	struct switcher switcher;
	int r = switch_open(
		&switcher, run->plan->request.root, &journal->section, true, run->err);

	if (r < 0)
		return r;
	r = switch_sync(&switcher, false, run->err);
	switch_done(&switcher);
	return r;
}

static int switch_all(struct run *run)
{
	const struct root *root = run->plan->request.root;
	const char *group = run->plan->request.group;
	struct journal journal;
	int r = journal_read(&journal, root, group, run->err);

	if (r == 0 && !journal.complete)
		r = error_set(run->err, -EIO,
			"the journal of group %s does not read as written", group);
	if (r == 0)
		r = sync_all(run, &journal);
	if (r == 0) {
		r = recover_forward(root, group, &journal, true, run->err);
		/* If even this cannot be noted, a recovery finds all it needs either way. */
		if (r < 0)
			(void)journal_mark_undoing(root, group);
	}
	journal_done(&journal);
	return r;
}

static int run_announced(struct run *run)
{
	mode_t mask = umask(0);
	int r = prepare(run);

	(void)umask(mask);
	closep(&run->journal_fd);
	run->journal_fd = -1;
	/* The journal says all from here on; it is read into memory of its own. */
	operations_done(&run->operations);
	if (r == 0)
		r = switch_all(run);
	return r < 0 ? undo(run, r) : 0;
}

static bool replaced_is_fresh(const struct plan *plan)
{
	cleanup_with(closep) int fd = operations_open_replaced(
		plan, plan->request.deployment, false);

	return fd == -ENOENT;
}

int install_run(
	struct plan *plan, install_progress_fn *progress, void *userdata, struct error *err)
{
	struct run run = { .plan = plan, .journal_fd = -1, .err = err };
	struct error own = ERROR_NONE;
	int r;

	if (!err)
		run.err = err = &own;
	if (plan->stage != PLAN_AT_INSTALL)
		return error_set(
			err, -EINVAL, "a plan made before the hooks cannot be carried out");
	operations_collect(&run.operations, plan);
	stager_init(&run.stager, plan, progress, userdata, err);
	run.fresh_replaced = replaced_is_fresh(plan);
	r = operations_announce(&run.operations, plan, run.fresh_replaced, err);
	if (r >= 0) {
		run.journal_fd = r;
		r = run_announced(&run);
	}
	stager_done(&run.stager);
	operations_done(&run.operations);
	if (r == 0 && progress)
		progress(run.stager.bytes, run.stager.files, userdata);
	return r;
}

int install_root_of(const struct root *root, const char *group, char **ret, struct error *err)
{
	struct manifest_head head;
	struct tree tree;
	int r;

	tree_init(&tree);
	r = manifest_read(&head, &tree, root, group, err);
	if (r == 0)
		*ret = head.deployment ? take(&head.install_root) : NULL;
	manifest_head_done(&head);
	tree_done(&tree);
	return r;
}
