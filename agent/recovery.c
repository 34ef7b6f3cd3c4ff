/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/history.h"
#include "agent/install.h"
#include "agent/root.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"

/* Another group's install holds it, which takes as long as its files do. */
enum { STATE_LOCK_WAIT_MS = 30 * 60 * 1000 };

static void say(struct buf *said, const char *text)
{
	if (said->len > 0)
		buf_puts(said, "; ");
	buf_puts(said, text);
}

/* Where a bundle is on its way into a deployment that has not begun (the second while it is
 * being filled). */
static const char *const unpacking[] = { ".unpacking", ".unpacking.tmp" };

/* Calls `each` with the directory and name of every one that is there, until it says true. */
static bool each_unused(const struct root *root, const char *group,
	bool (*each)(int fd, const char *deployment, const char *path))
{
	cleanup_with(closedirp) DIR *dir = NULL;
	int fd = openat(root->fd, group, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;

	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(unpacking); i++) {
			cleanup_with(freep) char *path = path_join(entry->d_name, unpacking[i]);

			if (file_exists(fd, path) && each(fd, entry->d_name, path))
				return true;
		}
	}
	return false;
}

/* In the way of nothing: a failure only costs space. */
static bool remove_unused(int fd, const char *deployment, const char *path)
{
	(void)file_remove_tree(fd, path, NULL);
	(void)unlinkat(fd, deployment, AT_REMOVEDIR);
	return false;
}

static bool is_unused(int fd, const char *deployment, const char *path)
{
	(void)fd;
	(void)deployment;
	(void)path;
	return true;
}

static int finish_install(const struct root *root, const char *group,
	enum install_recovery *ret, struct error *err)
{
	cleanup_with(freep) char *journal = root_instruction_name(group, "-journal");
	cleanup_with(closep) int lock_fd = -1;
	int r;

	*ret = RECOVERY_NONE;
	if (!file_exists(root->instructions_fd, journal))
		return 0;
	r = install_lock(root, STATE_LOCK_WAIT_MS, &lock_fd, err);
	return r < 0 ? r : install_recover(root, group, ret, err);
}

static const char *what_was_done(enum install_recovery recovery)
{
	switch (recovery) {
	case RECOVERY_NONE:
		return "";
	case RECOVERY_UNDONE:
		return "; its install was undone";
	case RECOVERY_FINISHED:
		return "; its install was finished";
	}
	return "";
}

static int mark_interrupted(struct history *history, const struct root *root,
	enum install_recovery recovery, struct buf *said, struct error *err)
{
	struct record *record = history_running(history);
	cleanup_with(freep) char *text = NULL;
	const char *event;

	if (!record) {
		if (recovery != RECOVERY_NONE)
			say(said, recovery == RECOVERY_UNDONE
					  ? "an install that was cut off was undone"
					  : "an install that was cut off was finished");
		return 0;
	}
	/* An install leaves its journal; events before it had been recorded. */
	event = recovery != RECOVERY_NONE ? "Install" : record->event;
	text = xasprintf("deployment %s was cut off%s%s%s", record->deployment,
		event ? " at " : "", event ? event : "", what_was_done(recovery));
	say(said, text);
	record_set(&record->message, text);
	record->state = RECORD_INTERRUPTED;
	record->ended_ms = (int64_t)time_now_ms();
	return history_save(history, root, err);
}

static int load_or_set_aside(struct history *history, const struct root *root,
	const char *group, struct buf *said, struct error *err)
{
	cleanup_with(freep) char *aside = NULL;
	cleanup_with(freep) char *text = NULL;
	struct error problem = ERROR_NONE;
	int r = history_load(history, root, group, &problem);

	if (r == 0)
		return 0;
	if (r != -EBADMSG)
		return error_set(err, r, "%s", problem.text);
	r = history_set_aside(root, group, &aside, err);
	if (r < 0)
		return r;
	text = xasprintf("%s: it was put aside as %s and a new one is begun, so which "
			 "revisions worked is not known here any more",
		problem.text, aside);
	say(said, text);
	return history_load(history, root, group, err);
}

int recovery_run(const struct root *root, const char *group, char **ret_said, struct error *err)
{
	cleanup_with(history_done) struct history history = { 0 };
	cleanup_with(buf_done) struct buf said = { 0 };
	enum install_recovery recovery;
	struct error remark = ERROR_NONE;
	int r = finish_install(root, group, &recovery, &remark);

	if (r < 0)
		return error_set(err, r, "%s", remark.text);
	if (remark.text[0] != '\0')
		say(&said, remark.text);
	r = load_or_set_aside(&history, root, group, &said, err);
	if (r == 0)
		r = mark_interrupted(&history, root, recovery, &said, err);
	if (r < 0)
		return r;
	(void)each_unused(root, group, remove_unused);
	*ret_said = said.len > 0 ? buf_steal(&said) : NULL;
	return 0;
}

bool recovery_is_due(const struct root *root, const char *group)
{
	cleanup_with(history_done) struct history history = { 0 };
	cleanup_with(freep) char *journal = root_instruction_name(group, "-journal");

	if (file_exists(root->instructions_fd, journal) || each_unused(root, group, is_unused))
		return true;
	return history_load(&history, root, group, NULL) == 0 && history_running(&history);
}
