/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

/*
 * Messages between our processes over a SOCK_STREAM pair, on the loop.
 *
 * On the wire a message is a header of 16 bytes (length of the payload u32, type u32, id u64,
 * little endian), its payload, and descriptors as SCM_RIGHTS with its first byte. What types
 * and ids mean is the owner's. The other end is not trusted: what breaks a limit, or comes with
 * descriptors that are not expected, fails the channel, and nothing more is read.
 */
enum {
	CHANNEL_HEADER_BYTES = 16,
	CHANNEL_MAX_FDS = 16, /* a message */
};

struct channel_limits {
	size_t payload_bytes; /* of one message, either way */
	size_t n_fds;         /* that a message to us may bring, at most CHANNEL_MAX_FDS */
	/* Waiting to be sent; room for two of the longest messages at least. Full from half of
	 * it on, drained below an eighth. */
	size_t queue_bytes;
};

/* Borrowed for on_message. Descriptors not taken there with take_fd() are closed after it. */
struct channel_message {
	uint32_t type;
	uint64_t id;
	const char *payload; /* followed by a NUL that n does not count */
	size_t n;
	int fds[CHANNEL_MAX_FDS];
	size_t n_fds;
};

struct channel;

struct channel_events {
	/* Less than 0, with err filled: the message is not one, the channel fails. */
	int (*on_message)(
		struct channel *channel, struct channel_message *message, struct error *err);

	/* The channel is stopped, once. why->code is 0 if the other end is gone, between
	 * messages: whether it closed or died. What it had sent was handed over before. */
	void (*on_closed)(struct channel *channel, const struct error *why);

	/* channel_is_full() was true; now the rest is short again. May be NULL. */
	void (*on_drained)(struct channel *channel);
};

struct channel_chunk;

/* Descriptors that were read, and the place of the last byte they came with. */
struct channel_fds {
	int fds[CHANNEL_MAX_FDS];
	size_t n;
	size_t at;
};

/* Embedded by its owner, who may stop it, or free what it is embedded in, in any callback. */
struct channel {
	struct loop *loop;
	int fd;
	struct channel_limits limits;
	const struct channel_events *events;

	struct loop_io io;
	struct loop_later later;
	bool is_running;
	bool is_paused;
	bool is_unheard;      /* nobody reads at the other end; it may have written before */
	struct error failure; /* met outside of a callback: told in the next turn */

	char *in;
	size_t in_start; /* of what is not handed over yet */
	size_t in_end;
	size_t in_cap;
	/* Of the message that had begun before the last read, and of the one it ended in. */
	struct channel_fds in_fds[2];

	struct channel_chunk *first; /* of the queue out */
	struct channel_chunk *last;
	size_t queued_bytes;
	bool was_full;
	struct channel_delivery *delivery; /* under way */
};

/* Takes the socket over, which becomes non-blocking; it is closed on failure too. */
int channel_start(struct channel *channel, struct loop *loop, int fd,
	const struct channel_limits *limits, const struct channel_events *events,
	struct error *err);

/* Closes it without on_closed; what was not sent is lost. A zeroed or stopped one is fine. */
void channel_stop(struct channel *channel);

/*
 * Queues a message; it leaves at the end of this turn of the loop, in order. `fds` are taken
 * over, on failure too. Returns 0, -EMSGSIZE for a payload or descriptors beyond the limits
 * (CHANNEL_MAX_FDS for those), -ENOBUFS if the queue has no room, -EPIPE if the channel is
 * stopped or nobody reads at the other end; nothing is queued then.
 */
int channel_send(struct channel *channel, uint32_t type, uint64_t id, const void *payload,
	size_t n, const int *fds, size_t n_fds);

/* Sends at once what the socket takes. True if nothing is left. For the last words of a
 * process; otherwise the loop does it. */
bool channel_flush(struct channel *channel);

/* Half of the queue's room is taken: produce no more until on_drained. */
bool channel_is_full(const struct channel *channel);

/* Reads nothing, and hands nothing over, until channel_resume(); neither is an end noticed
 * meanwhile. */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);
