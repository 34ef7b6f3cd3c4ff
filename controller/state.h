/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/call.h"
#include "controller/clock.h"

struct error;
struct loop;
struct settings;
struct signer;

/* All that the core knows, and what works on it. */
struct state {
	struct parts parts; /* what handlers see of it; owned, but for the settings */
	struct core_clock clock;
	struct signer *signer;
};

/*
 * Opens the database and the signing keys, and loads. The first administrator's key, which
 * `droverd init` left in a file, is taken into the store the first time it is seen.
 */
int state_open(
	struct state *state, struct loop *loop, struct settings *settings, struct error *err);

/*
 * Drops the live state, and reads it from the database again: it ran ahead of a commit that
 * failed. No call is parked. On failure there is no state any more.
 */
int state_reload(struct state *state, struct error *err);

void state_close(struct state *state);
