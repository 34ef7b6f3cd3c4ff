/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "agent/journal.h"

struct error;
struct root;

/*
 * The operations of a journal, done and undone. The same code serves the install that runs and
 * the recovery of one that was cut off: the first insists on finding everything as planned, the
 * second takes what it finds, decides by inodes, and leaves alone what others have put there
 * since.
 */
struct switcher {
	const struct root *root;
	const struct journal_section *section;
	bool strict;
	int slash_fd;
	int *stage_fds; /* -1: not there (any more) */
	struct {
		int fd;
		uint32_t directory;
	} open[16]; /* directories opened last */
	size_t n_left_alone;
	char *first_left_alone;
};

/* Where two names cannot be exchanged in one step, or not refused when taken: takes the long
 * way, as on file systems without renameat2's flags. For tests. */
extern bool switch_without_flags;

int switch_open(struct switcher *ret, const struct root *root,
	const struct journal_section *section, bool strict, struct error *err);
void switch_done(struct switcher *switcher);

/* True if any operation has been done. */
int switch_has_begun(struct switcher *switcher, bool *ret, struct error *err);

/* True if a directory that gave way to a file or link took with it what others have put there
 * since the plan, and nothing has been dropped yet. */
int switch_took_more(struct switcher *switcher, bool *ret, struct error *err);

/* Does all operations and sets the directories' metadata; doing it twice is harmless. */
int switch_forward(struct switcher *switcher, struct error *err);

/* Undoes all operations. The directories get their metadata back by switch_restore(), after the
 * stages are gone. */
int switch_back(struct switcher *switcher, struct error *err);
int switch_restore(struct switcher *switcher, struct error *err);

/*
 * What comes once all operations are on disk and the stages are gone: gives the directories
 * that held stages their time, and removes old directories that could not be renamed away (on
 * an overlay).
 */
int switch_settle(struct switcher *switcher, struct error *err);

/* Waits until every file system concerned has all on disk; with `others_only` not that of the
 * state directory. */
int switch_sync(struct switcher *switcher, bool others_only, struct error *err);

/* Removes the stage directories with all they hold. Goes on after a failure. */
int switch_drop(struct switcher *switcher, struct error *err);
