/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "controller/call.h"

struct exchange_connection;
struct exchange_request;

/* The three APIs of the one port, told apart by what precedes the dot in X-Amz-Target. */
enum api {
	API_CODEDEPLOY, /* people and their tools */
	API_COMMANDS,   /* agents */
	API_DROVER,     /* what CodeDeploy has no operation for */
};

/* Why a request is not served. */
struct refusal {
	int status;
	const char *type; /* as on the wire */
	struct error why;
};

/*
 * Who sent the request: the key it was signed with (SigV4), or local root, who signs nothing.
 * Root counts where the connection came over a unix socket to a door that no network reaches
 * (struct core_door), from uid 0 or the controller's own user, and through no proxy.
 *
 * A connection's certificate proves nothing before the fleet's authority enrols hosts, and is
 * not looked at.
 *
 * now_ms: by the machine's clock, with which the client's is compared. Returns whether *ret is
 * written; else *ret_refusal is.
 */
bool auth_check(struct identity *ret, const struct exchange_request *request,
	const struct exchange_connection *connection, bool is_local_door, enum api api,
	const struct fleet *fleet, uint64_t now_ms, struct refusal *ret_refusal);

/*
 * Whether call->who may do what is asked: call->operation with call->input is known.
 * Administrators and root may do all but what hosts do, readers what changes nothing, deployers
 * besides deploy their applications, hosts their commands only.
 */
bool auth_permits(struct call *call, enum api api, const struct operation *operation,
	struct refusal *ret_refusal);

/* Who is to be written beside each change: a key id, or "root". */
const char *auth_actor(const struct identity *who);
