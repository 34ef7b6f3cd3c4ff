/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/loop.h"

struct call;
struct core_clock;
struct host;
struct poll;
struct presence;

/*
 * Polls that wait for a command, at most one a host, all on one timer. Zero it and fill in the
 * first members to begin.
 */
struct polls {
	struct loop *loop;
	const struct core_clock *clock;
	struct presence *presence;
	/* The time came at which the host's command may be handed out again; it still waits. */
	void (*on_due)(struct polls *polls, struct host *host, uint64_t now_ms);

	struct poll *by_end[2]; /* the first to end, and the last */
	struct poll *by_due[2];
	struct loop_timer timer;
	uint64_t timer_ms; /* when it fires; 0: not started */
};

/* Answers those that wait with nothing, and stops. */
void polls_done(struct polls *polls);

/*
 * Parks the call; the host has no other one parked. Without a command it is answered with
 * nothing at end_ms. due_ms: when on_due is called; UINT64_MAX: never.
 */
void polls_park(struct polls *polls, struct host *host, struct call *call, uint64_t end_ms,
	uint64_t due_ms);

/* The host's parked call, which waits no more: the caller ends it. NULL if there is none. */
struct call *polls_take(struct polls *polls, struct host *host, uint64_t now_ms);
