/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Finding and signalling what a script has started. One call sees what there is at one moment;
 * what forks meanwhile escapes it, so whoever wants nothing left calls until it returns 0.
 * Zombies do not count. Each returns how many processes it found; failures to signal are of
 * processes that went away, or that nobody could kill.
 */

/*
 * All descendants of `root` (0: of nobody), however deep, and all members of a control group
 * (NULL: none) and of those below it; each once. SIGKILL by cgroup.kill where there is one.
 */
unsigned survivors_signal(pid_t root, const char *cgroup, int number);

/*
 * All members of the session that `leader`, started at `start_time`, made. A session of a later
 * process that was given the same number is left alone.
 */
unsigned survivors_signal_session(pid_t leader, uint64_t start_time, int number);

/* True if somebody is in the control group. */
bool survivors_in_cgroup(const char *path);

/*
 * Who holds a pipe open for writing, ourselves excepted: "nginx (1234), sh (1240) and 3 more".
 * Returns the number of processes; *ret is the caller's to free and NULL if there are none.
 */
unsigned survivors_holding(ino_t const *pipes, unsigned n_pipes, char **ret);
