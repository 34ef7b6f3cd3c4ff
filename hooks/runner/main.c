/* SPDX-License-Identifier: Apache-2.0 */

/*
 * drover-hook DIRECTORY: runs the one script that DIRECTORY/request.json asks for, and outlives
 * the agent that asked. Descriptor 3, if open, is that directory with a lock on it that lasts
 * as long as we do; descriptor 4, if open, holds the group's lock until the result is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/utf8.h"
#include "hooks/record.h"
#include "hooks/runner/run.h"
#include "hooks/runner_fds.h"

enum { WRITE_ATTEMPTS = 5, FORK_ATTEMPTS = 5, AGAIN_US = 200000 };

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int open_record(const char *path)
{
	int fd = RUNNER_RECORD_FD;

	if (!is_directory(fd))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	/* Ours already if it was inherited. */
	return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : fd;
}

/* Away from whoever started us: their terminal, session and working directory. Returns their
 * umask: ours is for our own files, theirs for the script. */
static mode_t detach(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)fcntl(RUNNER_LOCK_FD, F_SETFD, FD_CLOEXEC); /* it need not be open */
	(void)setsid(); /* refused if we lead a group: then we have one of our own */
	(void)chdir("/");
	/* What the script orphans becomes our child, and so cannot hide. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	return umask(022);
}

static int write_result(int dirfd, const struct run *run, struct error *err)
{
	cleanup_with(freep) char *log = tail_text(&run->output.tail);
	struct hook_result result = {
		.code = run->code,
		.exit_status = run->exit_status,
		.signal = run->signal,
		.message = run->message,
		.log = log,
		.note = run->notes.len > 0 ? run->notes.data : NULL,
		.duration_ms = run->duration_ms,
	};

	/* What the script filled may be free again in a moment; without its result it would
	 * count as one of which nothing is known. */
	for (int attempt = 1;; attempt++) {
		int r = result_write(dirfd, &result, err);

		if (r == 0 || attempt == WRITE_ATTEMPTS)
			return r;
		(void)usleep(AGAIN_US);
	}
}

static void discard(struct pollfd *stream, int null)
{
	ssize_t n = splice(stream->fd, NULL, null, NULL, 1 << 20, SPLICE_F_NONBLOCK);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream->fd = -1; /* its end */
}

/*
 * In a process that has nothing but the pipes: what the script left running goes on writing
 * into them, and must not meet their end.
 */
static void __attribute__((noreturn)) drain(const struct output *output)
{
	struct pollfd streams[N_OUTPUTS];
	int null;

	for (unsigned i = 0; i < N_OUTPUTS; i++)
		streams[i] = (struct pollfd){ output->streams[i].fd, POLLIN, 0 };
	(void)prctl(PR_SET_NAME, "drover-drain");
	(void)signal(SIGTERM, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &(sigset_t){ 0 }, NULL);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	while (streams[0].fd >= 0 || streams[1].fd >= 0) {
		if (poll(streams, N_OUTPUTS, -1) < 0 && errno != EINTR)
			break;
		for (unsigned i = 0; i < N_OUTPUTS; i++)
			if (streams[i].fd >= 0 && streams[i].revents)
				discard(&streams[i], null);
	}
	_exit(0);
}

static void close_all_but_streams(const struct output *output)
{
	for (int fd = 3; fd < 64; fd++)
		if (fd != output->streams[0].fd && fd != output->streams[1].fd)
			(void)close(fd);
}

static void leave_drain(const struct output *output)
{
	for (int attempt = 0; attempt < FORK_ATTEMPTS; attempt++) {
		pid_t pid = fork();

		if (pid == 0) {
			close_all_but_streams(output);
			drain(output);
		}
		if (pid > 0)
			return;
		(void)usleep(AGAIN_US);
	}
}

static int run(int dirfd, mode_t mask, struct error *err)
{
	cleanup_with(request_done) struct request request = { 0 };
	cleanup_with(run_done) struct run run = { 0 };
	int r = request_read(&request, dirfd, err);

	if (r < 0)
		return r;
	request.umask = mask;
	run_script(&run, &request, dirfd);
	r = write_result(dirfd, &run, err);
	if (output_is_open(&run.output))
		leave_drain(&run.output);
	return r;
}

/* The exit status is an errno, for an agent that still watches: where the disk is full there
 * may be no other way to say so. */
int main(int argc, char **argv)
{
	struct error err = ERROR_NONE;
	mode_t mask;
	int dirfd, r;

	if (argc != 2) {
		fprintf(stderr,
			"drover-hook is started by drover-agent: drover-hook DIRECTORY\n");
		return EINVAL;
	}
	run_block_signals();
	dirfd = open_record(argv[1]);
	if (dirfd < 0) {
		fprintf(stderr, "drover-hook: cannot lock %s: %s\n", argv[1], strerror(-dirfd));
		return -dirfd;
	}
	mask = detach();
	r = run(dirfd, mask, &err);
	if (r < 0)
		fprintf(stderr, "drover-hook: %s: %s\n", argv[1], err.text);
	return -r;
}
