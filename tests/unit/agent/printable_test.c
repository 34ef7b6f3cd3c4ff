/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/printable.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "unit.h"

START_TEST(what_a_terminal_obeys_is_taken_out)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	printable_append(&text, "a\033[2Jb\rc\a\x7f\xc2\x9b"
				"d\te\xc3\xa9\xff");
	ck_assert_str_eq(text.data, "a?[2Jb?c???d\te\xc3\xa9\xef\xbf\xbd");
}
END_TEST

START_TEST(every_line_is_indented)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	printable_append_lines(&text, "  ", "one\r\n\ntwo");
	ck_assert_str_eq(text.data, "  one\n  \n  two\n");
}
END_TEST

TESTS("agent/printable", what_a_terminal_obeys_is_taken_out, every_line_is_indented)
