/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/polls.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/call.h"
#include "controller/clock.h"
#include "controller/model.h"
#include "controller/presence.h"

/*
 * Two lists, both sorted. All polls are kept open for the same time and all first deliveries
 * wait for the same time, so what is new belongs at the end and is found there at once.
 */
enum { FIRST, LAST };

struct node {
	struct poll *before;
	struct poll *after;
	uint64_t at_ms; /* 0: in no list */
};

struct poll {
	struct polls *polls;
	struct host *host;
	struct node end;
	struct node due;
};

static void on_timer(struct loop_timer *timer);

/* ---- lists; `member` is the place of the node in struct poll */

static struct node *node_of(struct poll *poll, size_t member)
{
	return (struct node *)(void *)((char *)poll + member);
}

static void insert(struct poll *list[2], size_t member, struct poll *poll, uint64_t at_ms)
{
	struct node *node = node_of(poll, member);
	struct poll *before = list[LAST];

	while (before && node_of(before, member)->at_ms > at_ms)
		before = node_of(before, member)->before;
	node->at_ms = at_ms;
	node->before = before;
	node->after = before ? node_of(before, member)->after : list[FIRST];
	if (before)
		node_of(before, member)->after = poll;
	else
		list[FIRST] = poll;
	if (node->after)
		node_of(node->after, member)->before = poll;
	else
		list[LAST] = poll;
}

static void leave(struct poll *list[2], size_t member, struct poll *poll)
{
	struct node *node = node_of(poll, member);

	if (node->at_ms == 0)
		return;
	if (node->before)
		node_of(node->before, member)->after = node->after;
	else
		list[FIRST] = node->after;
	if (node->after)
		node_of(node->after, member)->before = node->before;
	else
		list[LAST] = node->before;
	*node = (struct node){ 0 };
}

#define END offsetof(struct poll, end)
#define DUE offsetof(struct poll, due)

/* ---- the timer */

static uint64_t next_ms(const struct polls *polls)
{
	uint64_t end = polls->by_end[FIRST] ? polls->by_end[FIRST]->end.at_ms : UINT64_MAX;
	uint64_t due = polls->by_due[FIRST] ? polls->by_due[FIRST]->due.at_ms : UINT64_MAX;

	return end < due ? end : due;
}

/* One that fires too early, since the poll it was for is gone, is cheaper than setting it. */
static void arm(struct polls *polls, uint64_t now_ms)
{
	uint64_t next = next_ms(polls);
	struct error err = ERROR_NONE;

	if (next == UINT64_MAX || (polls->timer_ms > 0 && polls->timer_ms <= next))
		return;
	loop_timer_stop(&polls->timer);
	polls->timer_ms = next;
	if (loop_timer_start(polls->loop, &polls->timer, next > now_ms ? next - now_ms : 0,
		    on_timer, &err) < 0) {
		polls->timer_ms = 0; /* the next poll tries again */
		log_error("cannot time the polls of hosts: %s", err.text);
	}
}

static void end_poll(struct polls *polls, struct host *host, uint64_t now_ms)
{
	call_answer(polls_take(polls, host, now_ms), NULL);
}

static void on_timer(struct loop_timer *timer)
{
	struct polls *polls = container_of(timer, struct polls, timer);
	uint64_t now_ms = core_clock_now_ms(polls->clock);
	struct poll *poll;

	polls->timer_ms = 0;
	while ((poll = polls->by_end[FIRST]) && poll->end.at_ms <= now_ms)
		end_poll(polls, poll->host, now_ms);
	while ((poll = polls->by_due[FIRST]) && poll->due.at_ms <= now_ms) {
		leave(polls->by_due, DUE, poll);
		polls->on_due(polls, poll->host, now_ms);
	}
	arm(polls, now_ms);
}

/* ---- polls */

static void forget(struct polls *polls, struct poll *poll, uint64_t now_ms)
{
	leave(polls->by_end, END, poll);
	leave(polls->by_due, DUE, poll);
	presence_unparked(polls->presence, poll->host, now_ms);
	free(poll);
}

/* The client left. */
static void on_gone(struct call *call)
{
	struct poll *poll = call->owner;

	forget(poll->polls, poll, core_clock_now_ms(poll->polls->clock));
}

void polls_park(struct polls *polls, struct host *host, struct call *call, uint64_t end_ms,
	uint64_t due_ms)
{
	struct poll *poll = xcalloc(1, sizeof(*poll));
	uint64_t now_ms = call->now_ms;

	poll->polls = polls;
	poll->host = host;
	insert(polls->by_end, END, poll, end_ms);
	if (due_ms < end_ms)
		insert(polls->by_due, DUE, poll, due_ms);
	presence_parked(polls->presence, host, call);
	call_park(call, on_gone, poll);
	arm(polls, now_ms);
}

struct call *polls_take(struct polls *polls, struct host *host, uint64_t now_ms)
{
	struct call *call = host->parked;

	if (call)
		forget(polls, call->owner, now_ms);
	return call;
}

void polls_done(struct polls *polls)
{
	uint64_t now_ms = core_clock_now_ms(polls->clock);

	while (polls->by_end[FIRST])
		end_poll(polls, polls->by_end[FIRST]->host, now_ms);
	loop_timer_stop(&polls->timer);
}
