/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controller/model.h"

struct commands;
struct deployments;
struct desk;
struct fleet;
struct loop;
struct settings;
struct store;

/* What handlers work on: the core's, or a test's. */
struct parts {
	struct loop *loop;
	struct fleet *fleet;
	struct store *store;
	struct settings *settings;
	struct deployments *deployments;
	struct commands *commands; /* the command service */
	struct desk *desk;         /* of the core (desk.h); NULL in tests */
	uint64_t started_ms;       /* when this run of the controller began */
};

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

enum call_state { CALL_RUNNING, CALL_PARKED, CALL_ENDED };

struct call {
	struct parts *parts;
	struct identity who;
	const char *operation;     /* "CreateDeployment" */
	const json_t *input;       /* an object */
	const char *agent_version; /* of X-Amz-Codedeploy-Agent-Version; NULL if absent */
	const char *extensions;    /* of PROTOCOL_AGENT_HEADER; NULL if absent */
	uint64_t now_ms;           /* of the core's clock, the same for a whole turn */

	/* Of a parked call. */
	void (*on_gone)(
		struct call *call); /* the client left, or the core lets go: forget it */
	void *owner;

	/* Of call.c, and of who made the call. */
	enum call_state state;
	void (*on_ended)(struct call *call); /* it has its result, below */
	int status;
	json_t *output; /* an object, never NULL once ended */
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
 * Keeps it open: call_answer() or call_fail() comes later, from any turn. By then call->input,
 * the texts and call->who.key are gone (NULL). on_gone is called at most once, and never after
 * an answer; afterwards the call must not be touched.
 */
void call_park(struct call *call, void (*on_gone)(struct call *call), void *owner);

/* What a handler works on. */
struct fleet *call_fleet(const struct call *call);
struct store *call_store(const struct call *call);
const struct settings *call_settings(const struct call *call);
struct deployments *call_deployments(const struct call *call);
struct commands *call_commands(const struct call *call);

/*
 * The operations by name: one table in each api_*.c and in commands.c, searched by route.c,
 * which names them all; the last one's name is NULL.
 */
struct operation {
	const char *name;
	call_fn *handle;
	bool changes; /* refused to readers, written to the audit */
};

extern const struct operation application_operations[]; /* api_application.c */
extern const struct operation config_operations[];
extern const struct operation group_operations[];
extern const struct operation instance_operations[];
extern const struct operation revision_operations[];
extern const struct operation deployment_operations[];
extern const struct operation tag_operations[];
extern const struct operation foreign_operations[];
extern const struct operation target_operations[];
extern const struct operation drover_deployment_operations[]; /* pause and resume */
extern const struct operation key_operations[];
extern const struct operation status_operations[];
extern const struct operation command_operations[]; /* commands.c: of hosts alone */

/* ---- for who makes calls: the core, and tests */

/*
 * A call that has not begun; the maker fills in who and what is asked. on_ended is called from
 * within call_answer() and call_fail(), and may release the call.
 */
void call_init(struct call *call, struct parts *parts, void (*on_ended)(struct call *call));

/* The client left: a parked call's owner is told. The call is over; on_ended is not called. */
void call_leave(struct call *call);

/* Releases what the call holds; a parked one's owner is told first. */
void call_done(struct call *call);
