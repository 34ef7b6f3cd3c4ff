/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/context.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

/* clang-format off */
static const struct {
	const char *text;
	const char *expected; /* canonical form, or the error's id */
} table[] = {
	{ "s3-s2:c0",            "E-CTX-RANGE" },
	{ "s3-:c0",              "E-CTX-RANGE-SYNTAX" },
	{ ":c0",                 "E-CTX-RANGE-SYNTAX" },
	{ "s",                   "E-CTX-RANGE-SYNTAX" },
	{ "s0-s-1",              "E-CTX-RANGE-SYNTAX" },
	{ "sd3",                 "E-CTX-RANGE-SYNTAX" },
	{ "d3",                  "E-CTX-RANGE-SYNTAX" },
	{ "s5",                  "s5" },
	{ "s0:c2.c1",            "E-CTX-RANGE-SYNTAX" },
	{ "s0:c2.",              "E-CTX-RANGE-SYNTAX" },
	{ "s0:",                 "E-CTX-RANGE-SYNTAX" },
	{ "s0:c",                "E-CTX-RANGE-SYNTAX" },
	{ "s0:c-1",              "E-CTX-RANGE-SYNTAX" },
	{ "s0:c1024",            "E-CTX-RANGE-SYNTAX" },
	{ "s0:cd3",              "E-CTX-RANGE-SYNTAX" },
	{ "s0:d3",               "E-CTX-RANGE-SYNTAX" },
	{ "s0:c0.c1,c15,c7.c9",  "s0:c0.c1,c7.c9,c15" },
	{ "s0:c0.c2,c1",         "E-CTX-RANGE-SYNTAX" },
	{ "s3-s7:c5,c8.c10,c17", "s3-s7:c5,c8.c10,c17" },
	{ "s0-s0",               "s0" },
	{ "s00",                 "s0" },
	{ "s0:c0,c1",            "s0:c0.c1" },
	{ "s0:c5,c3",            "s0:c3,c5" },
	{ "s0:c1023",            "s0:c1023" },
	{ "s0:c0.c1023",         "s0:c0.c1023" },
	{ "s0-s1-s2",            "E-CTX-RANGE-SYNTAX" },
	{ "s0:c0:c1",            "E-CTX-RANGE-SYNTAX" },
	{ "s0:c0,,c1",           "E-CTX-RANGE-SYNTAX" },
	{ "s0:c0.c1.c2",         "E-CTX-RANGE-SYNTAX" },
	{ "S0",                  "E-CTX-RANGE-SYNTAX" },
	{ "s0 ",                 "E-CTX-RANGE-SYNTAX" },
	{ "s4294967296",         "E-CTX-RANGE-SYNTAX" },
	{ "",                    "E-CTX-RANGE-SYNTAX" },
};
/* clang-format on */

START_TEST(ranges_are_brought_into_canonical_form)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup_with(freep) char *found = NULL;
		struct error err = ERROR_NONE;
		const char *id = NULL;

		if (context_range_parse(&found, table[i].text, &id, &err) < 0)
			ck_assert_str_ne(err.text, "");
		ck_assert_msg(strcmp(found ? found : id, table[i].expected) == 0,
			"'%s': expected %s, found %s", table[i].text, table[i].expected,
			found ? found : id);
	}
}
END_TEST

TESTS("context", ranges_are_brought_into_canonical_form)
