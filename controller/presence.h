/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct call;
struct core_clock;
struct deployments;
struct fleet;
struct host;
struct presence;
struct presence_settings;

/*
 * Which hosts are there. A host is present while its poll is parked, and for a while after it
 * was last heard; then deployments_host_gone() is told, and deployments_host_back() when it
 * speaks again. Nothing of this is written to disk, and every step takes the same short time
 * however many hosts there are.
 *
 * Silence counts from the end of the grace after the start, in which hosts that the controller
 * knew before count as present: it was the controller that was away, and agents ask seldom when
 * nobody answers. The same grace begins when the controller finds that it slept itself.
 */
struct presence *presence_new(struct loop *loop, const struct core_clock *clock,
	const struct presence_settings *settings, struct deployments *deployments);
void presence_free(struct presence *presence);

/* Once, with the fleet loaded: its registered hosts count as present for now. */
void presence_open(struct presence *presence, const struct fleet *fleet);

/* The host sent any request. is_ours: its agent is one of ours. */
void presence_heard(
	struct presence *presence, struct host *host, bool is_ours, uint64_t now_ms);

/* Its poll waits: sets host->parked. It was heard before. */
void presence_parked(struct presence *presence, struct host *host, struct call *call);

/* Its poll waits no more, whoever ended it. */
void presence_unparked(struct presence *presence, struct host *host, uint64_t now_ms);

/* It is registered no more, and so neither present nor watched; it has no parked poll.
 * Afterwards nothing here refers to it, and heard_ms is 0. */
void presence_forget(struct presence *presence, struct host *host, uint64_t now_ms);
