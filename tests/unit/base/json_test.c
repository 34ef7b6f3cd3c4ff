/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

START_TEST(members_are_typed_and_named_in_errors)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct error err = ERROR_NONE;
	const char *text = NULL;
	int64_t number = 7;

	ck_assert_int_eq(json_parse_object(&json, "{\"a\":\"x\",\"n\":null}", 18, &err), 0);
	ck_assert_int_eq(json_get_string(json, "a", &text, &err), 0);
	ck_assert_str_eq(text, "x");
	ck_assert_int_eq(json_find_integer(json, "n", &number, &err), 0);
	ck_assert_int_eq(number, 7);
	ck_assert_int_eq(json_get_integer(json, "a", &number, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "member \"a\" is not an integer");
	ck_assert_int_eq(json_get_string(json, "b", &text, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "member \"b\" is missing");
}
END_TEST

START_TEST(only_objects_are_documents)
{
	cleanup_with(json_decrefp) json_t *json = NULL;

	ck_assert_int_eq(json_parse_object(&json, "[]", 2, NULL), -EBADMSG);
	ck_assert_int_eq(json_parse_object(&json, "{\"a\":1,\"a\":2}", 13, NULL), -EBADMSG);
	ck_assert_int_eq(json_parse_object(&json, "{", 1, NULL), -EBADMSG);
}
END_TEST

START_TEST(any_bytes_become_text)
{
	cleanup_with(json_decrefp) json_t *json = json_text("a\xff"
							    "b");

	ck_assert_str_eq(json_string_value(json), "a\xef\xbf\xbd"
						  "b");
}
END_TEST

TESTS("json", members_are_typed_and_named_in_errors, only_objects_are_documents,
	any_bytes_become_text)
