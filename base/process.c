/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "config.h"

enum { SCRATCH_FD = 200 }; /* above every `to`, so that no duplicate overwrites a source */

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool is_wanted(const struct process_options *options, int fd)
{
	for (size_t i = 0; i < options->n_fds; i++)
		if (options->fds[i].to == fd)
			return true;
	return false;
}

static int add_descriptors(
	posix_spawn_file_actions_t *actions, const struct process_options *options)
{
	int highest = 2;
	int r = 0;

	for (int fd = 0; fd <= 2 && r == 0; fd++)
		r = posix_spawn_file_actions_addopen(
			actions, SCRATCH_FD + fd, "/dev/null", O_RDWR, 0);
	for (size_t i = 0; i < options->n_fds && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(
			actions, options->fds[i].from, SCRATCH_FD + options->fds[i].to);
	for (int fd = 0; fd <= 2 && r == 0; fd++)
		r = posix_spawn_file_actions_adddup2(actions, SCRATCH_FD + fd, fd);
	for (size_t i = 0; i < options->n_fds && r == 0; i++) {
		if (options->fds[i].to > highest)
			highest = options->fds[i].to;
		r = posix_spawn_file_actions_adddup2(
			actions, SCRATCH_FD + options->fds[i].to, options->fds[i].to);
	}
	for (int fd = 3; fd < highest && r == 0; fd++)
		if (!is_wanted(options, fd))
			r = posix_spawn_file_actions_addclose(actions, fd);
	if (r == 0 && options->cwd_fd >= 0)
		r = posix_spawn_file_actions_addfchdir_np(actions, options->cwd_fd);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, highest + 1);
	return -r;
}

static int add_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(
			attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return -r;
}

int process_spawn(pid_t *ret_pid, int *ret_pidfd, const struct process_options *options,
	struct error *err)
{
	static char *const empty[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;
	int pidfd;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return error_set(err, -ENOMEM, "cannot start %s: %m", options->path);
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return error_set(err, -ENOMEM, "cannot start %s: %m", options->path);
	}
	r = add_descriptors(&actions, options);
	if (r == 0)
		r = add_attributes(&attributes);
	if (r == 0)
		r = -posix_spawn(&pid, options->path, &actions, &attributes, options->argv,
			options->environment ? options->environment : empty);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	if (r < 0)
		return error_set(err, r, "cannot start %s: %m", options->path);

	pidfd = pidfd_of(pid);
	if (pidfd < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return error_set(err, r, "cannot watch %s: %m", options->path);
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

int process_fork(pid_t *ret_pid, int *ret_pidfd, int (*function)(void *argument),
	void *argument, struct error *err)
{
	pid_t pid;
	int pidfd;
	int r;

	(void)fflush(NULL); /* or the child prints our buffers again */
	pid = fork();
	if (pid < 0)
		return error_set(err, -errno, "cannot start a worker: %m");
	if (pid == 0)
		_exit(function(argument) & 0xff);

	pidfd = pidfd_of(pid);
	if (pidfd < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return error_set(err, r, "cannot watch a worker: %m");
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

int process_start_time(pid_t pid, uint64_t *ret)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	char path[64];
	const char *at;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	r = file_read(AT_FDCWD, path, 4096, &text, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The name in parentheses may hold anything; the fields start after the last one. */
	at = strrchr(text.data, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	if (!at)
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(at, NULL, 10);
	return -errno;
}

int process_boot_id(char ret[static 37])
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text, NULL);

	if (r < 0)
		return r;
	if (text.len < 36)
		return -EBADMSG;
	memcpy(ret, text.data, 36);
	ret[36] = '\0';
	return 0;
}

static char *directory_of_program(void)
{
	char target[4096];
	ssize_t n = readlink("/proc/self/exe", target, sizeof(target) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return slash ? xstrndup(target, (size_t)(slash - target)) : NULL;
}

char *process_helper_path(const char *name)
{
	const char *forced = secure_getenv("DROVER_LIBEXEC_DIR");
	cleanup_with(freep) char *own = NULL;
	char *path;

	if (forced)
		return path_join(forced, name);
	own = directory_of_program();
	if (own) {
		path = path_join(own, name);
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return path_join(LIBEXEC_DIR, name);
}
