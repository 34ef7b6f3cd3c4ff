/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "controller/owner.h"
#include "controller/settings.h"

struct error;

/*
 * The sockets that the doors accept from, one for each listener of the settings and in that
 * order: non-blocking, bound, listening. Opened once and kept while core and doors come and go,
 * so that clients wait for a restart rather than fail.
 */
struct listeners {
	int fds[SETTINGS_LIMIT_LISTENERS];
	/* The file of a unix socket we made, to be removed in the end: none if empty. */
	struct {
		char *path;
		dev_t device;
		ino_t inode;
	} files[SETTINGS_LIMIT_LISTENERS];
	size_t n;
};

/*
 * Takes what systemd hands over (sd_listen_fds(3)) for the listeners of the same address, and
 * opens the rest. Between the network's, for which root may be needed, and the unix sockets,
 * whose files are the service's, it becomes `owner`. On failure nothing is open.
 */
int listeners_open(struct listeners *ret, const struct settings *settings,
	const struct owner *owner, struct error *err);

/* Closes them, and removes the files of unix sockets that are still those we made. */
void listeners_close(struct listeners *listeners);
