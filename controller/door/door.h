/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/channel.h"
#include "controller/door/address.h"
#include "controller/door/connection.h"
#include "controller/door/queue.h"
#include "controller/exchange.h"

/*
 * The process with the sockets: TLS, HTTP and limits. It hands whole requests to the core
 * (exchange.h) and knows nothing of what they ask.
 *
 * One thread and one epoll, whose events are bounded in each turn so that nobody waits long for
 * others: connections directly, the channel to the core by the loop nested in it.
 */
enum {
	DOOR_EVENTS = 64,                   /* of epoll in one turn */
	DOOR_ACCEPTS = 32,                  /* of a listener in one turn */
	DOOR_SCRATCH_BYTES = 64 * 1024,     /* read at once */
	DOOR_HELD_BYTES = 64 * 1024 * 1024, /* unfinished requests and answers, all together */
	DOOR_SPARE_FDS = 32,                /* that are no connections */
	DOOR_COUNTS_MS = 1000,
	/* Of the channel's queue; requests leave it to who left and who went. */
	DOOR_SPARE_QUEUE_BYTES = EXCHANGE_QUEUE_BYTES / 4,
	DOOR_ACCEPT_AGAIN_MS = 100, /* after there was no descriptor or memory */
};

struct door_listener {
	int fd;
	bool is_unix;
	bool is_watched;
};

struct door {
	struct loop *loop;
	struct channel channel;
	int epoll_fd;
	uint64_t now_ms; /* of this turn, by the boot clock */
	/* In all, how long nobody was read because the core was behind: what clients have
	 * sent meanwhile is not late. */
	uint64_t lag_ms;
	uint64_t turn;

	struct exchange_settings settings; /* without the texts and keys */
	bool has_settings;
	struct tls *tls;
	struct door_listener listeners[SETTINGS_LIMIT_LISTENERS];
	size_t n_listeners;
	uint64_t accept_again_ms; /* 0: now */
	size_t fd_limit;

	struct connection **slots; /* the low bits of an id say which */
	size_t n_slots;
	size_t first_free; /* below it none is free */
	size_t n_connections;
	uint64_t last_id;
	struct queue queues[N_CONNECTION_STATES];
	struct addresses addresses;
	size_t held_bytes;

	struct exchange_counts counts;
	struct exchange_counts counts_told;
	uint64_t counts_told_ms;

	struct buf text; /* scratch: of a message or an answer */
	char scratch[DOOR_SCRATCH_BYTES];

	bool is_draining;
	uint64_t drain_until_ms;
	bool is_done;
	int status; /* of the process, when done */
};

/* Takes the descriptors over. */
int door_new(struct door **ret, int channel_fd, const int *listener_fds, size_t n_listeners,
	struct error *err);
void door_free(struct door *door);
void door_freep(struct door **door);

/* Serves until drained or without a core; returns the exit status. */
int door_run(struct door *door);

/* Accepts no more; ends when the last answer has left, or by settings.drain_ms. */
void door_drain(struct door *door);

/* Nobody will answer them. */
void door_close_parked(struct door *door);

/* The clock of the queues: the boot clock without the times when nobody was read. */
static inline uint64_t door_client_ms(const struct door *door)
{
	return door->now_ms - door->lag_ms;
}

/* How long a state may last. */
uint64_t door_patience_ms(const struct door *door, enum connection_state state);

static inline void door_count(struct door *door, enum exchange_count count)
{
	door->counts.values[count]++;
}

/* ---- connections by id */

/* Gives it a place and an id. False if the door is full. */
bool door_add(struct door *door, struct connection *connection);
void door_remove(struct door *door, const struct connection *connection);

/* The id of its next request; unique, like that of the connection. */
uint64_t door_next_id(struct door *door, const struct connection *connection);

/* NULL if it ended. A request's id is checked by its caller. */
struct connection *door_find(const struct door *door, uint64_t id);

/* ---- listeners (listener.c) */

int listeners_open(struct door *door, const int *fds, size_t n, struct error *err);
void listeners_close(struct door *door);
void listener_ready(struct door *door, uint32_t listener);

/* Watches or forgets them all, as there is room. */
void listeners_update(struct door *door);

/* ---- the core (core_link.c) */

int core_link_start(struct door *door, int fd, struct error *err);

/* True if the request is on its way. */
bool core_link_request(struct connection *connection);
void core_link_cancel(struct connection *connection);
void core_link_gone(struct connection *connection);
void core_link_counts(struct door *door);
