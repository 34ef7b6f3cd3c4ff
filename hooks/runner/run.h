/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "hooks/hook.h"
#include "hooks/runner/output.h"

struct error;
struct request;

/*
 * One script from its fork to its end.
 *
 *   RUNNING --exit 0----------------------------> DRAINING --streams end, or 2 s--> OVER
 *   RUNNING --failed, timed out, cancelled--> ENDING (TERM) --5 s--> KILLING --nothing left-+
 *                                               +--nothing left--> DRAINING <-------------+
 *
 * A script that failed to execute is over at once. What a script that succeeded has left
 * running is left alone.
 */
struct run {
	enum hook_code code;
	int exit_status; /* -1 unless it exited */
	int signal;      /* 0 unless a signal killed it */
	char *message;
	struct buf notes;
	uint64_t duration_ms;
	struct output output; /* its streams may still be open */
};

/* Runs the script of the request; `dirfd` is where "started" is written. The signals that end
 * it are blocked from the start (run_block_signals()). Never fails: what goes wrong is the
 * outcome. */
void run_script(struct run *ret, const struct request *request, int dirfd);
void run_done(struct run *run);

/* TERM asks the runner to end the script; what else may come is ignored. */
void run_block_signals(void);
