/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "hooks/hook.h"

struct error;

/*
 * The three files by which the agent and a hook's runner speak to each other, in one directory
 * per script. Both sides read them as if a stranger had written them: size, types, ranges and
 * lengths are checked, and nothing is believed that does not fit.
 *
 * Paths and values are bytes, JSON is not: text that is no UTF-8 stands as {"hex": "..."}.
 */
enum {
	REQUEST_LIMIT_BYTES = 4 * 1024 * 1024,
	STARTED_LIMIT_BYTES = 16 * 1024,
	RESULT_LIMIT_BYTES = 128 * 1024,
	RESULT_MESSAGE_LIMIT_BYTES = 4096,
	RESULT_LOG_LIMIT_BYTES = 2048,
};

/* request.json, with everything owned. */
struct request {
	char *deployment_id;
	char *event;
	char *location;
	char *bundle_dir;
	char *working_dir;
	char *runas; /* or NULL */
	char *scripts_log;
	char *deployments_log; /* or NULL */
	char **environment;    /* NULL-terminated */
	unsigned timeout_s;
	bool sudo;
	bool first_of_event;
	mode_t umask; /* the script's: that of who started the runner, not from the file */
};

void request_done(struct request *request);
int request_write(int dirfd, const struct hook_spec *spec, struct error *err);
int request_read(struct request *ret, int dirfd, struct error *err);
int request_parse(struct request *ret, const char *text, size_t n, struct error *err);

/* started: who runs the script, and by what its processes are found should the runner die. */
struct started {
	char boot_id[37];
	pid_t pid;                  /* the runner */
	uint64_t start_time;        /* its start, in clock ticks after boot */
	pid_t script_pid;           /* leads a session of its own */
	uint64_t script_start_time; /* as above */
	char *cgroup;               /* absolute path of the script's control group, or NULL */
};

void started_done(struct started *started);
int started_write(int dirfd, const struct started *started, struct error *err);
int started_read(struct started *ret, int dirfd, struct error *err);
int started_parse(struct started *ret, const char *text, size_t n, struct error *err);

/*
 * result.json. Reading gives strings that result_done() frees, although hook_result borrows
 * them everywhere else.
 */
void result_done(struct hook_result *result);
int result_write(int dirfd, const struct hook_result *result, struct error *err);
int result_read(struct hook_result *ret, int dirfd, struct error *err);
int result_parse(struct hook_result *ret, const char *text, size_t n, struct error *err);
