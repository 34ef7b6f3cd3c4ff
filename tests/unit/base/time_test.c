/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

static const struct {
	uint64_t ms;
	const char *text;
} durations[] = {
	{ 0, "0.0 s" },
	{ 1449, "1.4 s" },
	{ 59999, "59.9 s" },
	{ 125000, "2 min 5 s" },
	{ 11520000, "3 h 12 min" },
	{ 345600000, "4 d" },
};

START_TEST(durations_are_for_people)
{
	char text[32];

	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		time_format_duration(durations[i].ms, text, sizeof(text));
		ck_assert_str_eq(text, durations[i].text);
	}
}
END_TEST

START_TEST(utc_is_formatted_as_iso_8601)
{
	char text[21];

	time_format_utc(1772360100000, text);
	ck_assert_str_eq(text, "2026-03-01T10:15:00Z");
}
END_TEST

START_TEST(a_year_of_more_than_four_digits_is_left_out)
{
	char text[21] = "something else";

	time_format_utc(900000000000000000, text);
	ck_assert_str_eq(text, "");
	(void)strcpy(text, "something else");
	time_format_local(900000000000000000, text);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(durations_are_read_with_their_units)
{
	uint64_t ms = 7;

	ck_assert_int_eq(time_parse_duration(&ms, "60s"), 0);
	ck_assert_uint_eq(ms, 60000);
	ck_assert_int_eq(time_parse_duration(&ms, "90 d"), 0);
	ck_assert_uint_eq(ms, 90 * 86400000ULL);
	ck_assert_int_eq(time_parse_duration(&ms, "250ms"), 0);
	ck_assert_uint_eq(ms, 250);
	ck_assert_int_eq(time_parse_duration(&ms, "60"), -EINVAL);
	ck_assert_int_eq(time_parse_duration(&ms, "1h30m"), -EINVAL);
	ck_assert_int_eq(time_parse_duration(&ms, "99999999999999d"), -ERANGE);
	ck_assert_uint_eq(ms, 250);
}
END_TEST

TESTS("time", durations_are_for_people, utc_is_formatted_as_iso_8601,
	a_year_of_more_than_four_digits_is_left_out, durations_are_read_with_their_units)
