/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/time.h"
#include "hooks/record.h"
#include "hooks/runner/note.h"
#include "hooks/runner/scope.h"
#include "hooks/runner/script.h"
#include "hooks/survivors.h"

enum {
	GRACE_MS = 5000,      /* from TERM to KILL */
	DRAIN_MS = 2000,      /* from the script's end to the event's, if a stream stays open */
	KILL_AGAIN_MS = 10,   /* what forked while we killed */
	KILL_LIMIT_MS = 5000, /* what sleeps in the kernel for ever is told, not waited for */
};

enum phase { PHASE_RUNNING, PHASE_ENDING, PHASE_KILLING, PHASE_DRAINING, PHASE_OVER };

enum reason { REASON_NONE, REASON_FAILED, REASON_TIMED_OUT, REASON_CANCELLED };

struct state {
	struct run *run;
	const struct request *request;
	struct script script;
	char *cgroup; /* the script's, or NULL */
	enum phase phase;
	enum reason reason;
	bool has_exited;
	bool has_children; /* somebody below us is left */
	int status;        /* as wait(2) gave it */
	char *exec_failure;
	uint64_t killing_since_ms;
	int nice; /* before we began to kill */
	int signal_fd;
	int timer_fd;
};

static void state_done(struct state *state)
{
	script_done(&state->script);
	free(state->cgroup);
	free(state->exec_failure);
	closep(&state->signal_fd);
	closep(&state->timer_fd);
}

void run_block_signals(void)
{
	/* KILL_MODE of a service, a closed terminal, a full file: none of them is the
	 * script's fault. */
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1,
		SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGXFSZ };
	sigset_t mask;

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored by a parent, it would reap for us */
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int open_events(struct state *state, struct error *err)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	state->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	/* The clock that counts sleep: a time-out is a promise about time. */
	state->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (state->signal_fd < 0 || state->timer_fd < 0)
		return error_set(err, -errno, "cannot watch signals and time: %m");
	return 0;
}

static void set_timer(const struct state *state, uint64_t after_ms)
{
	const struct itimerspec spec = {
		.it_value = { (time_t)(after_ms / 1000), (long)(after_ms % 1000) * 1000000 },
	};

	(void)timerfd_settime(
		state->timer_fd, 0, &spec, NULL); /* a valid time is all it asks */
}

static void enter(struct state *state, enum phase phase, uint64_t after_ms)
{
	state->phase = phase;
	set_timer(state, after_ms);
}

/* ---- ending ---- */

static void reap(struct state *state)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == state->script.pid) {
			state->has_exited = true;
			state->status = status;
		}
	state->has_children = pid == 0;
}

static bool is_nothing_left(const struct state *state)
{
	return state->has_exited && !state->has_children &&
	       (!state->cgroup || !survivors_in_cgroup(state->cgroup));
}

static void begin_draining(struct state *state)
{
	if (state->killing_since_ms > 0)
		(void)setpriority(PRIO_PROCESS, 0, state->nice);
	enter(state, PHASE_DRAINING, DRAIN_MS);
}

static void begin_ending(struct state *state, enum reason reason)
{
	state->reason = reason;
	if (is_nothing_left(state)) {
		begin_draining(state);
		return;
	}
	(void)survivors_signal(getpid(), state->cgroup, SIGTERM);
	enter(state, PHASE_ENDING, GRACE_MS);
}

static void kill_again(struct state *state)
{
	(void)survivors_signal(getpid(), state->cgroup, SIGKILL);
	reap(state);
	if (is_nothing_left(state))
		begin_draining(state);
	else if (time_boot_ms() - state->killing_since_ms < KILL_LIMIT_MS)
		enter(state, PHASE_KILLING, KILL_AGAIN_MS);
	else {
		note(&state->run->notes, "some of the script's processes did not die when "
					 "killed; they hang in the "
					 "kernel");
		begin_draining(state);
	}
}

static void begin_killing(struct state *state)
{
	/* Ahead of whatever forks as fast as it can. */
	state->nice = getpriority(PRIO_PROCESS, 0);
	(void)setpriority(PRIO_PROCESS, 0, -20);
	state->killing_since_ms = time_boot_ms();
	kill_again(state);
}

/* ---- events ---- */

static void on_children(struct state *state)
{
	bool had_exited = state->has_exited;

	reap(state);
	if (state->phase == PHASE_RUNNING && state->has_exited && !had_exited) {
		if (WIFEXITED(state->status) && WEXITSTATUS(state->status) == 0)
			begin_draining(state);
		else
			begin_ending(state, REASON_FAILED);
	} else if (state->phase == PHASE_ENDING || state->phase == PHASE_KILLING) {
		if (is_nothing_left(state))
			begin_draining(state);
	}
}

static void on_signal(struct state *state)
{
	struct signalfd_siginfo info;

	while (read(state->signal_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo == SIGTERM && state->phase == PHASE_RUNNING)
			begin_ending(state, REASON_CANCELLED);
	on_children(state);
}

static void on_timer(struct state *state)
{
	uint64_t times;

	if (read(state->timer_fd, &times, sizeof(times)) != sizeof(times))
		return; /* set anew meanwhile */
	switch (state->phase) {
	case PHASE_RUNNING:
		begin_ending(state, REASON_TIMED_OUT);
		break;
	case PHASE_ENDING:
		begin_killing(state);
		break;
	case PHASE_KILLING:
		kill_again(state);
		break;
	case PHASE_DRAINING:
		/* A disk that stalls may have kept us from what was said in time. */
		output_read_rest(&state->run->output);
		state->phase = PHASE_OVER;
		break;
	case PHASE_OVER:
		break;
	}
}

static void turn(struct state *state)
{
	struct output *output = &state->run->output;
	struct pollfd fds[] = {
		{ output->streams[OUTPUT_STDOUT].fd, POLLIN, 0 },
		{ output->streams[OUTPUT_STDERR].fd, POLLIN, 0 },
		{ state->signal_fd, POLLIN, 0 },
		{ state->timer_fd, POLLIN, 0 },
		{ state->script.socket, POLLIN, 0 },
	};

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return; /* EINTR */
	for (unsigned i = 0; i < N_OUTPUTS; i++)
		if (fds[i].revents)
			output_read(output, i);
	if (fds[4].revents)
		state->exec_failure = script_failure(&state->script);
	if (fds[2].revents)
		on_signal(state);
	if (fds[3].revents)
		on_timer(state);
	if (state->phase == PHASE_DRAINING && !output_is_open(output))
		state->phase = PHASE_OVER;
}

/* ---- the outcome ---- */

static void set_message(struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void set_message(struct run *run, const char *format, ...)
{
	va_list ap;

	free(run->message);
	va_start(ap, format);
	run->message = xvasprintf(format, ap);
	va_end(ap);
}

static char *script_name(const struct request *request)
{
	return request->runas
		       ? xasprintf("script %s (as user %s)", request->location, request->runas)
		       : xasprintf("script %s", request->location);
}

static void describe_failure(struct run *run, const struct script *script, const char *name)
{
	const char *hint = "";

	if (script->shebang.crlf)
		hint = "; its first line ends in CR LF, save it with Unix line ends (dos2unix)";
	else if (script->shebang.byte_order_mark)
		hint = "; it starts with a byte order mark, so that its first line is not seen";
	if (run->signal)
		set_message(run, "%s was killed by signal %d (%s)", name, run->signal,
			strsignal(run->signal));
	else
		set_message(
			run, "%s failed with exit status %d%s", name, run->exit_status, hint);
}

static void describe(struct run *run, const struct state *state)
{
	cleanup_with(freep) char *name = script_name(state->request);

	run->code = HOOK_SCRIPT_FAILED;
	if (state->has_exited && WIFSIGNALED(state->status))
		run->signal = WTERMSIG(state->status);
	if (state->has_exited && WIFEXITED(state->status) && !state->exec_failure)
		run->exit_status = WEXITSTATUS(state->status);

	if (state->exec_failure) {
		set_message(run, "%s", state->exec_failure);
	} else if (state->reason == REASON_TIMED_OUT) {
		run->code = HOOK_TIMED_OUT;
		set_message(run, "%s ran longer than its timeout of %u s and was ended", name,
			state->request->timeout_s);
	} else if (state->reason == REASON_CANCELLED) {
		set_message(run,
			"%s was ended because the deployment was cancelled, or the host shut "
			"down",
			name);
	} else if (state->reason == REASON_FAILED) {
		describe_failure(run, &state->script, name);
	} else {
		run->code = HOOK_SUCCEEDED;
		set_message(run, "%s succeeded", name);
	}
}

static void note_open_streams(struct run *run)
{
	cleanup_with(freep) char *names = NULL;
	ino_t pipes[N_OUTPUTS];
	unsigned n_pipes = 0, n;

	for (unsigned i = 0; i < N_OUTPUTS; i++)
		if (run->output.streams[i].fd >= 0)
			pipes[n_pipes++] = run->output.streams[i].inode;
	if (n_pipes == 0)
		return;
	n = survivors_holding(pipes, n_pipes, &names);
	if (n > 0)
		note(&run->notes,
			"left %u %s holding the script's output: %s; what is written there "
			"from "
			"now on is discarded",
			n, n == 1 ? "process" : "processes", names);
}

static int record_start(const struct state *state, int dirfd, struct error *err)
{
	struct started started = {
		.pid = getpid(),
		.script_pid = state->script.pid,
		.cgroup = state->cgroup,
	};
	int r = process_boot_id(started.boot_id);

	if (r == 0)
		r = process_start_time(started.pid, &started.start_time);
	if (r == 0)
		r = process_start_time(started.script_pid, &started.script_start_time);
	if (r < 0)
		return error_set(err, r, "cannot tell who we are: %m");
	return started_write(dirfd, &started, err);
}

/* Without its own group the script stays in ours: then only the tree is walked. */
static void move_into_group(struct state *state)
{
	cleanup_with(freep) char *procs = NULL;
	cleanup_with(freep) char *text = xasprintf("%d", (int)state->script.pid);
	cleanup_with(closep) int fd = -1;

	if (!state->cgroup)
		return;
	procs = path_join(state->cgroup, "cgroup.procs");
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || file_write_all(fd, text, strlen(text)) < 0) {
		free(state->cgroup);
		state->cgroup = NULL;
	}
}

static int start(struct state *state, int dirfd, struct error *err)
{
	int r = open_events(state, err);

	if (r == 0)
		r = script_fork(&state->script, state->request, &state->run->output, err);
	if (r < 0)
		return r;
	output_hand_over(&state->run->output);
	move_into_group(state);
	r = record_start(state, dirfd, err);
	if (r < 0)
		return r; /* the waiting child sees its socket close, and goes */
	script_release(&state->script);
	return 0;
}

static void run_found(struct state *state, int dirfd)
{
	struct run *run = state->run;
	struct error err = ERROR_NONE;
	uint64_t began_ms = time_boot_ms();

	if (start(state, dirfd, &err) < 0) {
		run->code = HOOK_UNKNOWN_ERROR;
		set_message(run, "%s", err.text);
		return;
	}
	enter(state, PHASE_RUNNING, (uint64_t)state->request->timeout_s * 1000);
	while (state->phase != PHASE_OVER)
		turn(state);
	if (state->script.socket >= 0 && state->has_exited)
		state->exec_failure = script_failure(&state->script);
	run->duration_ms = time_boot_ms() - began_ms;
	output_finish(&run->output);
	note_open_streams(run);
	describe(run, state);
}

void run_script(struct run *ret, const struct request *request, int dirfd)
{
	cleanup_with(state_done) struct state state = {
		.run = ret,
		.request = request,
		.script = { .socket = -1 },
		.signal_fd = -1,
		.timer_fd = -1,
	};
	struct error err = ERROR_NONE;

	*ret = (struct run){ .exit_status = -1 };
	if (output_open(&ret->output, request, &err) < 0) {
		ret->code = HOOK_UNKNOWN_ERROR;
		set_message(ret, "%s", err.text);
		return;
	}
	ret->code = script_find(&state.script, request, &err);
	/* Before the first message: the journal remembers for a second whose unit a process is.
	 */
	if (ret->code == HOOK_SUCCEEDED)
		state.cgroup = scope_enter(request, &ret->notes);
	if (request->first_of_event)
		output_mark(&ret->output, "LifecycleEvent - %s", request->event);
	output_mark(&ret->output, "Script - %s", request->location);
	output_flush(&ret->output);
	if (ret->code == HOOK_SUCCEEDED)
		run_found(&state, dirfd);
	else
		set_message(ret, "%s", err.text);
	output_hand_over(&ret->output);
	output_note(&ret->output, &ret->notes);
}

void run_done(struct run *run)
{
	free(run->message);
	buf_done(&run->notes);
	output_done(&run->output);
}
