/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

#include <errno.h>

#include "unit.h"

static void expect(uint64_t bytes, const char *expected)
{
	char text[16];

	size_format(bytes, text);
	ck_assert_str_eq(text, expected);
}

START_TEST(sizes_have_two_or_three_digits)
{
	expect(0, "0 B");
	expect(999, "999 B");
	expect(1000, "1.0 kB");
	expect(3149999, "3.1 MB");
	expect(41000000000, "41 GB");
	expect(999949, "999 kB");
	expect(1000000, "1.0 MB");
	expect(UINT64_MAX, "18 EB");
}
END_TEST

static void expect_parsed(const char *text, int r, uint64_t bytes)
{
	uint64_t parsed = 7;

	ck_assert_int_eq(size_parse(&parsed, text), r);
	ck_assert_uint_eq(parsed, r < 0 ? 7 : bytes);
}

START_TEST(sizes_are_read_with_their_units)
{
	expect_parsed("0", 0, 0);
	expect_parsed("16384", 0, 16384);
	expect_parsed("16KiB", 0, 16384);
	expect_parsed("1 MB", 0, 1000000);
	expect_parsed("18446744073709551615", 0, UINT64_MAX);
}
END_TEST

START_TEST(what_is_no_size_is_refused)
{
	expect_parsed("", -EINVAL, 0);
	expect_parsed("-1", -EINVAL, 0);
	expect_parsed("MB", -EINVAL, 0);
	expect_parsed("1 ", -EINVAL, 0);
	expect_parsed("1  MB", -EINVAL, 0);
	expect_parsed("1 mb", -EINVAL, 0);
	expect_parsed("1.5MB", -EINVAL, 0);
	expect_parsed("18446744073709551616", -ERANGE, 0);
	expect_parsed("18446744073709551615kB", -ERANGE, 0);
}
END_TEST

TESTS("base/size", sizes_have_two_or_three_digits, sizes_are_read_with_their_units,
	what_is_no_size_is_refused)
