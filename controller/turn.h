/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

struct core_clock;
struct error;
struct request;
struct store;

/*
 * A turn of the core: requests and timers change the live state and the store at once, what is
 * to be answered is held back; when nothing more is due, one commit makes all of it durable,
 * and then the answers leave. So many requests share one wait for the disk, and nobody is told
 * what a loss of power could take back.
 *
 * If the commit fails nothing has happened: whoever waits hears 503, and the live state, which
 * ran ahead, is to be loaded anew (on_lost).
 */
enum {
	TURN_MAX_HELD = 256, /* answers; then it ends, however much is due */
	TURN_MAX_MS = 5,     /* from the first answer held, likewise */
};

struct turn {
	struct store *store; /* set anew by on_lost's owner */
	struct core_clock *clock;
	void (*on_lost)(struct turn *turn, const struct error *why);
	void (*on_committed)(struct turn *turn); /* before the answers leave; may be NULL */

	struct loop_idle idle;
	uint64_t now_ms; /* 0: none has begun */
	uint64_t held_since_boot_ms;
	struct request *first; /* held, in order */
	struct request *last;
	size_t n_held;

	uint64_t n_commits; /* since the start: with something in them */
	uint64_t n_failures;
	uint64_t longest_commit_ms;
};

/* The members above the empty line are the caller's, before. */
int turn_start(struct turn *turn, struct loop *loop, struct error *err);
void turn_stop(struct turn *turn);

/* The core's time, the same from a turn's first question to its end. */
uint64_t turn_now_ms(struct turn *turn);

/* The request has its result, and leaves with this turn. */
void turn_hold(struct turn *turn, struct request *request);

/* Between requests: ends the turn if it has become long. */
void turn_check(struct turn *turn);

/* Commits and lets the answers go. */
void turn_end(struct turn *turn);
