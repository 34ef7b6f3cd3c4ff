/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/bundle_copy.h"
#include "agent/unpack/message.h"
#include "agent/unpack/unpack.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"

/*
 * CLEANING (something of our temporary name was there) -> FILLING -> REMOVING (the temporary,
 * after a failure; the directory that was replaced, after success) -> on_done.
 */
enum phase { PHASE_CLEANING, PHASE_FILLING, PHASE_REMOVING };

struct bundle_unpack {
	struct loop *loop;
	struct bundle_callbacks callbacks;
	struct bundle_limits limits;
	enum bundle_type type;
	char *location;
	char *target;
	char *name;      /* of target in its parent */
	char *temporary; /* likewise */
	int source_fd;
	int parent_fd;
	int temporary_fd;

	enum phase phase;
	pid_t pid; /* of child, while it runs */
	struct loop_child child;
	struct loop_io pipe;
	int pipe_fd;
	struct buf inbox;
	bool has_result;
	bool wrapped;
	int r;
	struct error err;
};

static int start_cleaning(struct bundle_unpack *unpack);
static int start_filling(struct bundle_unpack *unpack);

static void close_pipe(struct bundle_unpack *unpack)
{
	loop_io_stop(&unpack->pipe);
	closep(&unpack->pipe_fd);
	unpack->pipe_fd = -1;
}

static void report(struct bundle_unpack *unpack)
{
	unpack->callbacks.on_done(unpack, unpack->r, &unpack->err, unpack->callbacks.userdata);
}

/* Ends in `r`; what is there under the temporary name goes first. */
static void conclude(struct bundle_unpack *unpack)
{
	struct error err = ERROR_NONE;

	close_pipe(unpack);
	closep(&unpack->temporary_fd);
	unpack->temporary_fd = -1;
	unpack->phase = PHASE_REMOVING;
	if (!file_exists(unpack->parent_fd, unpack->temporary)) {
		report(unpack);
		return;
	}
	if (start_cleaning(unpack) == 0)
		return;
	/* No child to be had: then slowly. */
	(void)file_remove_tree(unpack->parent_fd, unpack->temporary, &err);
	report(unpack);
}

static void fail(struct bundle_unpack *unpack, int r, const char *text)
{
	unpack->r = error_set(&unpack->err, r, "cannot unpack %s: %s", unpack->location, text);
}

/* The only name in the temporary directory. The caller frees; NULL if it has none or several.
 */
static char *find_wrapper(struct bundle_unpack *unpack)
{
	cleanup_with(closep) int fd = openat(
		unpack->temporary_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	cleanup_with(freep) char *name = NULL;
	struct dirent *entry;

	if (!dir)
		return NULL;
	(void)take_fd(&fd);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (name)
			return NULL;
		name = xstrdup(entry->d_name);
	}
	return take(&name);
}

static int open_up(int fd)
{
	if (geteuid() == 0 && fchown(fd, 0, 0) < 0)
		return -errno;
	return fchmod(fd, 0755) < 0 ? -errno : 0;
}

/* Puts `name` below `from_fd` at the target; a directory there comes to stand at `name`. */
static int put_in_place(struct bundle_unpack *unpack, int from_fd, const char *name)
{
	if (renameat(from_fd, name, unpack->parent_fd, unpack->name) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
		return -errno;
	return renameat2(from_fd, name, unpack->parent_fd, unpack->name, RENAME_EXCHANGE) < 0
		       ? -errno
		       : 0;
}

static int unwrap(struct bundle_unpack *unpack)
{
	cleanup_with(freep) char *wrapper = find_wrapper(unpack);
	cleanup_with(closep) int fd = -1;
	int r;

	if (!wrapper)
		return -EBADMSG;
	fd = openat(
		unpack->temporary_fd, wrapper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = open_up(fd);
	return r < 0 ? r : put_in_place(unpack, unpack->temporary_fd, wrapper);
}

static void finish(struct bundle_unpack *unpack)
{
	int r = unpack->wrapped ? unwrap(unpack) : open_up(unpack->temporary_fd);

	if (r == 0 && !unpack->wrapped)
		r = put_in_place(unpack, unpack->parent_fd, unpack->temporary);
	if (r < 0)
		unpack->r = error_set(
			&unpack->err, r, "cannot put the bundle at %s: %m", unpack->target);
}

static void on_child_exit(struct loop_child *child, const siginfo_t *info);
static void read_pipe(struct bundle_unpack *unpack);

static int adopt(struct bundle_unpack *unpack, pid_t pid, int pidfd)
{
	struct error err = ERROR_NONE;
	int r = loop_child_start(unpack->loop, &unpack->child, pidfd, on_child_exit, &err);

	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		closep(&pidfd);
		return r;
	}
	unpack->pid = pid;
	return 0;
}

static int clean(void *argument)
{
	struct bundle_unpack *unpack = argument;
	struct error err = ERROR_NONE;

	return file_remove_tree(unpack->parent_fd, unpack->temporary, &err) < 0;
}

static int start_cleaning(struct bundle_unpack *unpack)
{
	struct error err = ERROR_NONE;
	pid_t pid;
	int pidfd;
	int r = process_fork(&pid, &pidfd, clean, unpack, &err);

	return r < 0 ? r : adopt(unpack, pid, pidfd);
}

static void on_child_exit(struct loop_child *child, const siginfo_t *info)
{
	struct bundle_unpack *unpack = container_of(child, struct bundle_unpack, child);
	const char *program = unpack->type == BUNDLE_DIRECTORY ? "the copying process"
							       : "drover-unpack";
	cleanup_with(freep) char *text = NULL;

	unpack->pid = 0;
	if (unpack->phase == PHASE_REMOVING) {
		report(unpack);
		return;
	}
	if (unpack->phase == PHASE_CLEANING) {
		unpack->r = start_filling(unpack);
		if (unpack->r < 0)
			conclude(unpack);
		return;
	}
	read_pipe(unpack);
	if (!unpack->has_result && unpack->r == 0) {
		text = info->si_code == CLD_EXITED
			       ? xasprintf("%s ended with status %d and no result", program,
					 info->si_status)
			       : xasprintf("%s was killed by signal %d (%s)", program,
					 info->si_status, strsignal(info->si_status));
		fail(unpack, -EIO, text);
	}
	if (unpack->r == 0)
		finish(unpack);
	conclude(unpack);
}

static void take_message(struct bundle_unpack *unpack, const struct message *message)
{
	const struct bundle_callbacks *callbacks = &unpack->callbacks;
	struct bundle_progress progress;

	switch (message->type) {
	case MESSAGE_PROGRESS:
		progress = (struct bundle_progress){
			.entries = message->progress.entries,
			.bytes = message->progress.bytes,
			.read_bytes = message->progress.read_bytes,
			.total_bytes = message->progress.total_bytes,
		};
		if (callbacks->on_progress)
			callbacks->on_progress(unpack, &progress, callbacks->userdata);
		break;
	case MESSAGE_WARNING:
		if (callbacks->on_warning)
			callbacks->on_warning(unpack, message->text, callbacks->userdata);
		break;
	case MESSAGE_RESULT:
		unpack->has_result = true;
		unpack->wrapped = message->result.wrapped;
		if (message->result.r < 0)
			fail(unpack, message->result.r, message->text);
		break;
	}
}

static int take_messages(struct bundle_unpack *unpack)
{
	struct message message;
	size_t at = 0;
	int n = 0;

	while (!unpack->has_result && (n = message_parse(&message, unpack->inbox.data + at,
					       unpack->inbox.len - at)) > 0) {
		at += (size_t)n;
		take_message(unpack, &message);
	}
	memmove(unpack->inbox.data, unpack->inbox.data + at, unpack->inbox.len - at);
	unpack->inbox.len -= at;
	return n < 0 ? n : 0;
}

static void distrust(struct bundle_unpack *unpack)
{
	fail(unpack, -EBADMSG, "drover-unpack answered with what is no message of its own");
	close_pipe(unpack);
	if (unpack->pid > 0)
		(void)kill(unpack->pid, SIGKILL); /* its end is what we wait for */
}

/* Until nothing is there for now. */
static void read_pipe(struct bundle_unpack *unpack)
{
	char block[16384];
	ssize_t n;

	while (unpack->pipe_fd >= 0 && unpack->r == 0 && !unpack->has_result) {
		n = read(unpack->pipe_fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				close_pipe(unpack);
			return;
		}
		buf_append(&unpack->inbox, block, (size_t)n);
		if (take_messages(unpack) < 0)
			distrust(unpack);
	}
	close_pipe(unpack);
}

static void on_pipe_ready(struct loop_io *io, uint32_t revents)
{
	(void)revents;
	read_pipe(container_of(io, struct bundle_unpack, pipe));
}

static int make_temporary(struct bundle_unpack *unpack)
{
	/* Nobody else's until it is whole. */
	if (mkdirat(unpack->parent_fd, unpack->temporary, 0700) < 0)
		return error_set(&unpack->err, -errno, "cannot make directory %s.tmp: %m",
			unpack->target);
	unpack->temporary_fd = openat(unpack->parent_fd, unpack->temporary,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (unpack->temporary_fd < 0)
		return error_set(&unpack->err, -errno, "cannot open directory %s.tmp: %m",
			unpack->target);
	/* Or what is made inside would inherit it. */
	(void)fremovexattr(unpack->temporary_fd, "system.posix_acl_default"); /* mostly none */
	return 0;
}

static int spawn_unpack(struct bundle_unpack *unpack, int control_fd, pid_t *ret_pid,
	int *ret_pidfd, struct error *err)
{
	cleanup_with(freep) char *path = process_helper_path("drover-unpack");
	cleanup_with(freep) char *entries = xasprintf("%" PRIu64, unpack->limits.entries);
	cleanup_with(freep) char *bytes = xasprintf("%" PRIu64, unpack->limits.bytes);
	cleanup_with(freep) char *ratio = xasprintf("%u", unpack->limits.ratio);
	char *argv[] = { (char *)"drover-unpack", entries, bytes, ratio, NULL };
	const struct process_fd fds[] = {
		{ unpack->source_fd, UNPACK_ARCHIVE_FD },
		{ unpack->temporary_fd, UNPACK_DIRECTORY_FD },
		{ control_fd, UNPACK_CONTROL_FD },
	};

	return process_spawn(ret_pid, ret_pidfd,
		&(struct process_options){
			.path = path,
			.argv = argv,
			.fds = fds,
			.n_fds = ARRAY_SIZE(fds),
			.cwd_fd = -1,
		},
		err);
}

struct copy_job {
	struct bundle_unpack *unpack;
	int control_fd;
	pid_t parent;
};

static int copy(void *argument)
{
	const struct copy_job *job = argument;
	struct error err = ERROR_NONE;
	int r;

	/* A copy that nobody waits for would go on filling what the next run cleans. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != job->parent)
		return 1;
	(void)signal(SIGPIPE, SIG_IGN);
	r = bundle_copy(
		job->unpack->source_fd, job->unpack->temporary_fd, job->control_fd, &err);
	(void)message_send_result(job->control_fd, r, false, err.text);
	return r < 0;
}

static int start_child(struct bundle_unpack *unpack, int control_fd)
{
	struct copy_job job = { unpack, control_fd, getpid() };
	pid_t pid;
	int pidfd;
	int r;

	r = unpack->type == BUNDLE_DIRECTORY
		    ? process_fork(&pid, &pidfd, copy, &job, &unpack->err)
		    : spawn_unpack(unpack, control_fd, &pid, &pidfd, &unpack->err);
	return r < 0 ? r : adopt(unpack, pid, pidfd);
}

static int start_filling(struct bundle_unpack *unpack)
{
	cleanup_with(closep) int control_fd = -1;
	int fds[2];
	int r = make_temporary(unpack);

	unpack->phase = PHASE_FILLING;
	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set(&unpack->err, -errno, "cannot make a pipe: %m");
	unpack->pipe_fd = fds[0];
	control_fd = fds[1];
	if (fcntl(unpack->pipe_fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(&unpack->err, -errno, "cannot set up a pipe: %m");
	r = loop_io_start(unpack->loop, &unpack->pipe, unpack->pipe_fd, EPOLLIN, on_pipe_ready,
		&unpack->err);
	return r < 0 ? r : start_child(unpack, control_fd);
}

static int open_source(struct bundle_unpack *unpack, struct error *err)
{
	struct stat st;
	/* Non-blocking: it may have become a fifo since. */
	int flags = unpack->type == BUNDLE_DIRECTORY ? O_DIRECTORY : O_NONBLOCK;

	unpack->source_fd = open(unpack->location, O_RDONLY | O_CLOEXEC | flags);
	if (unpack->source_fd < 0 || fstat(unpack->source_fd, &st) < 0)
		return error_set(
			err, -errno, "cannot open the bundle %s: %m", unpack->location);
	if (unpack->type != BUNDLE_DIRECTORY && !S_ISREG(st.st_mode))
		return error_set(
			err, -EINVAL, "the bundle %s is not a regular file", unpack->location);
	return 0;
}

/* A directory copied into itself would never end; one that is replaced cannot be copied. */
static int check_apart(struct bundle_unpack *unpack, const char *directory, struct error *err)
{
	cleanup_with(freep) char *parent = realpath(directory, NULL);
	cleanup_with(freep) char *source = realpath(unpack->location, NULL);
	cleanup_with(freep) char *target = NULL;

	if (!parent || !source)
		return error_set(err, -errno, "cannot resolve the bundle's path %s: %m",
			unpack->location);
	target = path_join(parent, unpack->name);
	if (path_is_below(target, source))
		return error_set(err, -EINVAL,
			"the bundle %s contains the directory it would be copied to, %s: move "
			"one of the two",
			unpack->location, unpack->target);
	if (path_is_below(source, target))
		return error_set(err, -EINVAL,
			"the bundle %s lies in the directory that it would replace, %s",
			unpack->location, unpack->target);
	return 0;
}

static int open_target(struct bundle_unpack *unpack, struct error *err)
{
	cleanup_with(freep) char *target = path_normalise("/", unpack->target);
	cleanup_with(freep) char *directory = NULL;
	const char *name = path_base(target);

	if (name[0] == '\0' || strlen(name) + strlen(".tmp") > NAME_MAX)
		return error_set(
			err, -EINVAL, "%s is no directory to be filled", unpack->target);
	directory = xstrndup(target, (size_t)(name - target));
	unpack->name = xstrdup(name);
	unpack->temporary = xasprintf("%s.tmp", name);
	unpack->parent_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (unpack->parent_fd < 0)
		return error_set(err, -errno, "cannot open directory %s: %m", directory);
	return check_apart(unpack, directory, err);
}

static int check_root(const struct bundle_unpack *unpack, struct error *err)
{
	if (unpack->type == BUNDLE_DIRECTORY || geteuid() == 0)
		return 0;
	return error_set(err, -EPERM,
		"cannot unpack %s: that needs root, to be locked into the directory it goes to",
		unpack->location);
}

int bundle_unpack_start(struct bundle_unpack **ret, struct loop *loop,
	const struct bundle_request *request, const struct bundle_callbacks *callbacks,
	struct error *err)
{
	cleanup_with(bundle_unpack_freep) struct bundle_unpack *unpack = xcalloc(
		1, sizeof(*unpack));
	int r;

	unpack->source_fd = unpack->parent_fd = unpack->temporary_fd = unpack->pipe_fd = -1;
	unpack->loop = loop;
	unpack->callbacks = *callbacks;
	unpack->limits = request->limits ? *request->limits : bundle_default_limits;
	unpack->location = xstrdup(request->location);
	unpack->target = xstrdup(request->target_dir);
	r = bundle_probe(&unpack->type, request->location, request->type, err);
	if (r == 0)
		r = check_root(unpack, err);
	if (r == 0)
		r = open_source(unpack, err);
	if (r == 0)
		r = open_target(unpack, err);
	if (r < 0)
		return r;

	unpack->phase = PHASE_CLEANING;
	r = file_exists(unpack->parent_fd, unpack->temporary) ? start_cleaning(unpack)
							      : start_filling(unpack);
	if (r < 0)
		return error_set(err, r, "%s",
			unpack->err.code ? unpack->err.text : "cannot start a process");
	*ret = take(&unpack);
	return 0;
}

static void end_child(struct bundle_unpack *unpack)
{
	if (unpack->pid <= 0)
		return;
	loop_child_stop(&unpack->child);
	(void)kill(unpack->pid, SIGKILL);
	while (waitpid(unpack->pid, NULL, 0) < 0 && errno == EINTR)
		;
	unpack->pid = 0;
}

void bundle_unpack_free(struct bundle_unpack *unpack)
{
	if (!unpack)
		return;
	end_child(unpack);
	close_pipe(unpack);
	if (unpack->parent_fd >= 0 && unpack->temporary)
		(void)file_remove_tree(unpack->parent_fd, unpack->temporary, NULL);
	closep(&unpack->temporary_fd);
	closep(&unpack->parent_fd);
	closep(&unpack->source_fd);
	buf_done(&unpack->inbox);
	free(unpack->location);
	free(unpack->target);
	free(unpack->name);
	free(unpack->temporary);
	free(unpack);
}

void bundle_unpack_freep(struct bundle_unpack **unpack)
{
	bundle_unpack_free(*unpack);
}
