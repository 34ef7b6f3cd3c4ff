/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/clock.h"

#include "base/time.h"

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
