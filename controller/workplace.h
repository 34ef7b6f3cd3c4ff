/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "controller/owner.h"

struct buf;
struct error;

/*
 * A new or empty directory that is to become a controller's. Its files are made aside and then
 * moved in, droverd.yml last: where that stands, the work is complete. Where the place aside
 * (".unfinished") stands without it, somebody was killed over it, and what was moved in is
 * nobody's: the next one takes it away.
 */
struct workplace {
	const char *path; /* borrowed */
	const struct owner *owner;
	int fd;
	int work_fd; /* -1 once the work was moved in */
};

/*
 * Makes the directory if it is not there. -EEXIST if it is in use: nothing is ever overwritten.
 * `path` and `owner` are borrowed until the end.
 */
int workplace_open(
	struct workplace *ret, const char *path, const struct owner *owner, struct error *err);

/* Takes away what was not moved in. A zeroed one is fine. */
void workplace_done(struct workplace *workplace);

/*
 * A new file, open for writing, with the mode whatever the umask; `name` is one of those that a
 * controller has, or "keys/..." or "elsewhere/...". Returns the descriptor.
 */
int workplace_create(
	struct workplace *workplace, const char *name, mode_t mode, struct error *err);

/* Gives the file to the owner and makes it durable; closes it whatever comes. */
int workplace_close(struct workplace *workplace, int fd, const char *name, struct error *err);

/* Both, and the content between. */
int workplace_write(struct workplace *workplace, const char *name, const struct buf *content,
	mode_t mode, struct error *err);

/* Moves all of it in, durably. */
int workplace_commit(struct workplace *workplace, struct error *err);
