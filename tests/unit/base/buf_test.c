/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

START_TEST(an_empty_buffer_is_stolen_as_an_empty_string)
{
	struct buf buf = { 0 };
	cleanup_with(freep) char *text = buf_steal(&buf);

	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(bytes_and_formats_follow_each_other)
{
	cleanup_with(buf_done) struct buf buf = { 0 };

	buf_append(&buf, "a\0b", 3);
	buf_printf(&buf, "%d", 42);
	buf_putc(&buf, '!');
	ck_assert_uint_eq(buf.len, 6);
	ck_assert_int_eq(memcmp(buf.data, "a\0b42!", 7), 0);
}
END_TEST

START_TEST(growth_keeps_what_was_there)
{
	cleanup_with(buf_done) struct buf buf = { 0 };

	for (int i = 0; i < 100000; i++)
		buf_putc(&buf, (char)('a' + i % 26));
	ck_assert_uint_eq(buf.len, 100000);
	ck_assert_int_eq(buf.data[25], 'z');
	ck_assert_int_eq(buf.data[99999], 'a' + 99999 % 26);
	ck_assert_int_eq(buf.data[100000], '\0');
}
END_TEST

TESTS("buf", an_empty_buffer_is_stolen_as_an_empty_string, bytes_and_formats_follow_each_other,
	growth_keeps_what_was_there)
