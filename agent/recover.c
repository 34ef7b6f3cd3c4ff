/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/root.h"
#include "agent/switch.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

/* Not a failure (the code stays 0): a remark for whoever logs. */
static void remark(const struct switcher *switcher, struct error *err)
{
	if (switcher->n_left_alone > 0)
		(void)error_set(err, 0, "left alone what others have changed since: %s%s",
			switcher->first_left_alone,
			switcher->n_left_alone > 1 ? " and more" : "");
}

/* Others have made it immutable, or mounted something there: it may stay so for ever. */
static bool is_held(int r)
{
	return r == -EPERM || r == -EBUSY || r == -EXDEV || r == -ENOTEMPTY;
}

/*
 * What is over but for the cleaning up: failing here leaves the journal for another try. A
 * second try, with `give_up`, does not hold up the group for old files that cannot be removed.
 */
static int finish(struct switcher *switcher, const char *group, bool give_up, struct error *err)
{
	struct error dropping = ERROR_NONE;
	int r = switch_drop(switcher, &dropping);

	/* A remark instead. */
	if (give_up && is_held(r))
		(void)error_set(err, 0, "%s; it holds old files only: remove it by hand",
			dropping.text);
	else if (r < 0)
		return error_set(err, r, "%s", dropping.text);
	r = switch_settle(switcher, err);
	if (r == 0)
		r = switch_sync(switcher, true, err);
	if (r == 0) {
		r = journal_remove(switcher->root, group);
		if (r < 0)
			(void)error_set(
				err, r, "cannot remove the journal of group %s: %m", group);
	}
	return r;
}

int recover_forward(const struct root *root, const char *group, const struct journal *journal,
	bool strict, struct error *err)
{
	struct switcher switcher;
	int r = switch_open(&switcher, root, &journal->section, strict, err);

	if (r < 0)
		return r;
	r = switch_forward(&switcher, err);
	if (r == 0)
		r = switch_sync(&switcher, false, err);
	if (r == 0) {
		struct error finishing = ERROR_NONE;

		r = finish(&switcher, group, !strict, &finishing);
		/* Everything is in place; the rest can be done by the next recovery. */
		if (r < 0 && strict)
			r = error_set(
				err, 0, "%s; the next command tries again", finishing.text);
		else if (finishing.text[0] != '\0')
			(void)error_set(err, r, "%s", finishing.text);
	}
	if (r == 0)
		remark(&switcher, err);
	switch_done(&switcher);
	return r;
}

static int remove_replaced(
	const struct root *root, const char *group, const char *deployment, struct error *err)
{
	cleanup_with(freep) char *path = xasprintf("%s/%s", group, deployment);
	cleanup_with(closep) int fd = file_open_beneath(
		root->fd, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd == -ENOENT ? 0 : error_set(err, fd, "cannot open %s: %m", path);
	return file_remove_tree(fd, "replaced", err);
}

int recover_back(const struct root *root, const char *group, const struct journal *journal,
	struct error *err)
{
	struct switcher switcher;
	int r = switch_open(&switcher, root, &journal->section, false, err);

	if (r < 0)
		return r;
	if (journal->complete) {
		r = switch_back(&switcher, err);
		if (r == 0)
			r = switch_sync(&switcher, false, err);
	}
	if (r == 0)
		r = switch_drop(&switcher, err);
	if (r == 0)
		r = switch_restore(&switcher, err);
	if (r == 0 && journal->section.fresh_replaced)
		r = remove_replaced(root, group, journal->section.deployment, err);
	if (r == 0)
		r = switch_sync(&switcher, true, err);
	if (r == 0) {
		r = journal_remove(root, group);
		if (r < 0)
			(void)error_set(
				err, r, "cannot remove the journal of group %s: %m", group);
	}
	if (r == 0)
		remark(&switcher, err);
	switch_done(&switcher);
	return r;
}

static int mark_undoing(const struct root *root, const char *group, struct error *err)
{
	int r = journal_mark_undoing(root, group);

	return r < 0 ? error_set(err, r, "cannot write the journal of group %s: %m", group) : 0;
}

static int must_go_back(const struct root *root, const char *group,
	const struct journal *journal, bool *ret, struct error *err)
{
	struct switcher switcher;
	bool begun = false;
	bool more = false;
	int r = 0;

	if (!journal->undoing && journal->complete) {
		r = switch_open(&switcher, root, &journal->section, false, err);
		if (r < 0)
			return r;
		r = switch_has_begun(&switcher, &begun, err);
		if (r == 0 && begun)
			r = switch_took_more(&switcher, &more, err);
		switch_done(&switcher);
		if (r == 0 && more)
			r = mark_undoing(root, group, err);
	}
	*ret = !begun || more;
	return r;
}

int install_recover(const struct root *root, const char *group, enum install_recovery *ret,
	struct error *err)
{
	struct journal journal;
	bool back = false;
	int r = journal_read(&journal, root, group, err);

	*ret = RECOVERY_NONE;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = must_go_back(root, group, &journal, &back, err);
	if (r == 0)
		r = back ? recover_back(root, group, &journal, err)
			 : recover_forward(root, group, &journal, false, err);
	journal_done(&journal);
	if (r < 0)
		return error_wrap(err, "cannot %s the install of group %s that was cut off",
			back ? "undo" : "finish", group);
	*ret = back ? RECOVERY_UNDONE : RECOVERY_FINISHED;
	return 0;
}
