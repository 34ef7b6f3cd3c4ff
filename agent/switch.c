/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inventory.h"
#include "agent/root.h"
#include "agent/settle.h"
#include "agent/switch_internal.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

bool switch_without_flags;

enum { STAGE_NAME_BYTES = 24 };

/* One operation with its two ends open, and what is found there. */
struct step {
	const struct op *op;
	int fd;       /* the directory */
	int stage_fd; /* -1: gone */
	char staged[STAGE_NAME_BYTES];
	char old[STAGE_NAME_BYTES]; /* where the long way keeps what was there */
	struct identity here;
	struct identity in_stage;
	struct identity in_old;
};

enum state { STATE_PENDING, STATE_APPLIED, STATE_LOST };

static int fail(const struct switcher *switcher, const struct op *op, int r, const char *what,
	struct error *err)
{
	return error_set(err, r, "cannot %s %s/%s: %m", what,
		switcher->section->directories[op->directory].path, op->name);
}

static void leave_alone(struct switcher *switcher, const struct op *op)
{
	if (switcher->n_left_alone++ == 0)
		switcher->first_left_alone = xasprintf(
			"%s/%s", switcher->section->directories[op->directory].path, op->name);
}

static int begin_step(struct switcher *switcher, uint32_t index, struct step *ret)
{
	const struct op *op = &switcher->section->ops[index];

	*ret = (struct step){ .op = op, .stage_fd = switcher->stage_fds[op->stage] };
	(void)snprintf(ret->staged, sizeof(ret->staged), "%u", op->number);
	(void)snprintf(ret->old, sizeof(ret->old), "%u.old", op->number);
	ret->fd = switch_directory_fd(switcher, op->directory);
	return ret->fd < 0 ? ret->fd : 0;
}

static int look(struct step *step)
{
	int r = switch_identify(step->fd, step->op->name, &step->here);

	if (r == 0 && step->stage_fd >= 0)
		r = switch_identify(step->stage_fd, step->staged, &step->in_stage);
	if (r == 0 && step->stage_fd >= 0 && step->op->kind == OP_EXCHANGE)
		r = switch_identify(step->stage_fd, step->old, &step->in_old);
	return r;
}

static enum state state_of(const struct step *step)
{
	const struct op *op = step->op;

	if (op->kind == OP_REMOVE) {
		if (identity_equal(step->here, op->before))
			return STATE_PENDING;
		return identity_equal(step->in_stage, op->before) ? STATE_APPLIED : STATE_LOST;
	}
	if (identity_equal(step->here, op->after))
		return STATE_APPLIED;
	return identity_equal(step->in_stage, op->after) ? STATE_PENDING : STATE_LOST;
}

int switch_has_begun(struct switcher *switcher, bool *ret, struct error *err)
{
	for (uint32_t i = 0; i < switcher->section->n_ops; i++) {
		struct step step;
		int r = begin_step(switcher, i, &step);

		if (r == -ESTALE)
			continue;
		if (r == 0)
			r = look(&step);
		if (r < 0)
			return fail(switcher, &switcher->section->ops[i], r, "look at", err);
		if (state_of(&step) == STATE_APPLIED) {
			*ret = true;
			return 0;
		}
	}
	*ret = false;
	return 0;
}

static int took_more(const struct step *step);

int switch_took_more(struct switcher *switcher, bool *ret, struct error *err)
{
	*ret = false;
	for (uint32_t i = 0; i < switcher->section->n_ops && !*ret; i++) {
		const struct op *op = &switcher->section->ops[i];
		struct step step;
		int r;

		if (op->kind != OP_EXCHANGE || !op->is_directory)
			continue;
		r = begin_step(switcher, i, &step);
		if (r == -ESTALE || (r == 0 && step.stage_fd < 0))
			continue;
		if (r == 0)
			r = look(&step);
		if (r == 0 && (identity_equal(step.in_stage, op->before) ||
				      identity_equal(step.in_old, op->before)))
			r = took_more(&step);
		if (r < 0)
			return fail(switcher, op, r, "look at", err);
		*ret = r > 0;
	}
	return 0;
}

static int rename_with(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	if (switch_without_flags)
		return -EINVAL;
	return renameat2(from_fd, from, to_fd, to, flags) < 0 ? -errno : 0;
}

static bool is_unsupported(int r)
{
	return r == -EINVAL || r == -ENOSYS || r == -ENOTTY || r == -EOPNOTSUPP;
}

static bool is_directory(int fd, const char *name)
{
	struct stat st;

	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Renames to a name that must be free. */
static int move(int from_fd, const char *from, int to_fd, const char *to)
{
	int r = rename_with(from_fd, from, to_fd, to, RENAME_NOREPLACE);

	if (!is_unsupported(r))
		return r;
	if (is_directory(from_fd, from)) {
		if (file_exists(to_fd, to))
			return -EEXIST;
		return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
	}
	/* A link does not replace; the file has two names for a moment. */
	if (linkat(from_fd, from, to_fd, to, 0) < 0)
		return -errno;
	return unlinkat(from_fd, from, 0) < 0 ? -errno : 0;
}

/* Puts what is staged in place of what is there, which goes to the stage, under either name. */
static int exchange(const struct step *step)
{
	const char *name = step->op->name;
	int r = rename_with(step->stage_fd, step->staged, step->fd, name, RENAME_EXCHANGE);

	if (!is_unsupported(r))
		return r;
	/* A directory cannot have two names: it is away for a moment. */
	if (is_directory(step->fd, name)) {
		if (renameat(step->fd, name, step->stage_fd, step->old) < 0)
			return -errno;
	} else {
		if (linkat(step->fd, name, step->stage_fd, step->old, 0) < 0 && errno != EEXIST)
			return -errno;
		if (is_directory(step->stage_fd, step->staged) &&
			unlinkat(step->fd, name, 0) < 0)
			return -errno;
	}
	return renameat(step->stage_fd, step->staged, step->fd, name) < 0 ? -errno : 0;
}

/* 1 if it holds nothing, 0 if it does. */
static int is_empty(int dirfd, const char *name)
{
	cleanup_with(closep) int fd = openat(
		dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	if (!dir)
		return -errno;
	(void)take_fd(&fd);
	while (n < 3 && (errno = 0, readdir(dir)))
		n++;
	if (n < 3 && errno != 0)
		return -errno;
	return n <= 2;
}

/* Another file, put there since it was looked at, goes back. */
static int check_taken(const struct step *step)
{
	struct identity taken;
	int r = switch_identify(step->stage_fd, step->staged, &taken);

	if (r < 0 || identity_equal(taken, step->op->before))
		return r;
	(void)move(step->stage_fd, step->staged, step->fd, step->op->name);
	return -ESTALE;
}

/* A directory that somebody filled meanwhile stays. */
static int take_away(const struct step *step)
{
	const struct op *op = step->op;
	int r;

	if (op->is_directory) {
		r = is_empty(step->fd, op->name);
		if (r <= 0)
			return r;
	}
	r = move(step->fd, op->name, step->stage_fd, step->staged);
	if (r == -EXDEV && op->is_directory)
		return 0; /* removed in the end, by switch_settle() */
	if (r < 0)
		return r;
	if (!op->is_directory)
		return check_taken(step);
	r = is_empty(step->stage_fd, step->staged);
	if (r == 0)
		r = move(step->stage_fd, step->staged, step->fd, op->name);
	return r < 0 ? r : 0;
}

/* 1 if the old directory, now in the stage, holds what came there since the plan. */
static int took_more(const struct step *step)
{
	const char *name = step->staged;

	if (step->op->kind != OP_EXCHANGE || !step->op->is_directory)
		return 0;
	if (!is_directory(step->stage_fd, name))
		name = step->old;
	return inventory_is_exceeded(step->stage_fd, step->op->number, name);
}

/* In the install itself: no looks before the deed, one after it. */
static int do_strictly(const struct step *step)
{
	const struct op *op = step->op;
	struct identity old;
	int r;

	if (step->stage_fd < 0)
		return -ESTALE;
	if (op->kind == OP_PLACE)
		return move(step->stage_fd, step->staged, step->fd, op->name);
	if (op->kind == OP_REMOVE) {
		r = switch_identify(step->fd, op->name, &old);
		if (r == 0 && !identity_equal(old, op->before))
			r = -ESTALE;
		return r < 0 ? r : take_away(step);
	}
	r = exchange(step);
	if (r < 0)
		return r;
	r = switch_identify(step->stage_fd, step->staged, &old);
	if (r == 0 && !old.ino)
		r = switch_identify(step->stage_fd, step->old, &old);
	if (r < 0)
		return r;
	/* Somebody was faster: what they put there goes back, as good as never moved. */
	if (!identity_equal(old, op->before)) {
		(void)rename_with(
			step->stage_fd, step->staged, step->fd, op->name, RENAME_EXCHANGE);
		return -ESTALE;
	}
	/* Undoing brings it back, with what somebody put in it meanwhile. */
	r = took_more(step);
	return r > 0 ? -ESTALE : r;
}

static int do_leniently(struct switcher *switcher, struct step *step)
{
	const struct op *op = step->op;
	int r = look(step);
	enum state state;

	if (r < 0)
		return r;
	state = state_of(step);
	if (state == STATE_APPLIED)
		return 0;
	if (op->kind == OP_REMOVE) {
		if (state == STATE_PENDING && step->stage_fd >= 0)
			return take_away(step);
		if (step->here.ino)
			leave_alone(switcher, op);
		return 0;
	}
	if (state == STATE_PENDING && !step->here.ino)
		return move(step->stage_fd, step->staged, step->fd, op->name);
	if (state == STATE_PENDING && op->kind == OP_EXCHANGE &&
		identity_equal(step->here, op->before))
		return exchange(step);
	leave_alone(switcher, op);
	return 0;
}

int switch_forward(struct switcher *switcher, struct error *err)
{
	for (uint32_t i = 0; i < switcher->section->n_ops; i++) {
		struct step step;
		int r = begin_step(switcher, i, &step);

		if (r == -ESTALE && !switcher->strict) {
			/* What was to be removed went with its directory. */
			if (step.op->kind != OP_REMOVE)
				leave_alone(switcher, step.op);
			continue;
		}
		if (r == 0)
			r = switcher->strict ? do_strictly(&step)
					     : do_leniently(switcher, &step);
		if (r == -ESTALE || r == -EEXIST || r == -ENOENT)
			return error_set(err, r,
				"%s/%s was changed by somebody else while this deployment was "
				"installed",
				switcher->section->directories[step.op->directory].path,
				step.op->name);
		if (r < 0)
			return fail(switcher, step.op, r, "switch", err);
	}
	return settle_directories(switcher, SETTLE_DONE, err);
}

/* The long way back: what is there keeps a name in the stage. */
static int undo_exchange(const struct step *step)
{
	const char *name = step->op->name;
	int r;

	if (identity_equal(step->in_stage, step->op->before)) {
		r = rename_with(step->stage_fd, step->staged, step->fd, name, RENAME_EXCHANGE);
		if (!is_unsupported(r))
			return r;
		r = renameat(step->stage_fd, step->staged, step->stage_fd, step->old) < 0
			    ? -errno
			    : 0;
		if (r < 0)
			return r;
	}
	if (is_directory(step->fd, name) || is_directory(step->stage_fd, step->old)) {
		if (renameat(step->fd, name, step->stage_fd, step->staged) < 0)
			return -errno;
	} else if (linkat(step->fd, name, step->stage_fd, step->staged, 0) < 0 &&
		   errno != EEXIST) {
		return -errno;
	}
	return renameat(step->stage_fd, step->old, step->fd, name) < 0 ? -errno : 0;
}

static int undo_step(struct switcher *switcher, struct step *step)
{
	const struct op *op = step->op;
	int r = look(step);
	bool old_is_here;

	if (r < 0)
		return r;
	old_is_here = op->before.ino && identity_equal(step->here, op->before);
	if (old_is_here || step->stage_fd < 0)
		return 0;
	switch (op->kind) {
	case OP_PLACE:
		if (!identity_equal(step->here, op->after))
			break;
		if (identity_equal(step->in_stage, op->after))
			return unlinkat(step->fd, op->name, 0) < 0 ? -errno : 0;
		return move(step->fd, op->name, step->stage_fd, step->staged);
	case OP_REMOVE:
		if (!step->here.ino && identity_equal(step->in_stage, op->before))
			return move(step->stage_fd, step->staged, step->fd, op->name);
		break;
	case OP_EXCHANGE:
		if (identity_equal(step->here, op->after))
			return undo_exchange(step);
		/* Cut off on the long way, when a directory had no name in its place. */
		if (!step->here.ino && identity_equal(step->in_old, op->before))
			return move(step->stage_fd, step->old, step->fd, op->name);
		break;
	}
	if (step->here.ino)
		leave_alone(switcher, op);
	return 0;
}

int switch_back(struct switcher *switcher, struct error *err)
{
	int first = 0;

	for (uint32_t i = switcher->section->n_ops; i-- > 0;) {
		struct step step;
		int r = begin_step(switcher, i, &step);

		if (r == -ESTALE) {
			leave_alone(switcher, step.op);
			continue;
		}
		if (r == 0)
			r = undo_step(switcher, &step);
		if (r < 0 && first == 0)
			first = fail(switcher, step.op, r, "put back", err);
	}
	return first;
}

int switch_restore(struct switcher *switcher, struct error *err)
{
	return settle_directories(switcher, SETTLE_UNDONE, err);
}

/* An overlay refuses to rename a directory that its lower layer has, but removes it. */
static void remove_unmoved(struct switcher *switcher)
{
	for (uint32_t i = 0; i < switcher->section->n_ops; i++) {
		const struct op *op = &switcher->section->ops[i];
		struct step step;

		if (op->kind == OP_REMOVE && op->is_directory &&
			begin_step(switcher, i, &step) == 0 &&
			switch_identify(step.fd, op->name, &step.here) == 0 &&
			identity_equal(step.here, op->before))
			/* Not empty any more: it stays. */
			(void)unlinkat(step.fd, op->name, AT_REMOVEDIR);
	}
}

int switch_settle(struct switcher *switcher, struct error *err)
{
	remove_unmoved(switcher);
	return settle_directories(switcher, SETTLE_OVER, err);
}
