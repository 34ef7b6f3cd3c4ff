/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

/* clang-format off */
static const struct {
	const char *text;
	const char *expected; /* canonical form, or the error's id */
} table[] = {
	{ "7",                      "E-ACE" },
	{ "d:u:bob:7:rwx",          "E-ACE" },
	{ "invalid:u:bob:7:rwx",    "E-ACE" },
	{ "d:invalid:bob:7:rwx",    "E-ACE" },
	{ "d:d:bob:7:rwx",          "E-ACE" },
	{ "d:d:bob:rwx",            "E-ACE" },
	{ "mask:name:rwx",          "E-ACE" },
	{ "d:other:name:rwx",       "E-ACE" },
	{ "user:bob:rwxd",          "E-ACE-PERM" },
	{ "d:u:bob:rwx",            "default:user:bob:rwx" },
	{ "default:g:dev:rw",       "default:group:dev:rw-" },
	{ "d:bob:rwx",              "default:user:bob:rwx" },
	{ "default::rw",            "default:user::rw-" },
	{ "m::7",                   "mask::rwx" },
	{ "mask::7",                "mask::rwx" },
	{ "m:7",                    "mask::rwx" },
	{ "m:0",                    "mask::---" },
	{ "mask:",                  "mask::---" },
	{ "g:dev:7",                "group:dev:rwx" },
	{ "group:dev:7",            "group:dev:rwx" },
	{ "u:bob:7",                "user:bob:rwx" },
	{ "user:bob:7",             "user:bob:rwx" },
	{ "u:mask:7",               "user:mask:rwx" },
	{ "u:other:7",              "user:other:rwx" },
	{ "bob:0",                  "user:bob:---" },
	{ "u::7",                   "E-ACE-BASE" },
	{ "g::7",                   "E-ACE-BASE" },
	{ "o:7",                    "E-ACE-BASE" },
	{ "other::7",               "E-ACE-BASE" },
	{ ":7",                     "E-ACE-BASE" },
	{ "d:u:bob:7",              "default:user:bob:rwx" },
	{ "x:y:7",                  "E-ACE" },
	{ "u:a:b:7",                "E-ACE" },
	{ "U:a:7",                  "E-ACE" },
	{ "::7",                    "E-ACE" },
	{ "m:mask:7",               "E-ACE" },
	{ "d:m:x:7",                "E-ACE" },
	{ "u:a:8",                  "E-ACE-PERM" },
	{ "u:a:77",                 "E-ACE-PERM" },
	{ "u:a:",                   "user:a:---" },
	{ "a:xr",                   "user:a:r-x" },
	{ "a:rrr",                  "user:a:r--" },
	{ "u:a:rw-x",               "user:a:rwx" },
	{ "default:default:7",      "default:user:default:rwx" },
	{ "d:u::7",                 "default:user::rwx" },
	{ "d:o:5",                  "default:other::r-x" },
	{ "d:m:5",                  "default:mask::r-x" },
	{ "g:7",                    "user:g:rwx" },
	{ "",                       "E-ACE" },
	{ ":::::::",                "E-ACE" },
};
/* clang-format on */

START_TEST(entries_are_read_as_the_grammar_says)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct appspec_acl acl = { 0 };
		struct error err = ERROR_NONE;
		const char *id = NULL;
		cleanup_with(freep) char *found = NULL;

		if (acl_parse(&acl, table[i].text, &id, &err) == 0)
			found = appspec_acl_format(&acl);
		else
			ck_assert_str_ne(err.text, "");
		ck_assert_msg(strcmp(found ? found : id, table[i].expected) == 0,
			"'%s': expected %s, found %s", table[i].text, table[i].expected,
			found ? found : id);
		free(acl.name);
	}
}
END_TEST

START_TEST(a_wrong_entry_is_named_with_what_is_allowed)
{
	struct appspec_acl acl;
	struct error err = ERROR_NONE;
	const char *id = NULL;

	ck_assert_int_eq(acl_parse(&acl, "user::rwx", &id, &err), -EINVAL);
	ck_assert_str_eq(
		err.text, "ACL entry 'user::rwx' is a base entry (user); set it with mode");
	ck_assert_int_eq(acl_parse(&acl, "u:bob:rwd", &id, &err), -EINVAL);
	ck_assert_str_eq(err.text,
		"ACL entry 'u:bob:rwd' has the permissions 'rwd'; allowed are one digit from 0 "
		"to 7 or the letters r, w, x and -");
}
END_TEST

TESTS("acl", entries_are_read_as_the_grammar_says, a_wrong_entry_is_named_with_what_is_allowed)
