/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/error.h"
#include "base/loop.h"
#include "controller/exchange.h"
#include "controller/id_table.h"

struct buf;
struct desk;
struct request;

/* A client's connection, as the door told it; texts are its own. */
struct connection {
	struct id_entry entry;
	struct exchange_connection info;
	struct request *request; /* under way; NULL if none */
};

/*
 * The core's end of the channel to one door: which connections and requests are open there. The
 * door is taken for hostile. What cannot come from one that works ends the channel, which ends
 * the door, and another is started in its place.
 *
 * A door that does not read its answers is not listened to until it does; when the channel's
 * queue is full all the same, it is given up.
 */
struct doorway {
	struct desk *desk;
	bool is_local;                            /* struct core_door */
	void (*on_gone)(struct doorway *doorway); /* it has ended, may be freed */

	struct loop *loop;
	struct channel channel;
	struct loop_later failing;
	struct error failure;
	struct id_table connections;
	struct id_table requests;
	size_t max_connections;
	size_t n_listeners;
	struct exchange_counts counts;
	struct doorway *next; /* of the owner's list */
};

/* Takes the descriptor over. */
int doorway_new(struct doorway **ret, struct desk *desk, struct loop *loop, int fd,
	bool is_local, void (*on_gone)(struct doorway *doorway), struct error *err);

/* Ends it without on_gone; its calls are told that their clients left. */
void doorway_free(struct doorway *doorway);

/* Tells the door its settings, anew or for the first time. `payload`: an encoded
 * EXCHANGE_SETTINGS. */
int doorway_set(struct doorway *doorway, const struct exchange_settings *settings,
	const struct buf *payload, struct error *err);

/* All parked calls are answered empty. */
void doorway_release(struct doorway *doorway);

/* The door is to end once all is answered. */
void doorway_drain(struct doorway *doorway);

/* Of request.c: sends an answer and forgets the request. */
void doorway_answer(
	struct doorway *doorway, struct request *request, const struct exchange_answer *answer);
