/* SPDX-License-Identifier: Apache-2.0 */

/* The permissions section, and what an entry matches. */
#include "appspec/appspec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "findings.h"

/* An entry for an object that is installed and an owner, so that nothing is odd but the rest.
 */
#define FILES HEAD "files: [{source: a, destination: /srv/a}]\n"
#define ENTRY FILES "permissions:\n- object: /srv/a\n  owner: root\n"

/* clang-format off */
static const struct {
	const char *text;
	const char *findings;
} table[] = {
	{ FILES "permissions: {}\n",                  "4:14 E-TYPE" },
	{ FILES "permissions:\n- word\n",             "5:3 E-TYPE" },
	{ FILES "permissions:\n- pattern: '**'\n  mode: 1\n", "5:3 E-PERM-OBJECT" },
	{ FILES "permissions:\n- object: ' '\n  mode: 1\n", "5:11 E-PERM-OBJECT" },
	{ FILES "permissions:\n- object:\n  mode: 1\n", "5:10 E-PERM-OBJECT" },
	{ FILES "permissions:\n- object: /srv/a\n",   "5:3 W-PERM-EMPTY" },
	{ FILES "permissions:\n- object: /srv/../a\n  mode: 1\n", "5:11 E-PATH" },
	{ FILES "permissions:\n- object: ~/a\n  mode: 1\n", "5:11 E-PATH" },
	{ FILES "permissions:\n- object: srv/a\n  mode: 1\n", "5:11 W-PATH-RELATIVE" },
	{ ENTRY "  pattern: [a]\n",                   "7:12 E-TYPE" },
	{ ENTRY "  pattern: a/b\n",                   "7:12 W-PERM-PATTERN" },
	{ ENTRY "  pattern: '.*'\n",                  "7:12 W-PERM-PATTERN" },
	{ ENTRY "  pattern: 'a?'\n",                  "7:12 W-PERM-PATTERN" },
	{ ENTRY "  pattern: ''\n",                    "7:12 W-PERM-PATTERN" },
	{ ENTRY "  except: a\n",                      "7:11 E-TYPE" },
	{ ENTRY "  except: [a, [b]]\n",               "7:15 E-TYPE" },
	{ ENTRY "  except: [a/b]\n",                  "7:12 W-PERM-PATTERN" },
	{ ENTRY "  type: file\n",                     "7:9 E-TYPE" },
	{ ENTRY "  type: [file, files]\n",            "7:16 E-PERM-TYPE" },
	{ ENTRY "  type: [[]]\n",                     "7:10 E-PERM-TYPE" },
	{ ENTRY "  type: []\n",                       "7:9 W-PERM-TYPE" },
	{ ENTRY "  group: {}\n",                      "7:10 E-TYPE" },
	{ ENTRY "  group: a:b\n",                     "7:10 W-PERM-OWNER" },
	{ ENTRY "  group: ''\n",                      "7:10 W-PERM-OWNER" },
	{ ENTRY "  mode: [7]\n",                      "7:9 E-TYPE" },
	{ ENTRY "  mode: 12345\n",                    "7:9 E-MODE-LENGTH" },
	{ ENTRY "  mode: 0o755\n",                    "7:9 E-MODE-LENGTH" },
	{ ENTRY "  mode: '00755'\n",                  "7:9 E-MODE-LENGTH" },
	{ ENTRY "  mode: 00755\n",                    "7:9 E-MODE-LENGTH" },
	{ ENTRY "  mode: 12a\n",                      "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: u+x\n",                      "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: -755\n",                     "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: 888\n",                      "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: 0888\n",                     "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: 7:55\n",                     "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: yes\n",                      "7:9 E-MODE-CHAR" },
	{ ENTRY "  mode: \"7\\0\"\n",                 "7:9 E-MODE-LENGTH" },
	{ ENTRY "  mode:\n",                          "" },
	{ ENTRY "  acls: u:a:r\n",                    "7:9 E-TYPE" },
	{ ENTRY "  acls: {entries: []}\n",            "7:9 E-TYPE" },
	{ ENTRY "  acls: [~]\n",                      "7:10 E-ACE" },
	{ ENTRY "  acls: ['7']\n",                    "7:10 E-ACE" },
	{ ENTRY "  acls: ['u::7', 'u:a:8']\n",        "7:10 E-ACE-BASE, 7:18 E-ACE-PERM" },
	{ ENTRY "  acls: ['g:7']\n",                  "7:10 W-PERM-ACL" },
	{ ENTRY "  context: word\n",                  "7:12 E-TYPE" },
	{ ENTRY "  context: {range: s0}\n",           "7:12 E-CTX-TYPE" },
	{ ENTRY "  context: {type: , range: s0}\n",   "7:19 E-CTX-TYPE" },
	{ ENTRY "  context: {type: a_t, range: s}\n", "7:31 E-CTX-RANGE-SYNTAX" },
	{ ENTRY "  context: {type: a_t, range: s2-s1}\n", "7:31 E-CTX-RANGE" },
	{ ENTRY "  context: {type: a_t, range: {low: s0}}\n", "7:31 E-TYPE" },
	{ ENTRY "  context: {type: a_t, role: object_r}\n", "7:30 W-CTX-ROLE" },
	{ ENTRY "  context: {type: a_t, user: a_u, name: b_u}\n", "7:30 W-CTX-USER" },
	{ ENTRY "  context: {type: a_t, user: a_u}\n", "" },
	{ ENTRY "  mdoe: 1\n",                        "7:3 W-KEY-UNKNOWN" },
};

static const struct {
	const char *written;
	const char *text; /* as install.json has it */
	mode_t mode;
	bool noted; /* with a warning */
} modes[] = {
	{ "644",     "644",  0644,  false },
	{ "\"644\"", "644",  0644,  false },
	{ "'0644'",  "0644", 0644,  false },
	{ "0644",    "0644", 0644,  true },
	{ "0777",    "0777", 0777,  true },
	{ "0755",    "0755", 0755,  true },
	{ "0600",    "0600", 0600,  true },
	{ "4755",    "4755", 04755, false },
	{ "6763",    "6763", 06763, false },
	{ "12",      "012",  0012,  false },
	{ "7",       "007",  0007,  false },
	{ "07",      "007",  0007,  false },
	{ "07",      "007",  0007,  false },
	{ "''",      "000",  0,     false },
	{ "0",       "000",  0,     false },
	{ "0000",    "0000", 0,     false },
	{ "7777",    "7777", 07777, false },
	{ "777",     "777",  0777,  false },
	{ "0x1ff",   "511",  0511,  true },
	{ "7_5_5",   "755",  0755,  true },
};
/* clang-format on */

START_TEST(every_problem_is_found_at_its_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup_with(freep) char *found = findings_of(table[i].text);

		ck_assert_msg(strcmp(found, table[i].findings) == 0,
			"%s--- expected '%s', found '%s'", table[i].text, table[i].findings,
			found);
	}
}
END_TEST

START_TEST(modes_mean_the_digits_that_are_written)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		cleanup_with(appspec_freep) struct appspec *spec = NULL;
		cleanup_with(freep) char *found = NULL;
		cleanup_with(freep) char *text = xasprintf(
			ENTRY "  mode: %s\n", modes[i].written);

		spec = parse_valid(text);
		found = findings_of(text);
		ck_assert(spec->permissions[0].has_mode);
		ck_assert_msg(spec->permissions[0].mode == modes[i].mode, "mode %s",
			modes[i].written);
		ck_assert_str_eq(spec->permissions[0].mode_text, modes[i].text);
		ck_assert_str_eq(found, modes[i].noted ? "7:9 W-PERM-MODE" : "");
	}
}
END_TEST

START_TEST(an_octal_mode_is_explained)
{
	assert_says(ENTRY "  mode: 0644\n",
		"appspec.yml:7:9: warning: mode 0644 is read as 0644; AWS's agent takes it for "
		"an "
		"octal number and sees 420: quote it, or leave out the leading 0");
}
END_TEST

START_TEST(an_entry_has_all_its_parts)
{
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(
		HEAD "permissions:\n"
		     "  - object: ' /srv//web/ '\n"
		     "    pattern: '*.php'\n"
		     "    except: ['config*.php', 404]\n"
		     "    type: [file]\n"
		     "    owner: 1000\n"
		     "    group: www-data\n"
		     "    mode: 2640\n"
		     "    acls: ['u:backup:r', 'd:m::rw']\n"
		     "    context: {user: system_u, type: web_t, range: 's0-s0:c1,c0'}\n");
	const struct appspec_permission *permission = &spec->permissions[0];
	cleanup_with(freep) char *acl = appspec_acl_format(&permission->acls[1]);

	ck_assert_str_eq(permission->object, "/srv/web");
	ck_assert_str_eq(permission->pattern, "*.php");
	ck_assert_uint_eq(permission->n_except, 2);
	ck_assert_str_eq(permission->except[1], "404");
	ck_assert(permission->files && !permission->directories);
	ck_assert_str_eq(permission->owner, "1000");
	ck_assert_str_eq(permission->group, "www-data");
	ck_assert_int_eq(permission->mode, 02640);
	ck_assert_uint_eq(permission->n_acls, 2);
	ck_assert_str_eq(acl, "default:mask::rw-");
	ck_assert_str_eq(permission->context.user, "system_u");
	ck_assert_str_eq(permission->context.range, "s0:c0.c1");
}
END_TEST

START_TEST(an_entry_without_them_applies_to_everything)
{
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(
		HEAD "permissions: [{object: /a, pattern: , except: , type: , "
		     "context: {type: a_t}}]\n");
	const struct appspec_permission *permission = &spec->permissions[0];

	ck_assert_str_eq(permission->pattern, "**");
	ck_assert_uint_eq(permission->n_except, 0);
	ck_assert(permission->files && permission->directories);
	ck_assert_ptr_null(permission->owner);
	ck_assert(!permission->has_mode);
	ck_assert_ptr_null(permission->mode_text);
	ck_assert_ptr_null(permission->context.range);
}
END_TEST

static size_t count_unmatched(const char *object)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(freep) char *text = xasprintf(
		FILES "permissions: [{object: %s, mode: 1}]\n", object);
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(text);

	appspec_check_objects(spec, &found);
	return found.n;
}

START_TEST(an_object_in_no_destination_is_found)
{
	ck_assert_uint_eq(count_unmatched("/etc"), 1);
	ck_assert_uint_eq(count_unmatched("/srv/ab"), 1);
	ck_assert_uint_eq(count_unmatched("/"), 0);
	ck_assert_uint_eq(count_unmatched("/srv"), 0);
	ck_assert_uint_eq(count_unmatched("/srv/a/b/c"), 0);
}
END_TEST

static bool matches(const char *pattern, const char *except, const char *relative)
{
	char *excepts[] = { (char *)except };
	const struct appspec_permission permission = {
		.pattern = (char *)pattern,
		.except = excepts,
		.n_except = except ? 1 : 0,
	};

	return appspec_permission_matches(&permission, relative);
}

START_TEST(a_pattern_matches_direct_children_by_name)
{
	ck_assert(matches("prefix*", NULL, "prefix"));
	ck_assert(matches("prefix*", NULL, "prefix_matches"));
	ck_assert(!matches("prefix*", NULL, "prefix/x"));
	ck_assert(!matches("prefix*", NULL, "sub/prefix"));
	ck_assert(!matches("prefix*", NULL, "not_prefix"));
	ck_assert(matches("*", NULL, ".hidden"));
	ck_assert(matches("*.sh", NULL, "a.sh.sh"));
	ck_assert(matches("a*b*c", NULL, "abbcbc"));
	ck_assert(!matches("a*b*c", NULL, "abbcb"));
	ck_assert(!matches("a?", NULL, "ab"));
	ck_assert(matches("a?", NULL, "a?"));
	ck_assert(!matches("", NULL, "a"));
	ck_assert(matches("***", NULL, "a"));
	ck_assert(!matches("***", NULL, "a/b"));
	ck_assert(!matches("a/b", NULL, "a/b"));
}
END_TEST

START_TEST(two_stars_match_at_any_depth_but_for_the_names_excepted)
{
	ck_assert(matches("**", NULL, "a"));
	ck_assert(matches("**", NULL, "a/b/c"));
	ck_assert(!matches("**", "*.tmp", "x.tmp"));
	ck_assert(!matches("**", "*.tmp", "a/b/x.tmp"));
	ck_assert(matches("**", "*.tmp", "a.tmp/b"));
	ck_assert(!matches("*", "*ReadMe", "this_ReadMe"));
	ck_assert(!matches("**", "**", "a/b"));
	ck_assert(matches("**", "a/b", "a/b"));
}
END_TEST

START_TEST(a_hostile_pattern_takes_no_time)
{
	char pattern[1024];
	char name[1024];

	for (size_t i = 0; i < sizeof(pattern) - 1; i++) {
		pattern[i] = i % 2 ? '*' : 'a';
		name[i] = 'a';
	}
	pattern[sizeof(pattern) - 1] = '\0';
	name[sizeof(name) - 1] = '\0';
	pattern[sizeof(pattern) - 2] = 'b';
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!matches(pattern, NULL, name));
}
END_TEST

TESTS("permission", every_problem_is_found_at_its_place, modes_mean_the_digits_that_are_written,
	an_octal_mode_is_explained, an_entry_has_all_its_parts,
	an_entry_without_them_applies_to_everything, an_object_in_no_destination_is_found,
	a_pattern_matches_direct_children_by_name,
	two_stars_match_at_any_depth_but_for_the_names_excepted,
	a_hostile_pattern_takes_no_time)
