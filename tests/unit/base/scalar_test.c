/* SPDX-License-Identifier: Apache-2.0 */
#include "base/scalar.h"

#include <stdint.h>

#include "base/cleanup.h"
#include "unit.h"

/* clang-format off */
static const struct {
	const char *text;
	enum scalar_type type;
	int64_t value; /* of an integer or a boolean */
} table[] = {
	{ "",             SCALAR_NULL,    0 },
	{ "~",            SCALAR_NULL,    0 },
	{ "null",         SCALAR_NULL,    0 },
	{ "Null",         SCALAR_NULL,    0 },
	{ "yes",          SCALAR_BOOLEAN, 1 },
	{ "on",           SCALAR_BOOLEAN, 1 },
	{ "True",         SCALAR_BOOLEAN, 1 },
	{ "OFF",          SCALAR_BOOLEAN, 0 },
	{ "no",           SCALAR_BOOLEAN, 0 },
	{ "y",            SCALAR_TEXT,    0 },
	{ "0",            SCALAR_INTEGER, 0 },
	{ "-0",           SCALAR_INTEGER, 0 },
	{ "+12",          SCALAR_INTEGER, 12 },
	{ "-5",           SCALAR_INTEGER, -5 },
	{ "755",          SCALAR_INTEGER, 755 },
	{ "0755",         SCALAR_INTEGER, 493 },
	{ "0888",         SCALAR_TEXT,    0 },
	{ "0x10",         SCALAR_INTEGER, 16 },
	{ "0xfF",         SCALAR_INTEGER, 255 },
	{ "0x",           SCALAR_TEXT,    0 },
	{ "0b101",        SCALAR_INTEGER, 5 },
	{ "1_0",          SCALAR_INTEGER, 10 },
	{ "1,000",        SCALAR_INTEGER, 1000 },
	{ "1,",           SCALAR_TEXT,    0 },
	{ "1,_0",         SCALAR_TEXT,    0 },
	{ "1_",           SCALAR_TEXT,    0 },
	{ "1__0",         SCALAR_TEXT,    0 },
	{ "0o755",        SCALAR_TEXT,    0 },
	{ "1e3",          SCALAR_TEXT,    0 },
	{ "1:30",         SCALAR_INTEGER, 90 },
	{ "5:00",         SCALAR_INTEGER, 300 },
	{ "1:00:01",      SCALAR_INTEGER, 3601 },
	{ "-1:30",        SCALAR_INTEGER, -90 },
	{ "1:60",         SCALAR_TEXT,    0 },
	{ "1:2:3:4",      SCALAR_TEXT,    0 },
	{ "2020-01-01",   SCALAR_TEXT,    0 },
	{ "99999999999999999999", SCALAR_INTEGER, INT64_MAX },
	{ "-99999999999999999999", SCALAR_INTEGER, INT64_MIN },
	{ "60s",          SCALAR_TEXT,    0 },
	{ "-",            SCALAR_TEXT,    0 },
	{ "+",            SCALAR_TEXT,    0 },
	{ "_",            SCALAR_TEXT,    0 },
	{ ":",            SCALAR_TEXT,    0 },
	{ "linux",        SCALAR_TEXT,    0 },
};
/* clang-format on */

START_TEST(plain_scalars_have_the_types_of_yaml_1_1)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *text = table[i].text;

		ck_assert_msg(scalar_type(text) == table[i].type, "type of '%s'", text);
		if (table[i].type == SCALAR_INTEGER)
			ck_assert_msg(
				scalar_integer(text) == table[i].value, "value of '%s'", text);
		if (table[i].type == SCALAR_BOOLEAN)
			ck_assert_msg(
				scalar_boolean(text) == table[i].value, "value of '%s'", text);
	}
}
END_TEST

static bool is_float_of(const char *text, double value)
{
	double difference = scalar_float(text) - value;

	return scalar_type(text) == SCALAR_FLOAT && difference > -1e-9 && difference < 1e-9;
}

START_TEST(floats_need_a_point)
{
	ck_assert(is_float_of("0.0", 0));
	ck_assert(is_float_of("-0.0", 0));
	ck_assert(is_float_of("0.", 0));
	ck_assert(is_float_of(".5", 0.5));
	ck_assert(is_float_of("1_0.5", 10.5));
	ck_assert(is_float_of("1.5e+2", 150));
	ck_assert_int_eq(scalar_type("1.5e2"), SCALAR_TEXT);
	ck_assert_int_eq(scalar_type("."), SCALAR_TEXT);
	ck_assert_int_eq(scalar_type("1.2.3"), SCALAR_TEXT);
	ck_assert_int_eq(scalar_type("._"), SCALAR_TEXT);
	ck_assert_int_eq(scalar_type(".nan"), SCALAR_FLOAT);
	ck_assert_int_eq(scalar_type("-.inf"), SCALAR_FLOAT);
}
END_TEST

TESTS("scalar", plain_scalars_have_the_types_of_yaml_1_1, floats_need_a_point)
