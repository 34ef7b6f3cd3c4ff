/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reactor.h"

struct host;
struct link;

enum operation {
	OPERATION_POLL,
	OPERATION_SPECIFICATION,
	OPERATION_ACKNOWLEDGE,
	OPERATION_COMPLETE,
	N_OPERATIONS,
};
const char *operation_name(enum operation operation);

struct call_result {
	unsigned status;    /* 0: no answer */
	const char *why;    /* of a failure; NULL: it succeeded */
	const json_t *body; /* borrowed; NULL after a failure */
};

/*
 * One call with the repetitions its host's kind makes: over network errors, errors of the
 * server, and refusals for being too fast. Embedded; zero while none is under way.
 */
struct call {
	struct host *host;
	enum operation operation;
	char *body; /* owned */
	struct link *link;
	struct reactor_timer pause;
	unsigned tries;
	unsigned throttled;
	bool is_probe;
	bool loses_answer; /* throws the next answer away, as a broken network does */
	uint64_t sent_us;
	void (*on_done)(struct call *call, const struct call_result *result);
};

/* body: taken over, an object. on_done is called later, once; it may start the call again. */
void call_start(struct call *call, struct host *host, enum operation operation, json_t *body,
	void (*on_done)(struct call *call, const struct call_result *result));
void call_stop(struct call *call);

/* Ends all connections of a host whose calls were stopped; silently: leaves them open, unread.
 */
void call_disconnect(struct host *host, bool is_silent);

/* Looks at the server's certificate as agents do when they start. on_done as above. */
void call_probe(struct call *call, struct host *host,
	void (*on_done)(struct call *call, const struct call_result *result));

/* Sends what no agent would on a connection of its own: "bytes", "json" or "form". */
void call_garbage(struct host *host, const char *form);
