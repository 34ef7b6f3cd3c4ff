/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "controller/store.h"

#define STORED_NAME "clock"

void core_clock_init(
	struct core_clock *clock, uint64_t wall_ms, uint64_t boot_ms, uint64_t newest_ms)
{
	*clock = (struct core_clock){ .boot_ms = boot_ms, .wall_ms = wall_ms };
	/* A machine whose clock was set back goes on from where it was, one later. */
	if (clock->wall_ms <= newest_ms)
		clock->wall_ms = newest_ms + 1;
}

uint64_t core_clock_at_ms(const struct core_clock *clock, uint64_t boot_ms)
{
	if (boot_ms < clock->boot_ms)
		return clock->wall_ms;
	return clock->wall_ms + (boot_ms - clock->boot_ms);
}

uint64_t core_clock_now_ms(const struct core_clock *clock)
{
	return core_clock_at_ms(clock, time_boot_ms());
}

/* What cannot be read is no time: the wall clock is then all there is to go by. */
static uint64_t stored_ms(struct store *store)
{
	cleanup_with(freep) char *text = store_get_value(store, STORED_NAME);

	return text ? strtoull(text, NULL, 10) : 0;
}

void core_clock_load(struct core_clock *clock, struct store *store)
{
	core_clock_init(clock, time_now_ms(), time_boot_ms(), stored_ms(store));
}

void core_clock_save(struct core_clock *clock, struct store *store, uint64_t now_ms)
{
	char text[24];

	if (now_ms <= clock->saved_ms)
		return;
	(void)snprintf(text, sizeof(text), "%" PRIu64, now_ms);
	store_put_value(store, STORED_NAME, text);
	clock->saved_ms = now_ms;
}
