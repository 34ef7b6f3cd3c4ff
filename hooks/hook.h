/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct loop;

/*
 * One script of a lifecycle event, run by the program drover-hook, which outlives us: it owns
 * the script, its clock, its output and its result. This side starts it, or finds it again
 * after a restart, and waits for its end, which comes as soon as the result is on disk.
 *
 * In record_dir, all written by atomic replacement (hooks/record.h has their content):
 *
 *   request.json   what to run; by hook_start(), synced before the runner starts
 *   started        boot id, pid, start time; by the runner, synced before the script's exec
 *   result.json    outcome, code, message, log; by the runner, when the script is over
 *
 * What a script that succeeded leaves running lives on. While it holds the script's output, a
 * process "drover-drain" reads and discards that, so that it never meets a closed pipe; the
 * result's note names who holds it. What a script that failed, was cancelled or took too long
 * leaves is killed, whatever sessions it made.
 */
struct hook_spec {
	const char *deployment_id;
	const char *event;       /* "AfterInstall" */
	const char *location;    /* as the appspec has it, relative to bundle_dir */
	const char *bundle_dir;  /* absolute path of the unpacked bundle */
	const char *working_dir; /* absolute; the bundle or what the reference has */
	unsigned timeout_s;
	const char *runas; /* user name or number, or NULL for root */
	bool sudo;
	/* All of it (hooks/environment.h) but HOME, USER, LOGNAME and SHELL. */
	char *const *environment;
	const char *record_dir;      /* absolute; made if missing; one per script */
	const char *scripts_log;     /* absolute; directories above it are made; bounded */
	const char *deployments_log; /* the log over all deployments, likewise; or NULL */
	/* Inherited by the runner, so that the group stays locked until the result; or -1. */
	int lock_fd;
	/* Writes "LifecycleEvent - <event>" before "Script - <location>". */
	bool first_of_event;
};

/* The protocol's codes (8.1 of the reference). */
enum hook_code {
	HOOK_SUCCEEDED = 0,
	HOOK_SCRIPT_MISSING = 1,
	HOOK_NOT_EXECUTABLE = 2,
	HOOK_TIMED_OUT = 3,
	HOOK_SCRIPT_FAILED = 4,
	HOOK_UNKNOWN_ERROR = 5,
	/* Kept for readers; Drover ends the event instead and says so. */
	HOOK_OUTPUTS_LEFT_OPEN = 6,
	HOOK_FAILED_AFTER_RESTART = 7,
};

struct hook_result {
	enum hook_code code;
	int exit_status;     /* -1 unless the script exited */
	int signal;          /* 0 unless a signal killed it */
	const char *message; /* one sentence for people, never empty */
	/* Valid UTF-8, the last 2,048 bytes at most, in the reference's form; of a whole event:
	 * hooks/tail.h. */
	const char *log;
	/* What deserves a word whatever the outcome ("left 1 process holding the script's
	 * output: ..."), or NULL. */
	const char *note;
	uint64_t duration_ms;
};

struct hook;

/* Called once from the loop; the result is borrowed until it returns. The hook may be freed in
 * it. */
typedef void hook_done_fn(struct hook *hook, const struct hook_result *result, void *userdata);

/*
 * Starts a script, or goes on with one that record_dir says was begun before a restart: a
 * result there is used; a living runner is waited for; begun without a living runner is code 7;
 * not begun is begun. Returns 0, or a negative errno if the runner could not be started at all;
 * then `done` is not called.
 */
int hook_start(struct hook **ret, struct loop *loop, const struct hook_spec *spec,
	hook_done_fn *done, void *userdata, struct error *err);

/* Asks the runner to end the script: TERM, 5 s, KILL. `done` follows with what came of it. */
void hook_cancel(struct hook *hook);

/* Forgets the hook without ending it: the runner goes on. */
void hook_free(struct hook *hook);
void hook_freep(struct hook **hook);
