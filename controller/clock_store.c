/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "controller/store.h"

/* How the core's time outlives the core. */

#define STORED_NAME "clock"

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
