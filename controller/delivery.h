/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct deployment_target;
struct deployments;
struct host;
struct store;

/*
 * A command is a state of a target: outstanding or not (rollout.h). What a host gets is a
 * delivery of it, with a HostCommandIdentifier of its own.
 *
 * An answer may be lost on its way, and nobody here learns of it; so a command that was not
 * acknowledged is delivered again. AWS's agents know no better than to run whatever they get,
 * even twice at once. What keeps a command from running twice is not patience but this: before
 * an agent runs a delivery it acknowledges it, and the first one acknowledged is the command.
 * Any other gets "Succeeded" for an answer, upon which an agent drops it without a word. That
 * is true however late or early the other one was handed out, so the wait before it may be
 * short.
 *
 * It must not be nothing, or an agent of AWS's that asks every second, as it does while its
 * worker still fetches the order, would be handed one each time. It is DELIVERY_WAIT_MS, and
 * doubles with each delivery. One of ours never asks while it holds what it has not
 * acknowledged: that it asks says that the answer before was lost, so it gets the next one at
 * once, the first few times. An agent that never acknowledges is stopped by the time-out of the
 * start; after DELIVERY_LIMIT nothing more is handed out until then.
 *
 * The deliveries of a target are those of the event under way; all are in the store before they
 * are on the wire.
 */
enum {
	DELIVERY_WAIT_MS = 5 * 1000,
	DELIVERY_DOUBLINGS = 6,
	DELIVERY_FREE = 3, /* of ours, without a wait */
	DELIVERY_LIMIT = 64,
};

/* The host's open delivery of that identifier and its target, or NULL. */
struct delivery *delivery_find(
	const struct host *host, const char *id, struct deployment_target **ret_target);

/* The one that is the command; NULL if none was acknowledged. */
const struct delivery *delivery_of_command(const struct deployment_target *target);

/* When the command may be handed out next; 0: at once, UINT64_MAX: never again. */
uint64_t delivery_due_ms(const struct deployment_target *target);

/*
 * Of all commands that the host has not taken yet the one to be handed out first, and when;
 * NULL if there is none. There is one at most, unless several deployments may run on a host.
 */
struct deployment_target *delivery_next(
	const struct deployments *deployments, const struct host *host, uint64_t *ret_due_ms);

/* One more; borrowed until the next. */
const struct delivery *delivery_add(
	struct deployment_target *target, struct store *store, uint64_t now_ms);

/* It is the command from now on; there must be none yet. */
void delivery_acknowledge(struct deployment_target *target, struct delivery *delivery,
	bool is_noop, struct store *store);
