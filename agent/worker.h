/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/diagnostic.h"

struct error;
struct loop;

/*
 * One heavy step in a short-lived child of ours, so that whoever owns the loop never blocks and
 * the memory goes back to the system. What the child has to say comes through a pipe.
 */
struct worker;
struct worker_link; /* the child's end */

/*
 * The step, in the child: 0 or more, which on_done gets, or a negative errno with err filled.
 * The signals that the loop watches are blocked in it: only SIGKILL ends it early.
 */
typedef int worker_function(struct worker_link *link, void *argument, struct error *err);

/* In the child. Progress is passed on at most ten times a second. */
void worker_send_progress(struct worker_link *link, uint64_t bytes, uint64_t files);
void worker_send_finding(struct worker_link *link, enum severity severity, const char *text);
void worker_send_summary(struct worker_link *link, const char *text); /* what it came to */

struct worker_callbacks {
	void (*on_progress)(uint64_t bytes, uint64_t files, void *userdata);
	void (*on_finding)(enum severity severity, const char *text, void *userdata);
	void (*on_summary)(const char *text, void *userdata);
	/* Once, from the loop. r is -ECANCELED after worker_kill(). The worker may be freed in
	 * it. */
	void (*on_done)(int r, const struct error *err, void *userdata);
	void *userdata;
};

/* `argument` is the child's own copy. `what` names the step in messages; a literal. */
int worker_start(struct worker **ret, struct loop *loop, const char *what,
	worker_function *function, void *argument, const struct worker_callbacks *callbacks,
	struct error *err);

/* Ends the child at once, whatever it does; on_done follows. */
void worker_kill(struct worker *worker);

/* Leaves a child that still runs to itself. */
void worker_free(struct worker *worker);
void worker_freep(struct worker **worker);
