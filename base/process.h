/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* One descriptor that the child gets: ours `from` becomes its `to`. All others are closed. */
struct process_fd {
	int from;
	int to;
};

struct process_options {
	const char *path; /* the executable; no search in PATH */
	char *const *argv;
	char *const *environment;     /* NULL: an empty one */
	const struct process_fd *fds; /* 0, 1, 2 not named here become /dev/null */
	size_t n_fds;
	int cwd_fd; /* directory to start in, or -1 for ours */
};

/*
 * Starts an executable in a child with default signal handling and an empty signal mask.
 * Failure to execute is reported here. The caller reaps the child and closes *ret_pidfd.
 */
int process_spawn(pid_t *ret_pid, int *ret_pidfd, const struct process_options *options,
	struct error *err);

/*
 * Forks a child that runs `function` and leaves with its result (0..255) by _exit; descriptors
 * are shared, so that locks held by open descriptions stay held. The caller reaps the child and
 * closes *ret_pidfd.
 */
int process_fork(pid_t *ret_pid, int *ret_pidfd, int (*function)(void *argument),
	void *argument, struct error *err);

/*
 * The start time of a process in clock ticks after boot, which together with its pid and the
 * boot id names it for ever (proc(5), field 22 of stat). Returns 0 or a negative errno; -ESRCH
 * if there is none.
 */
int process_start_time(pid_t pid, uint64_t *ret);

/* The kernel's id of this boot, 36 characters and a NUL (random(4)). Returns 0 or a negative
 * errno. */
int process_boot_id(char ret[static 37]);

/*
 * The path of one of our own executables: in DROVER_LIBEXEC_DIR if set in the environment
 * (builds, tests), else beside the running program if it is there (a build directory), else in
 * the libexec directory of the installation. The caller frees.
 */
char *process_helper_path(const char *name);
