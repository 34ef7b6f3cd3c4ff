/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/door.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"

enum {
	SLOT_BITS = 20,
	EXPIRES_A_TURN = 1000,
	LOOP_TURNS = 8,               /* some hundred answers each */
	KEPT_TEXT_BYTES = 256 * 1024, /* of the scratch buffer */
	LOOP_EVENT = 0,               /* of epoll; listeners follow, then ids of connections */
};

#define SLOT_MASK ((UINT64_C(1) << SLOT_BITS) - 1)
_Static_assert(SETTINGS_LIMIT_LISTENERS < 1 << SLOT_BITS, "events and ids are told apart");

/* ---- places */

static size_t find_free_slot(struct door *door)
{
	while (door->first_free < door->n_slots && door->slots[door->first_free])
		door->first_free++;
	return door->first_free;
}

bool door_add(struct door *door, struct connection *connection)
{
	size_t slot = find_free_slot(door);

	if (slot > SLOT_MASK)
		return false;
	if (slot == door->n_slots) {
		size_t n = door->n_slots ? door->n_slots * 2 : 64;

		door->slots = xreallocarray(door->slots, n, sizeof(*door->slots));
		memset(door->slots + door->n_slots, 0,
			(n - door->n_slots) * sizeof(*door->slots));
		door->n_slots = n;
	}
	door->slots[slot] = connection;
	connection->id = ++door->last_id << SLOT_BITS | slot;
	door->n_connections++;
	return true;
}

void door_remove(struct door *door, const struct connection *connection)
{
	size_t slot = connection->id & SLOT_MASK;

	if (connection->id == 0)
		return;
	door->slots[slot] = NULL;
	if (slot < door->first_free)
		door->first_free = slot;
	door->n_connections--;
}

uint64_t door_next_id(struct door *door, const struct connection *connection)
{
	return ++door->last_id << SLOT_BITS | (connection->id & SLOT_MASK);
}

struct connection *door_find(const struct door *door, uint64_t id)
{
	size_t slot = id & SLOT_MASK;

	return slot < door->n_slots ? door->slots[slot] : NULL;
}

static void free_closed(struct door *door)
{
	struct queue_link *link;

	while ((link = queue_take(&door->queues[CONNECTION_CLOSED])))
		free(container_of(link, struct connection, link));
}

/* ---- deadlines */

uint64_t door_patience_ms(const struct door *door, enum connection_state state)
{
	const struct exchange_settings *settings = &door->settings;

	switch (state) {
	case CONNECTION_HANDSHAKE:
		return settings->deadlines.handshake_ms;
	case CONNECTION_HEAD:
		return settings->deadlines.header_ms;
	case CONNECTION_BODY:
		return settings->deadlines.body_ms;
	case CONNECTION_PARKED:
		return settings->answer_ms;
	case CONNECTION_WRITING:
		return settings->deadlines.write_ms;
	case CONNECTION_IDLE:
		return settings->deadlines.idle_ms;
	case CONNECTION_LINGERING:
		return CONNECTION_LINGER_MS;
	case CONNECTION_CLOSED:
	case N_CONNECTION_STATES:
		break;
	}
	return 0;
}

static void expire(struct door *door)
{
	for (int state = 0; state < CONNECTION_CLOSED; state++) {
		struct queue *queue = &door->queues[state];
		uint64_t patience_ms = door_patience_ms(door, (enum connection_state)state);

		for (int i = 0; i < EXPIRES_A_TURN && queue->first &&
				door_client_ms(door) - queue->first->since_ms >= patience_ms;
			i++)
			connection_expire(container_of(queue->first, struct connection, link));
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When something is to be done without an event. */
static uint64_t next_due(const struct door *door)
{
	uint64_t due = UINT64_MAX;

	for (int state = 0; state < CONNECTION_CLOSED; state++)
		if (door->queues[state].first)
			due = earlier(due,
				door->queues[state].first->since_ms + door->lag_ms +
					door_patience_ms(door, (enum connection_state)state));
	if (door->accept_again_ms)
		due = earlier(due, door->accept_again_ms);
	if (door->is_draining)
		due = earlier(due, door->drain_until_ms);
	if (memcmp(&door->counts, &door->counts_told, sizeof(door->counts)) != 0)
		due = earlier(due, door->counts_told_ms + DOOR_COUNTS_MS);
	return due;
}

static int timeout_ms(const struct door *door)
{
	uint64_t due = next_due(door);
	uint64_t now_ms = time_boot_ms();

	if (due == UINT64_MAX)
		return -1;
	if (due <= now_ms)
		return 0;
	return (int)earlier(due - now_ms, 60 * 1000);
}

/* ---- memory */

/* Who is at it longest: a client in earnest is done long before. */
static bool evict_one(struct door *door)
{
	static const enum connection_state order[] = { CONNECTION_BODY, CONNECTION_HEAD,
		CONNECTION_WRITING };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		struct queue_link *first = door->queues[order[i]].first;
		struct connection *connection;

		if (!first)
			continue;
		connection = container_of(first, struct connection, link);
		door_count(door, COUNT_EVICTED);
		connection_close(connection, false);
		return true;
	}
	return false;
}

static void bound_memory(struct door *door)
{
	while (door->held_bytes > DOOR_HELD_BYTES && evict_one(door))
		;
	if (door->text.cap > KEPT_TEXT_BYTES)
		buf_done(&door->text);
}

/* ---- the loop */

static void dispatch(struct door *door, const struct epoll_event *event)
{
	uint64_t id = event->data.u64;
	struct connection *connection;

	if (id == LOOP_EVENT)
		return; /* after all others */
	if (id <= door->n_listeners) {
		listener_ready(door, (uint32_t)id - 1);
		return;
	}
	/* An event before in this turn may have closed it. */
	connection = door_find(door, id);
	if (connection && connection->id == id)
		connection_ready(connection, event->events);
}

/* The core's messages: some each turn. True if there may be more. */
static bool serve_core(struct door *door)
{
	struct error err = ERROR_NONE;
	int r = 1;

	for (int i = 0; r > 0 && i < LOOP_TURNS; i++)
		r = loop_turn(door->loop, &err);
	if (r < 0) {
		log_error("%s", err.text);
		door->is_done = true;
		door->status = EXIT_FAILURE;
	}
	return r > 0;
}

/* A core that is behind is not given more: nobody is read until it has caught up. */
static bool wait_for_core(struct door *door, int timeout)
{
	struct pollfd pollfd = { loop_fd(door->loop), POLLIN, 0 };

	(void)poll(&pollfd, 1, timeout); /* if interrupted: the next turn */
	door->lag_ms += time_boot_ms() - door->now_ms;
	return true;
}

/* Returns whether the core's channel is to be looked at. */
static bool serve_clients(struct door *door, int timeout)
{
	struct epoll_event events[DOOR_EVENTS];
	bool has_core = false;
	int n = epoll_wait(door->epoll_fd, events, DOOR_EVENTS, timeout);

	door->now_ms = time_boot_ms();
	/* Those behind are told again. */
	for (int i = 0; i < n && !door->is_done && !channel_is_full(&door->channel); i++) {
		has_core |= events[i].data.u64 == LOOP_EVENT;
		dispatch(door, &events[i]);
	}
	return has_core;
}

static void end_drain(struct door *door)
{
	size_t n = door->n_connections - door->queues[CONNECTION_LINGERING].n;

	if (door->is_draining && (n == 0 || door->now_ms >= door->drain_until_ms))
		door->is_done = true;
}

static void settle(struct door *door)
{
	expire(door);
	bound_memory(door);
	free_closed(door);
	if (door->accept_again_ms && door->now_ms >= door->accept_again_ms) {
		door->accept_again_ms = 0;
		listeners_update(door);
	}
	end_drain(door);
	door->counts.values[COUNT_OPEN] = door->n_connections;
	door->counts.values[COUNT_PARKED] = door->queues[CONNECTION_PARKED].n;
	core_link_counts(door);
}

int door_run(struct door *door)
{
	bool has_core = true;

	while (!door->is_done) {
		int timeout = has_core ? 0 : timeout_ms(door);

		if (channel_is_full(&door->channel))
			has_core = wait_for_core(door, timeout);
		else
			has_core |= serve_clients(door, timeout);
		door->now_ms = time_boot_ms();
		if (has_core)
			has_core = serve_core(door);
		settle(door);
		/* What was queued leaves at once; for what the socket did not take the loop
		 * waits. */
		if (!channel_flush(&door->channel)) {
			has_core |= serve_core(door);
			end_drain(door);
		}
	}
	(void)channel_flush(&door->channel);
	return door->status;
}

static void close_all(struct door *door, enum connection_state state)
{
	struct queue *queue = &door->queues[state];

	while (queue->first)
		connection_close(container_of(queue->first, struct connection, link), true);
}

void door_close_parked(struct door *door)
{
	close_all(door, CONNECTION_PARKED);
}

void door_drain(struct door *door)
{
	struct queue_link *next;

	if (door->is_draining)
		return;
	door->is_draining = true;
	door->drain_until_ms = door->now_ms + door->settings.drain_ms;
	listeners_update(door);
	listeners_close(door);
	close_all(door, CONNECTION_IDLE);
	close_all(door, CONNECTION_HANDSHAKE);
	for (struct queue_link *link = door->queues[CONNECTION_HEAD].first; link; link = next) {
		struct connection *connection = container_of(link, struct connection, link);

		next = link->next;
		if (!connection_is_reading(connection))
			connection_close(connection, true);
	}
}

/* ---- beginning and end */

static int watch_loop(struct door *door, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = LOOP_EVENT };

	door->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (door->epoll_fd < 0 ||
		epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, loop_fd(door->loop), &event) < 0)
		return error_set(err, -errno, "cannot make an epoll: %m");
	return 0;
}

static void find_fd_limit(struct door *door)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = 1024; /* fails for a bad address only */
	door->fd_limit = limit.rlim_cur > DOOR_SPARE_FDS
				 ? (size_t)limit.rlim_cur - DOOR_SPARE_FDS
				 : 1;
}

int door_new(struct door **ret, int channel_fd, const int *listener_fds, size_t n_listeners,
	struct error *err)
{
	cleanup_with(door_freep) struct door *door = xcalloc(1, sizeof(*door));
	int r;

	door->epoll_fd = -1;
	door->now_ms = time_boot_ms();
	addresses_init(&door->addresses);
	find_fd_limit(door);
	r = loop_new(&door->loop, err);
	if (r == 0)
		r = watch_loop(door, err);
	if (r == 0)
		r = core_link_start(door, channel_fd, err);
	if (r == 0)
		r = listeners_open(door, listener_fds, n_listeners, err);
	if (r < 0)
		return r;
	*ret = take(&door);
	return 0;
}

void door_free(struct door *door)
{
	if (!door)
		return;
	for (size_t i = 0; i < door->n_slots; i++)
		if (door->slots[i])
			connection_close(door->slots[i], true);
	free_closed(door);
	listeners_close(door);
	channel_stop(&door->channel);
	loop_free(door->loop);
	closep(&door->epoll_fd);
	tls_free(door->tls);
	addresses_done(&door->addresses);
	buf_done(&door->text);
	free(door->slots);
	free(door);
}

void door_freep(struct door **door)
{
	door_free(*door);
}
