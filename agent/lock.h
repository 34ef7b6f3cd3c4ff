/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct error;
struct root;

/*
 * The lock of one deployment group: flock on deployment-instructions/<group>-lock. It belongs
 * to the open description, so whoever inherits the descriptor (install worker, runner of a
 * hook) keeps the group locked when the command itself is killed. The file says who holds it,
 * for the message that the next one reads; the lock itself is the kernel's.
 */
struct lock {
	int fd; /* -1: not held */
};

enum { LOCK_WAIT_FOR_EVER = -1 };

/*
 * wait_ms: how long to wait for another holder; 0: hardly at all, LOCK_WAIT_FOR_EVER: as long
 * as it takes. Blocks meanwhile. command: the verb, for the file. Returns 0, or -EBUSY with err
 * naming the holder, or another negative errno.
 */
int lock_take(struct lock *lock, const struct root *root, const char *group,
	const char *command, int64_t wait_ms, struct error *err);

/* Lets go, unless a child inherited the lock. Harmless on a lock that is not held. */
void lock_release(struct lock *lock);

/* Names the deployment that the holder now carries out. */
void lock_set_deployment(struct lock *lock, const char *command, const char *deployment);

/*
 * Who holds the lock of a group, as a sentence part; NULL if nobody does. Writes nothing.
 * The caller frees.
 */
char *lock_holder(const struct root *root, const char *group);

/* Who we act for: the user behind sudo, else our own name. The caller frees. */
char *lock_user(void);
