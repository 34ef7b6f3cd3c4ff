/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/settings.h"
#include "agent/group.h"
#include "agent/lock.h"
#include "agent/root.h"

struct error;
struct options;

/* Where a command works: the configuration, the deployment root, and the group it is about. */
struct site {
	struct settings settings;
	struct root root;
	struct groups groups;
	struct deployment_group group;
	struct lock lock;   /* of the group */
	char *install_root; /* absolute, or NULL */
};

/* A site that holds nothing yet: site_done() may follow. */
#define SITE_NONE                                                                              \
	((struct site){ .root = { .fd = -1, .instructions_fd = -1 }, .lock = { .fd = -1 } })

/*
 * Reads the configuration, opens the root (made if `make`) and finds out which groups there
 * are. -ENOENT without `make` if nothing was ever deployed here.
 */
int site_open(struct site *site, const struct options *options, bool make, struct error *err);

/* The same for codedeploy-local, which looks where the reference does. */
int site_open_local(struct site *site, const struct options *options, struct error *err);

/* Finds the group that the options mean. */
int site_choose_group(
	struct site *site, const struct options *options, bool may_be_new, struct error *err);

/*
 * Locks the group and brings its state in order: what a killed command left is finished or
 * undone, its record says so, and *ret_said is a sentence about it (the caller's to free), or
 * NULL. -EBUSY if another holds the lock longer than the options let us wait.
 */
int site_lock_group(struct site *site, const char *command, int64_t wait_ms, char **ret_said,
	struct error *err);

/*
 * Holds a group to one install root: what is installed below one is neither removed from, nor
 * put into, another by a forgotten option. With `adopt`, the one in use is taken if the options
 * name none; else -EINVAL.
 */
int site_settle_install_root(struct site *site, bool adopt, struct error *err);

void site_done(struct site *site);
