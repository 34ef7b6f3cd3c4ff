/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "unit.h"

static const struct {
	const char *text;
	size_t length;
} sequences[] = {
	{ "a", 1 },
	{ "\xc3\xa9", 2 },
	{ "\xe2\x82\xac", 3 },
	{ "\xf0\x9f\x90\x84", 4 },
	{ "\xc0\x80", 0 },         /* overlong */
	{ "\xe0\x80\x80", 0 },     /* overlong */
	{ "\xed\xa0\x80", 0 },     /* surrogate */
	{ "\xf4\x90\x80\x80", 0 }, /* above U+10FFFF */
	{ "\x80", 0 },
	{ "\xe2\x82", 0 }, /* cut */
	{ "", 0 },
};

START_TEST(well_formed_sequences_have_a_length)
{
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++)
		ck_assert_uint_eq(utf8_length(sequences[i].text, strlen(sequences[i].text)),
			sequences[i].length);
}
END_TEST

START_TEST(bad_bytes_are_replaced_one_by_one)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	utf8_append_valid(&text, "a\xe2\x82z\0", 5);
	ck_assert_str_eq(text.data, "a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd");
}
END_TEST

TESTS("utf8", well_formed_sequences_have_a_length, bad_bytes_are_replaced_one_by_one)
