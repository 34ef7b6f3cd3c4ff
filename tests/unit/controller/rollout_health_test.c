/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "controller/rollout_health.h"

static const uint32_t fleets[] = { 1, 2, 3, 5, 9, 10 };

/* M, at once, successes needed, for fleets of 1, 2, 3, 5, 9 and 10 hosts; "-" is refused. */
static const struct row {
	struct minimum_healthy minimum;
	const char *expected;
} rows[] = {
	/* clang-format off */
	{ { MINIMUM_MOST_CONCURRENCY, 1, true }, "0/1/1 1/1/1 2/1/2 4/1/4 8/1/8 9/1/9" },
	{ { MINIMUM_FLEET_PERCENT, 50, true },   "0/1/1 1/1/1 2/1/2 3/2/3 5/4/5 5/5/5" },
	{ { MINIMUM_HOST_COUNT, 0, true },       "0/1/1 0/2/1 0/3/1 0/5/1 0/9/1 0/10/1" },
	{ { MINIMUM_HOST_COUNT, 0, false },      "0/1/1 0/2/1 0/3/1 0/5/1 0/9/1 0/10/1" },
	{ { MINIMUM_HOST_COUNT, 1, false },      "1/- 1/1/1 1/2/1 1/4/1 1/8/1 1/9/1" },
	{ { MINIMUM_HOST_COUNT, 2, false },      "2/- 2/- 2/1/2 2/3/2 2/7/2 2/8/2" },
	{ { MINIMUM_HOST_COUNT, 6, false },      "6/- 6/- 6/- 6/- 6/3/6 6/4/6" },
	{ { MINIMUM_HOST_COUNT, 8, false },      "8/- 8/- 8/- 8/- 8/1/8 8/2/8" },
	{ { MINIMUM_HOST_COUNT, 9, false },      "9/- 9/- 9/- 9/- 9/- 9/1/9" },
	{ { MINIMUM_FLEET_PERCENT, 1, false },   "1/- 1/1/1 1/2/1 1/4/1 1/8/1 1/9/1" },
	{ { MINIMUM_FLEET_PERCENT, 25, false },  "1/- 1/1/1 1/2/1 2/3/2 3/6/3 3/7/3" },
	{ { MINIMUM_FLEET_PERCENT, 33, false },  "1/- 1/1/1 1/2/1 2/3/2 3/6/3 4/6/4" },
	{ { MINIMUM_FLEET_PERCENT, 40, false },  "1/- 1/1/1 2/1/2 2/3/2 4/5/4 4/6/4" },
	{ { MINIMUM_FLEET_PERCENT, 50, false },  "1/- 1/1/1 2/1/2 3/2/3 5/4/5 5/5/5" },
	{ { MINIMUM_FLEET_PERCENT, 66, false },  "1/- 2/- 2/1/2 4/1/4 6/3/6 7/3/7" },
	{ { MINIMUM_FLEET_PERCENT, 75, false },  "1/- 2/- 3/- 4/1/4 7/2/7 8/2/8" },
	{ { MINIMUM_FLEET_PERCENT, 85, false },  "1/- 2/- 3/- 5/- 8/1/8 9/1/9" },
	{ { MINIMUM_FLEET_PERCENT, 90, false },  "1/- 2/- 3/- 5/- 9/- 9/1/9" },
	{ { MINIMUM_FLEET_PERCENT, 95, false },  "1/- 2/- 3/- 5/- 9/- 10/-" },
	{ { MINIMUM_FLEET_PERCENT, 99, false },  "1/- 2/- 3/- 5/- 9/- 10/-" },
	/* clang-format on */
};

static void describe(const struct minimum_healthy *minimum, uint32_t n, char *ret, size_t size)
{
	uint32_t m = minimum_healthy_hosts(minimum, n);
	uint32_t spare = minimum_healthy_spare(n, m);

	if (spare == 0)
		(void)snprintf(ret, size, "%u/-", m);
	else
		(void)snprintf(ret, size, "%u/%u/%u", m, spare, m > 1 ? m : 1);
}

START_TEST(every_configuration_has_its_minimum_and_its_number_at_once)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char all[256] = "";
		char one[64];

		for (size_t k = 0; k < ARRAY_SIZE(fleets); k++) {
			describe(&rows[i].minimum, fleets[k], one, sizeof(one));
			(void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
				k ? " " : "", one);
		}
		ck_assert_str_eq(all, rows[i].expected);
	}
}
END_TEST

START_TEST(percents_of_huge_fleets_do_not_overflow)
{
	const struct minimum_healthy minimum = { MINIMUM_FLEET_PERCENT, 99, false };

	ck_assert_uint_eq(minimum_healthy_hosts(&minimum, 4000000000), 3960000000);
}
END_TEST

TESTS("rollout_health", every_configuration_has_its_minimum_and_its_number_at_once,
	percents_of_huge_fleets_do_not_overflow)
