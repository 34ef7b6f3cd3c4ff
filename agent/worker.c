/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/time.h"

enum { PROGRESS_EVERY_MS = 100, TEXT_LIMIT_BYTES = 64 * 1024 };

/* One message of the pipe; both ends are one program, so plain structs will do. */
enum message_type { MESSAGE_PROGRESS, MESSAGE_FINDING, MESSAGE_SUMMARY, MESSAGE_DONE };

struct message {
	enum message_type type;
	int value; /* of a finding its severity, of the end its result */
	uint64_t bytes;
	uint64_t files;
	uint32_t length; /* of the text that follows */
};

struct worker_link {
	int fd;
	uint64_t last_progress_ms;
};

struct worker {
	const char *what;
	struct worker_callbacks callbacks;
	int fd;
	struct loop_io io;
	struct loop_child child;
	struct buf received;
	bool killed;
	bool has_result;
	int result;
	struct error error;
};

static void send_message(
	struct worker_link *link, const struct message *message, const char *text)
{
	struct message head = *message;
	cleanup_with(buf_done) struct buf bytes = { 0 };

	head.length = (uint32_t)strlen(text);
	if (head.length > TEXT_LIMIT_BYTES)
		head.length = TEXT_LIMIT_BYTES;
	buf_append(&bytes, &head, sizeof(head));
	buf_append(&bytes, text, head.length);
	/* A parent that is gone reads no more; the step goes on without it. */
	(void)file_write_all(link->fd, bytes.data, bytes.len);
}

void worker_send_progress(struct worker_link *link, uint64_t bytes, uint64_t files)
{
	uint64_t now_ms = time_boot_ms();

	if (now_ms < link->last_progress_ms + PROGRESS_EVERY_MS)
		return;
	link->last_progress_ms = now_ms;
	send_message(link,
		&(struct message){ .type = MESSAGE_PROGRESS, .bytes = bytes, .files = files },
		"");
}

void worker_send_finding(struct worker_link *link, enum severity severity, const char *text)
{
	send_message(link, &(struct message){ .type = MESSAGE_FINDING, .value = (int)severity },
		text);
}

void worker_send_summary(struct worker_link *link, const char *text)
{
	send_message(link, &(struct message){ .type = MESSAGE_SUMMARY }, text);
}

struct start {
	worker_function *function;
	void *argument;
	int fd;
	int parents_fd;
};

static int run_child(void *argument)
{
	const struct start *start = argument;
	struct worker_link link = { .fd = start->fd };
	struct error err = ERROR_NONE;
	int r;

	/* A parent that was killed must neither end the step nor fill the pipe. */
	(void)close(start->parents_fd);
	(void)signal(SIGPIPE, SIG_IGN);
	r = start->function(&link, start->argument, &err);

	send_message(&link, &(struct message){ .type = MESSAGE_DONE, .value = r },
		r < 0 ? err.text : "");
	return r < 0 ? 1 : 0;
}

static void take_message(struct worker *worker, const struct message *message, const char *text)
{
	switch (message->type) {
	case MESSAGE_PROGRESS:
		worker->callbacks.on_progress(
			message->bytes, message->files, worker->callbacks.userdata);
		break;
	case MESSAGE_FINDING:
		worker->callbacks.on_finding(
			(enum severity)message->value, text, worker->callbacks.userdata);
		break;
	case MESSAGE_SUMMARY:
		worker->callbacks.on_summary(text, worker->callbacks.userdata);
		break;
	case MESSAGE_DONE:
		worker->has_result = true;
		worker->result = message->value;
		if (message->value < 0)
			(void)error_set(&worker->error, message->value, "%s", text);
		break;
	}
}

/* Works off the whole messages among the bytes received. */
static void take_messages(struct worker *worker)
{
	size_t at = 0;
	struct message message;

	while (worker->received.len - at >= sizeof(message)) {
		cleanup_with(freep) char *text = NULL;

		memcpy(&message, worker->received.data + at, sizeof(message));
		if (worker->received.len - at - sizeof(message) < message.length)
			break;
		text = xstrndup(worker->received.data + at + sizeof(message), message.length);
		at += sizeof(message) + message.length;
		take_message(worker, &message, text);
	}
	memmove(worker->received.data, worker->received.data + at, worker->received.len - at);
	worker->received.len -= at;
}

/* False once there is no more to come. */
static bool receive(struct worker *worker)
{
	char block[4096];
	ssize_t n = read(worker->fd, block, sizeof(block));

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	buf_append(&worker->received, block, (size_t)n);
	take_messages(worker);
	return true;
}

static void on_readable(struct loop_io *io, uint32_t revents)
{
	struct worker *worker = container_of(io, struct worker, io);

	(void)revents;
	if (!receive(worker))
		loop_io_stop(io);
}

static void drain(struct worker *worker)
{
	ssize_t n;
	char block[4096];

	while ((n = read(worker->fd, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			buf_append(&worker->received, block, (size_t)n);
	if (worker->received.len > 0)
		take_messages(worker);
}

static void on_child_exit(struct loop_child *child, const siginfo_t *info)
{
	struct worker *worker = container_of(child, struct worker, child);
	void *userdata = worker->callbacks.userdata;
	struct error error;
	int r;

	loop_io_stop(&worker->io);
	drain(worker);
	if (!worker->has_result && worker->killed)
		worker->result = error_set(
			&worker->error, -ECANCELED, "%s was cancelled", worker->what);
	else if (!worker->has_result)
		worker->result = error_set(&worker->error, -EIO,
			"%s ended without a result (%s %d)", worker->what,
			info->si_code == CLD_EXITED ? "exit status" : "signal",
			info->si_status);
	error = worker->error;
	r = worker->result;
	worker->callbacks.on_done(r, &error, userdata);
}

int worker_start(struct worker **ret, struct loop *loop, const char *what,
	worker_function *function, void *argument, const struct worker_callbacks *callbacks,
	struct error *err)
{
	cleanup_with(worker_freep) struct worker *worker = xcalloc(1, sizeof(*worker));
	cleanup_with(closep) int write_fd = -1;
	struct start start = { function, argument, -1, -1 };
	int fds[2], pidfd, r;
	pid_t pid;

	worker->fd = -1;
	worker->what = what;
	worker->callbacks = *callbacks;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	worker->fd = start.parents_fd = fds[0];
	write_fd = fds[1];
	start.fd = write_fd;
	/* Ours alone: the child's end blocks, so that nothing it says is lost. */
	if (fcntl(worker->fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, -errno, "cannot set up a pipe: %m");
	r = process_fork(&pid, &pidfd, run_child, &start, err);
	if (r < 0)
		return r;
	r = loop_child_start(loop, &worker->child, pidfd, on_child_exit, err);
	if (r == 0)
		r = loop_io_start(loop, &worker->io, worker->fd, EPOLLIN, on_readable, err);
	if (r < 0) {
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		return r;
	}
	*ret = take(&worker);
	return 0;
}

void worker_kill(struct worker *worker)
{
	worker->killed = true;
	(void)pidfd_send_signal(worker->child.pidfd, SIGKILL, NULL, 0); /* gone already: fine */
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	loop_io_stop(&worker->io);
	loop_child_stop(&worker->child);
	closep(&worker->fd);
	buf_done(&worker->received);
	free(worker);
}

void worker_freep(struct worker **worker)
{
	worker_free(*worker);
}
