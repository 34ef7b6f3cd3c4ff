/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"
#include "hooks/record.h"
#include "hooks/runner_fds.h"
#include "hooks/survivors.h"

/*
 * What a record directory says, and what follows:
 *
 *   result.json                     use it
 *   started, that runner alive      wait for its end, look again
 *   started, no such runner         code 7; what is left of the script is killed
 *   neither, directory locked       a runner is about to write "started": look again soon
 *   neither, directory not locked   nothing has begun: begin
 *
 * A runner ends once its result is on disk, whoever still holds the script's output, so its end
 * is all there is to watch.
 */
enum { LOOK_AGAIN_MS = 20, KILL_ROUNDS = 20 };

struct hook {
	struct loop *loop;
	hook_done_fn *done;
	void *userdata;
	char *record_dir;
	char *location;
	int dirfd;
	int pidfd; /* the runner's, borrowed from `child`; -1 while there is none */
	bool is_cancelled;
	int runner_errno; /* its exit status, which is an errno; 0 if not known */
	struct loop_child child;
	struct loop_timer timer; /* a result to hand over, or the next look */
	struct hook_result result;
};

static void on_look_due(struct loop_timer *timer);

void hook_free(struct hook *hook)
{
	if (!hook)
		return;
	loop_child_stop(&hook->child);
	loop_timer_stop(&hook->timer);
	result_done(&hook->result);
	free(hook->record_dir);
	free(hook->location);
	closep(&hook->dirfd);
	free(hook);
}

void hook_freep(struct hook **hook)
{
	hook_free(*hook);
}

static void on_done_due(struct loop_timer *timer)
{
	struct hook *hook = container_of(timer, struct hook, timer);
	struct hook_result result = hook->result;

	hook->result = (struct hook_result){ 0 };
	hook->done(hook, &result, hook->userdata); /* may free the hook */
	result_done(&result);
}

/* `done` must come from the loop, never from within hook_start(). */
static int finish_later(struct hook *hook, struct error *err)
{
	return loop_timer_start(hook->loop, &hook->timer, 0, on_done_due, err);
}

static int fail_later(
	struct hook *hook, enum hook_code code, const char *text, struct error *err)
{
	hook->result = (struct hook_result){
		.code = code,
		.exit_status = -1,
		.message = xasprintf("script %s: %s", hook->location, text),
		.log = xstrdup(""),
	};
	return finish_later(hook, err);
}

/* ---- a runner that is gone ---- */

static bool is_this_boot(const struct started *started)
{
	char boot_id[37];

	return process_boot_id(boot_id) == 0 && strcmp(boot_id, started->boot_id) == 0;
}

/*
 * Nobody watches the script any more, so it must not go on. Its processes are found by their
 * control group, else by their session: what made a session of its own without a group escapes.
 */
static unsigned kill_what_is_left(const struct started *started)
{
	unsigned n_killed = 0;

	if (!is_this_boot(started))
		return 0;
	for (int i = 0; i < KILL_ROUNDS; i++) {
		unsigned n = started->cgroup ? survivors_signal(0, started->cgroup, SIGKILL)
					     : survivors_signal_session(started->script_pid,
						       started->script_start_time, SIGKILL);

		if (n == 0)
			break;
		if (n > n_killed)
			n_killed = n;
	}
	return n_killed;
}

static int fail_after_restart(
	struct hook *hook, const struct started *started, struct error *err)
{
	unsigned n = kill_what_is_left(started);
	const char *why = !is_this_boot(started) ? "the host was restarted"
			  : hook->runner_errno   ? strerror(hook->runner_errno)
						 : "it was killed";
	cleanup_with(freep) char *text = xasprintf("was begun, but what ran it is gone without "
						   "a result (%s); whether the script did "
						   "its work is not known%s",
		why, n > 0 ? ", and what was left of it has been killed" : "");

	return fail_later(hook, HOOK_FAILED_AFTER_RESTART, text, err);
}

/* ---- a runner that lives ---- */

static bool is_runner_alive(const struct started *started)
{
	uint64_t start_time;

	return is_this_boot(started) && process_start_time(started->pid, &start_time) == 0 &&
	       start_time == started->start_time;
}

static void send_term(const struct hook *hook)
{
	/* Gone already is fine. */
	(void)syscall(SYS_pidfd_send_signal, hook->pidfd, SIGTERM, NULL, 0);
}

static int look(struct hook *hook, bool runner_ended, struct error *err);

static void on_runner_exit(struct loop_child *child, const siginfo_t *info)
{
	struct hook *hook = container_of(child, struct hook, child);
	struct error err = ERROR_NONE;

	if (info->si_code == CLD_EXITED)
		hook->runner_errno = info->si_status;
	hook->pidfd = -1;
	/* Nothing but the loop itself could fail here, and then nothing else would work. */
	if (look(hook, true, &err) < 0)
		loop_exit(hook->loop, EXIT_FAILURE);
}

static int watch(struct hook *hook, int pidfd, struct error *err)
{
	int r = loop_child_start(hook->loop, &hook->child, pidfd, on_runner_exit, err);

	if (r < 0) {
		(void)close(pidfd);
		return r;
	}
	hook->pidfd = pidfd;
	if (hook->is_cancelled)
		send_term(hook);
	return 0;
}

/* Returns 1 if the runner was gone before we could watch it. */
static int attach(struct hook *hook, const struct started *started, struct error *err)
{
	int pidfd = (int)syscall(SYS_pidfd_open, started->pid, 0);

	if (pidfd < 0)
		return errno == ESRCH ? 1
				      : error_set(err, -errno,
						"cannot watch the runner of script %s: %m",
						hook->location);
	/* Asked again now that the descriptor pins who it is. */
	if (!is_runner_alive(started)) {
		(void)close(pidfd);
		return 1;
	}
	return watch(hook, pidfd, err);
}

/* ---- looking ---- */

static bool is_there(const struct hook *hook, const char *name)
{
	return file_exists(hook->dirfd, name);
}

static int use_result(struct hook *hook, struct error *err)
{
	struct error why = ERROR_NONE;

	if (result_read(&hook->result, hook->dirfd, &why) < 0) {
		(void)error_wrap(&why, "its result in %s cannot be used", hook->record_dir);
		return fail_later(hook, HOOK_UNKNOWN_ERROR, why.text, err);
	}
	return finish_later(hook, err);
}

static int use_started(struct hook *hook, bool runner_ended, struct error *err)
{
	cleanup_with(started_done) struct started started = { 0 };
	struct error why = ERROR_NONE;
	int r = started_read(&started, hook->dirfd, &why);

	if (r < 0) {
		(void)error_wrap(&why, "was begun, but the record of that in %s cannot be used",
			hook->record_dir);
		return fail_later(hook, HOOK_FAILED_AFTER_RESTART, why.text, err);
	}
	if (!runner_ended && is_runner_alive(&started)) {
		r = attach(hook, &started, err);
		if (r <= 0)
			return r;
	}
	/* It may have written its result between our two looks. */
	if (is_there(hook, "result.json"))
		return use_result(hook, err);
	return fail_after_restart(hook, &started, err);
}

/* True if no runner holds the directory, which is ours from then on. */
static bool lock_record(const struct hook *hook)
{
	return flock(hook->dirfd, LOCK_EX | LOCK_NB) == 0;
}

static int fail_not_begun(struct hook *hook, struct error *err)
{
	cleanup_with(freep) char *text = xasprintf(
		"its runner ended before it started the script (%s); the script was not run",
		hook->runner_errno ? strerror(hook->runner_errno) : "it was killed");

	return fail_later(hook, HOOK_UNKNOWN_ERROR, text, err);
}

/*
 * Returns 1 if nothing has begun and the directory is locked for us; 0 if the outcome is known
 * or will be; or a negative errno.
 */
static int look(struct hook *hook, bool runner_ended, struct error *err)
{
	if (is_there(hook, "result.json"))
		return use_result(hook, err);
	if (is_there(hook, "started"))
		return use_started(hook, runner_ended, err);
	if (runner_ended)
		return fail_not_begun(hook, err);
	if (lock_record(hook))
		return 1;
	return loop_timer_start(hook->loop, &hook->timer, LOOK_AGAIN_MS, on_look_due, err);
}

static void on_look_due(struct loop_timer *timer)
{
	struct hook *hook = container_of(timer, struct hook, timer);
	struct error err = ERROR_NONE;
	int r = look(hook, false, &err);

	/* The runner that held the lock ended without a word. */
	if (r > 0) {
		(void)flock(hook->dirfd, LOCK_UN);
		r = look(hook, true, &err);
	}
	if (r < 0)
		loop_exit(hook->loop, EXIT_FAILURE);
}

/* ---- beginning ---- */

static int spawn(struct hook *hook, int lock_fd, struct error *err)
{
	cleanup_with(freep) char *path = process_helper_path("drover-hook");
	cleanup_with(freep) char *zone = NULL;
	const char *tz = getenv("TZ");
	char *argv[] = { path, hook->record_dir, NULL };
	char *environment[] = { NULL, NULL };
	const struct process_fd fds[] = {
		{ hook->dirfd, RUNNER_RECORD_FD },
		{ lock_fd, RUNNER_LOCK_FD },
	};
	struct process_options options = {
		.path = path,
		.argv = argv,
		.environment = environment,
		.fds = fds,
		.n_fds = lock_fd >= 0 ? 2 : 1,
		.cwd_fd = -1,
	};
	int pidfd, r;
	pid_t pid;

	if (tz) { /* for the times in the logs */
		zone = xasprintf("TZ=%s", tz);
		environment[0] = zone;
	}
	r = process_spawn(&pid, &pidfd, &options, err);
	return r < 0 ? r : watch(hook, pidfd, err);
}

/* The runner has the lock's description now; ours must not keep it after the runner's end. */
static int forget_lock(struct hook *hook, struct error *err)
{
	closep(&hook->dirfd);
	hook->dirfd = open(hook->record_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hook->dirfd < 0)
		return error_set(err, -errno, "cannot open %s: %m", hook->record_dir);
	return 0;
}

static int begin(struct hook *hook, const struct hook_spec *spec, struct error *err)
{
	int r = request_write(hook->dirfd, spec, err);

	if (r == 0)
		r = spawn(hook, spec->lock_fd, err);
	return r < 0 ? r : forget_lock(hook, err);
}

static int open_record(struct hook *hook, struct error *err)
{
	int r = file_make_dirs(AT_FDCWD, hook->record_dir, 0700, err);

	if (r < 0)
		return r;
	hook->dirfd = open(hook->record_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (hook->dirfd < 0)
		return error_set(err, -errno, "cannot open %s: %m", hook->record_dir);
	return 0;
}

int hook_start(struct hook **ret, struct loop *loop, const struct hook_spec *spec,
	hook_done_fn *done, void *userdata, struct error *err)
{
	cleanup_with(hook_freep) struct hook *hook = xcalloc(1, sizeof(*hook));
	int r;

	hook->loop = loop;
	hook->done = done;
	hook->userdata = userdata;
	hook->record_dir = xstrdup(spec->record_dir);
	hook->location = xstrdup(spec->location);
	hook->dirfd = hook->pidfd = -1;
	r = open_record(hook, err);
	if (r == 0)
		r = look(hook, false, err);
	if (r > 0)
		r = begin(hook, spec, err);
	if (r < 0)
		return error_wrap(err, "script %s", spec->location);
	*ret = take(&hook);
	return 0;
}

void hook_cancel(struct hook *hook)
{
	hook->is_cancelled = true;
	if (hook->pidfd >= 0)
		send_term(hook);
}
