/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controller/call.h"
#include "controller/turn.h"

struct doorway;

/* What all doors of the core share. */
struct desk {
	struct parts *parts;
	struct turn turn;
	struct doorway *doorways;
	bool is_draining; /* calls are not parked any more */

	/* Since the start. */
	uint64_t n_requests;
	uint64_t n_refused; /* not signed, wrongly signed, or not allowed */
	uint64_t n_parked;  /* now */
};
