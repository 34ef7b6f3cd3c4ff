/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/loop.h"

struct commands;
struct core_clock;
struct deployments;
struct deployments_listener;
struct fleet;
struct host;
struct settings;
struct signer;
struct store;

/*
 * The command service: what hosts ask, and when they are answered. Its operations are in
 * command_operations[] (call.h); doc/protocol.md has every message, delivery.h the rule by
 * which no command runs twice and none is lost.
 *
 * All parts are borrowed. It watches which hosts are present from commands_open() on.
 */
struct commands *commands_new(struct loop *loop, struct fleet *fleet, struct store *store,
	const struct settings *settings, const struct core_clock *clock, struct signer *signer);

/* Answers what is parked with nothing. The fleet must still be there. */
void commands_free(struct commands *commands);
void commands_freep(struct commands **commands);

/* For deployments_new(): by it hosts that wait are woken. */
struct deployments_listener *commands_listener(struct commands *commands);

/* Once, with the fleet loaded, before the first call. */
void commands_open(struct commands *commands, struct deployments *deployments);

/*
 * The host was deregistered in the fleet: its poll is answered with what to do, and it is gone
 * for its deployments. Without a service (NULL) there is nobody to tell.
 */
void commands_host_deregistered(struct commands *commands, struct host *host, uint64_t now_ms);
