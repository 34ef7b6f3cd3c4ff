/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct store;

/*
 * The core's clock: the wall clock as it stood when the core started, moved on by the boot
 * clock. It never goes back, whatever becomes of the machine's clock, and never stands below
 * what an earlier run of the controller has stored. Deadlines and records are in its time;
 * only the skew of a signature is measured by time_now_ms().
 */
struct core_clock {
	uint64_t boot_ms; /* of the boot clock, when it was set */
	uint64_t wall_ms; /* what it showed then */
	uint64_t saved_ms;
};

/* `wall_ms`, `boot_ms`: now, by those clocks (time.h). `newest_ms`: the newest time known. */
void core_clock_init(
	struct core_clock *clock, uint64_t wall_ms, uint64_t boot_ms, uint64_t newest_ms);

/* Milliseconds since 1970, never 0. */
uint64_t core_clock_now_ms(const struct core_clock *clock);

/* What it shows when the boot clock stands at boot_ms; what lies before its start is its start.
 */
uint64_t core_clock_at_ms(const struct core_clock *clock, uint64_t boot_ms);

/* Starts it, no earlier than the time stored. */
void core_clock_load(struct core_clock *clock, struct store *store);

/* Puts the time into the store: before every commit that changes anything. */
void core_clock_save(struct core_clock *clock, struct store *store, uint64_t now_ms);
