/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/shebang.h"

#include <string.h>

#include "unit.h"

static struct shebang parse(const char *head)
{
	struct shebang shebang;

	shebang_parse(&shebang, head, strlen(head));
	return shebang;
}

START_TEST(the_interpreter_is_what_the_kernel_would_take)
{
	ck_assert_str_eq(parse("#!/bin/sh\necho\n").interpreter, "/bin/sh");
	ck_assert_str_eq(parse("#! \t/usr/bin/env bash -x\n").interpreter, "/usr/bin/env");
	ck_assert_str_eq(parse("#!/bin/sh").interpreter, "/bin/sh");
	ck_assert_str_eq(parse("#!\n/bin/sh").interpreter, "");
	ck_assert_str_eq(parse("#!").interpreter, "");
	ck_assert(parse("#!").present && parse("#!\n").present);
	ck_assert(!parse("# !/bin/sh\n").present && !parse("").present && !parse("#").present);
}
END_TEST

START_TEST(windows_line_ends_are_noticed)
{
	ck_assert(parse("#!/bin/sh\r\necho\r\n").crlf);
	ck_assert_str_eq(parse("#!/bin/sh\r\n").interpreter, "/bin/sh");
	ck_assert(parse("#!/usr/bin/env bash\r\n").crlf);
	ck_assert(!parse("#!/bin/sh\necho\r\n").crlf);
	ck_assert(!parse("#!/bin/sh\r").crlf); /* cut off: nobody knows */
}
END_TEST

START_TEST(programs_and_byte_order_marks_are_told_from_scripts)
{
	ck_assert(parse("\177ELF\002").elf);
	ck_assert(parse("\xef\xbb\xbf#!/bin/sh\n").byte_order_mark);
	ck_assert(!parse("\xef\xbb\xbf#!/bin/sh\n").present);
	ck_assert(!parse("#!/bin/sh\n").elf && !parse("#!/bin/sh\n").byte_order_mark);
}
END_TEST

START_TEST(a_line_without_end_is_cut)
{
	struct shebang shebang;
	char head[400];

	(void)memset(head, 'x', sizeof(head));
	(void)memcpy(head, "#!/", 3);
	shebang_parse(&shebang, head, sizeof(head));
	ck_assert_uint_eq(strlen(shebang.interpreter), 253);
	shebang_parse(&shebang, "#!/a\0b\n", 7);
	ck_assert_str_eq(shebang.interpreter, "/a");
}
END_TEST

TESTS("shebang", the_interpreter_is_what_the_kernel_would_take, windows_line_ends_are_noticed,
	programs_and_byte_order_marks_are_told_from_scripts, a_line_without_end_is_cut)
