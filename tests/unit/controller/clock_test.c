/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "controller/clock.h"

START_TEST(it_moves_with_the_boot_clock)
{
	struct core_clock clock;

	core_clock_init(&clock, 1000000, 500, 0);
	ck_assert_uint_eq(core_clock_at_ms(&clock, 500), 1000000);
	ck_assert_uint_eq(core_clock_at_ms(&clock, 750), 1000250);
}
END_TEST

START_TEST(it_never_stands_below_what_was_stored)
{
	struct core_clock clock;

	core_clock_init(&clock, 1000000, 500, 2000000);
	ck_assert_uint_eq(core_clock_at_ms(&clock, 500), 2000001);
	core_clock_init(&clock, 1000000, 500, 1000000);
	ck_assert_uint_eq(core_clock_at_ms(&clock, 500), 1000001);
}
END_TEST

START_TEST(it_does_not_go_back_behind_its_start)
{
	struct core_clock clock;

	core_clock_init(&clock, 1000000, 500, 0);
	ck_assert_uint_eq(core_clock_at_ms(&clock, 400), 1000000);
}
END_TEST

TESTS("clock", it_moves_with_the_boot_clock, it_never_stands_below_what_was_stored,
	it_does_not_go_back_behind_its_start)
