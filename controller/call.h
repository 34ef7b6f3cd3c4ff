/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controller/model.h"

struct core;

/*
 * One request of the API under way: who calls, what is asked, and what becomes of it. A handler
 * reads call->input, changes the live state and the store, and ends in exactly one of
 * call_answer(), call_fail() and call_park(); the answer leaves after the commit of the turn.
 */
struct identity {
	struct key *key;   /* NULL for local root and for certificates */
	struct host *host; /* the registered host that calls; NULL for people */
	bool is_root;      /* by the unix socket */
};

struct call {
	struct core *core;
	struct identity who;
	const char *operation;     /* "CreateDeployment" */
	const json_t *input;       /* an object */
	const char *agent_version; /* of X-Amz-Codedeploy-Agent-Version; NULL if absent */
	const char *extensions;    /* of our agents' header; NULL if absent */
	uint64_t now_ms;           /* of the core's clock, the same for a whole turn */

	/* Of a parked call. */
	void (*on_gone)(
		struct call *call); /* the client left, or the core lets go: forget it */
	void *owner;
};

typedef void call_fn(struct call *call);

/* Ends the call well with `output`, which is taken over; NULL is an empty object. */
void call_answer(struct call *call, json_t *output);

/*
 * Ends it with an error of the API: `type` as on the wire ("ApplicationDoesNotExistException"),
 * status 400. The sentence says what, where and what to do.
 */
void call_fail(struct call *call, const char *type, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with another status: 403, 500, 503. */
void call_fail_status(struct call *call, int status, const char *type, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Keeps it open: call_answer() or call_fail() comes later, from any turn. call->input is gone
 * by then. on_gone is called at most once, and never after an answer; afterwards the call must
 * not be touched.
 */
void call_park(struct call *call, void (*on_gone)(struct call *call), void *owner);

/* What a handler works on. */
struct fleet *call_fleet(const struct call *call);
struct store *call_store(const struct call *call);
const struct settings *call_settings(const struct call *call);

/* The operations by name: one table each in api_*.c, commands.c; searched by route.c. */
struct operation {
	const char *name;
	call_fn *handle;
	bool changes; /* refused to readers, written to the audit */
};
