/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

START_TEST(the_code_comes_back_and_its_text_is_formatted)
{
	struct error err = ERROR_NONE;

	ck_assert_int_eq(error_set(&err, -ENOENT, "cannot open %s: %m", "x"), -ENOENT);
	ck_assert_str_eq(err.text, "cannot open x: No such file or directory");
	ck_assert_int_eq(err.code, -ENOENT);
}
END_TEST

START_TEST(wrapping_puts_the_place_in_front)
{
	struct error err = ERROR_NONE;

	(void)error_set(&err, -EINVAL, "unknown key");
	ck_assert_int_eq(error_wrap(&err, "line %d", 3), -EINVAL);
	ck_assert_str_eq(err.text, "line 3: unknown key");
}
END_TEST

START_TEST(nobody_needs_to_own_an_error)
{
	ck_assert_int_eq(error_set(NULL, -EPERM, "x"), -EPERM);
	ck_assert_int_eq(error_wrap(NULL, "x"), -EIO);
}
END_TEST

START_TEST(a_long_sentence_is_cut_and_says_so)
{
	struct error err = ERROR_NONE;

	(void)error_set(&err, -EINVAL, "%2000s", "end");
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	ck_assert_str_eq(err.text + sizeof(err.text) - 4, "...");
}
END_TEST

TESTS("error", the_code_comes_back_and_its_text_is_formatted, wrapping_puts_the_place_in_front,
	nobody_needs_to_own_an_error, a_long_sentence_is_cut_and_says_so)
