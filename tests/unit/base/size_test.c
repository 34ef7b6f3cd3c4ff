/* SPDX-License-Identifier: Apache-2.0 */
#include "base/size.h"

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

TESTS("base/size", sizes_have_two_or_three_digits)
