/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "controller/call.h"
#include "controller/id_table.h"

struct connection;
struct desk;
struct doorway;
struct error;
struct exchange_request;

/*
 * One HTTP request of a door, from its arrival to its answer: who it is from and what it wants
 * is found out, its handler runs, and the result is held for the end of the turn. It frees
 * itself with its answer.
 */
struct request {
	struct call call;
	struct id_entry entry; /* of the doorway */
	struct desk *desk;
	struct doorway *doorway; /* NULL: nobody waits for the answer */
	struct connection *connection;
	const struct operation *operation; /* NULL until known */
	bool is_audited;
	bool is_parked;           /* and counted as that */
	char id[UUID_LENGTH + 1]; /* x-amzn-RequestId */
	struct request *next_held;
};

/* Runs it as far as it goes in this turn: it is held or parked afterwards, or answered and
 * freed. It is in the doorway's table and in its connection. */
void request_begin(struct request *request, const struct exchange_request *http);

/* The client left. It may be freed. */
void request_leave(struct request *request);

/* Nothing came of it: whatever its result was, it is ServiceUnavailable now. */
void request_withdraw(struct request *request, const struct error *why);

/* If it is parked, it is answered with nothing, at once: the client asks again. */
void request_release(struct request *request);

/* Sends the result of a call that has ended, and frees the request. */
void request_send(struct request *request);
