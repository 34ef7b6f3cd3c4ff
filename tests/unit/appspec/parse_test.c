/* SPDX-License-Identifier: Apache-2.0 */

/* The document, its sections and files. */
#include "appspec/appspec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "findings.h"

/* clang-format off */
static const struct {
	const char *text;
	const char *findings;
} table[] = {
	{ "",                                      "1:1 E-EMPTY" },
	{ " \n \n",                                "1:1 E-EMPTY" },
	{ "# nothing\n",                           "1:1 E-EMPTY" },
	{ "---\n",                                 "2:1 E-EMPTY" },
	{ "~\n",                                   "1:1 E-EMPTY" },
	{ "word\n",                                "1:1 E-VERSION" },
	{ "- a\n",                                 "1:1 E-TYPE" },
	{ "os: linux\n",                           "1:1 E-VERSION" },
	{ "version: invalid\nos: linux\n",         "1:10 E-VERSION" },
	{ "version: 0.1\nos: linux\n",             "1:10 E-VERSION" },
	{ "version: '0.0'\nos: linux\n",           "1:10 E-VERSION" },
	{ "version: []\nos: linux\n",              "1:10 E-VERSION" },
	{ "version:\nos: linux\n",                 "1:9 E-VERSION" },
	{ "version: .nan\nos: linux\n",            "1:10 E-VERSION" },
	{ "version: 0\nos: linux\n",               "" },
	{ "version: 0.00\nos: linux\n",            "" },
	{ "version: -0.0\nos: linux\n",            "" },
	{ "version: 0.0\n",                        "1:1 E-OS" },
	{ "version: 0.0\nos: unsupported\n",       "2:5 E-OS" },
	{ "version: 0.0\nos: Linux\n",             "2:5 E-OS" },
	{ "version: 0.0\nos: [linux]\n",           "2:5 E-OS" },
	{ "version: 0.0\nos: \"linux\\0\"\n",      "2:5 E-OS" },
	{ "version: 0.0\nos: windows\n",           "2:5 E-OS" },
	{ "Version: 0.0\nos: linux\n",             "1:1 W-KEY-UNKNOWN, 1:1 E-VERSION" },
	{ "{\"version\": 0.0, \"os\": \"linux\"}", "" },
	{ "\xef\xbb\xbfversion: 0.0\nos: linux\n", "" },
	{ "version: 0.0\r\nos: linux\r\n",         "" },
	{ "version: 0.0\ros: linux\r",             "" },
	{ HEAD "file_exists_behavior: invalid\n",  "3:23 E-FEB" },
	{ HEAD "file_exists_behavior: retain\n",   "3:23 E-FEB" },
	{ HEAD "file_exists_behavior: [RETAIN]\n", "3:23 E-FEB" },
	{ HEAD "file_exists_behavior:\n",          "" },
	{ HEAD "file_exists_behavior: RETAIN\n",   "" },
	{ HEAD "hooks:\nfiles:\npermissions:\n",   "" },
	{ HEAD "files: {}\n",                      "3:8 E-TYPE" },
	{ HEAD "files: ''\n",                      "3:8 E-TYPE" },
	{ HEAD "files:\n  -\n",                    "4:4 E-TYPE" },
	{ HEAD "files:\n  - word\n",               "4:5 E-TYPE" },
	{ HEAD "files:\n  - source: a\n",          "4:5 E-FILE-DEST" },
	{ HEAD "files:\n  - destination: /a\n",    "4:5 E-FILE-SOURCE" },
	{ HEAD "files: [{source: , destination: }]\n", "3:18 E-FILE-SOURCE, 3:33 E-FILE-DEST" },
	{ HEAD "files: [{source: [a], destination: {}}]\n", "3:18 E-TYPE, 3:36 E-TYPE" },
	{ HEAD "files: [{source: ../a, destination: /a}]\n",   "3:18 E-PATH" },
	{ HEAD "files: [{source: a/../b, destination: /a}]\n", "3:18 E-PATH" },
	{ HEAD "files: [{source: a..b, destination: /a..}]\n", "" },
	{ HEAD "files: [{source: a, destination: /a/../b}]\n", "3:34 E-PATH" },
	{ HEAD "files: [{source: a, destination: ~/a}]\n",     "3:34 E-PATH" },
	{ HEAD "files: [{source: a, destination: ''}]\n",      "3:34 E-PATH" },
	{ HEAD "files: [{source: \"a\\0b\", destination: /a}]\n", "3:18 E-TYPE" },
	{ HEAD "files: [{source: a, destination: rel}]\n",     "3:34 W-PATH-RELATIVE" },
	{ HEAD "files: [{source: a, destination: $HOME/x}]\n",
		"3:34 W-PATH-ODD, 3:34 W-PATH-RELATIVE" },
	{ HEAD "files: [{source: '*.js', destination: /a}]\n", "3:18 W-PATH-ODD" },
	{ HEAD "files: [{source: a, destination: /a, overwrite: yes}]\n", "3:38 W-KEY-UNKNOWN" },
	{ HEAD "files: [{source: /, destination: /a}]\n",      "3:18 W-FILE-PUBLISH" },
	{ HEAD "files: [{source: '', destination: /a}]\n",     "3:18 W-FILE-PUBLISH" },
	{ HEAD "files: [{source: ./, destination: /a}]\n",     "3:18 W-FILE-PUBLISH" },
	{ HEAD "files: [{source: appspec.yml, destination: /a}]\n", "3:18 W-FILE-PUBLISH" },
	{ HEAD "files: [{source: s, destination: /a}]\nhooks: {AfterInstall: [{location: s/x}]}\n",
		"3:18 W-FILE-PUBLISH" },
	{ HEAD "files: [{source: s, destination: /a}]\nhooks: {AfterInstall: [{location: sx}]}\n",
		"" },
	{ HEAD "AfterInstall:\n  - location: a\n", "3:1 W-KEY-UNKNOWN" },
	{ HEAD "x-mine: 1\n",                      "" },
	{ HEAD "[a, b]: 1\n",                      "3:1 W-KEY-UNKNOWN" },
	{ "version: 0.0\nResources:\n  - T: {Type: AWS::ECS::Service}\n", "3:3 E-PLATFORM" },
	{ "version: 0.0\nHooks: []\nresources: {}\n", "3:12 E-PLATFORM" },
	{ HEAD "Resources: 1\n",                   "3:1 W-KEY-UNKNOWN" },
	{ "\xff\xfev\0e\0",                        "1:1 E-ENCODING" },
	{ "version: 0.0\n# caf\xe9\n",             "2:6 E-ENCODING" },
	{ "version: 0.0\n\xed\xa0\x80\n",          "2:1 E-ENCODING" },
	{ "version: x\nos: y\nfiles: z\nhooks: []\n",
		"1:10 E-VERSION, 2:5 E-OS, 3:8 E-TYPE, 4:8 E-TYPE" },
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

START_TEST(version_and_os_are_all_it_takes)
{
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(HEAD);

	ck_assert_uint_eq(spec->n_files, 0);
	ck_assert_uint_eq(spec->n_permissions, 0);
	ck_assert_uint_eq(spec->n_hooks, 0);
	ck_assert_int_eq(spec->file_exists_behavior, FILE_EXISTS_UNSET);
	ck_assert_str_eq(spec->name, "appspec.yml");
}
END_TEST

START_TEST(files_keep_their_order_and_have_normal_paths)
{
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(
		HEAD "files:\n"
		     "  - source: //a/./b/\n"
		     "    destination: /x//y/\n"
		     "  - source: .\n"
		     "    destination: /\n"
		     "  - source: 404\n"
		     "    destination: /yes\n"
		     "file_exists_behavior: OVERWRITE\n");

	ck_assert_uint_eq(spec->n_files, 3);
	ck_assert_str_eq(spec->files[0].source, "a/b");
	ck_assert_str_eq(spec->files[0].destination, "/x/y");
	ck_assert_uint_eq(spec->files[0].destination_mark.line, 5);
	ck_assert_uint_eq(spec->files[0].destination_mark.column, 18);
	ck_assert_str_eq(spec->files[1].source, "");
	ck_assert_str_eq(spec->files[1].destination, "/");
	ck_assert_str_eq(spec->files[2].source, "404");
	ck_assert_int_eq(spec->file_exists_behavior, FILE_EXISTS_OVERWRITE);
}
END_TEST

START_TEST(messages_say_what_was_found_and_what_is_allowed)
{
	assert_says("version: '0.0'\nos: linux\n",
		"appspec.yml:1:10: error: version must be the number 0.0, found the text '0.0' "
		"(take away the quotes)");
	assert_says("version: 0.0\nos: windows\n", "appspec.yml:2:5: error: this is an AppSpec "
						   "file for Windows (os: windows), and "
						   "this host runs Linux");
	assert_says("version: 0.0\nResources:\n  - T: {Type: AWS::Lambda::Function}\n",
		"appspec.yml:3:3: error: this is an AppSpec file for AWS Lambda (it has "
		"Resources "
		"and no os); Drover deploys to servers, whose AppSpec has 'os: linux', files "
		"and "
		"hooks");
	assert_says(HEAD "file_exists_behavior: overwrite\n",
		"appspec.yml:3:23: error: file_exists_behavior must be DISALLOW, OVERWRITE or "
		"RETAIN, in capital letters, found the text 'overwrite'");
	assert_says(HEAD "after_install: []\n",
		"appspec.yml:3:1: warning: 'after_install' at the top level is ignored, its "
		"scripts never run; an event stands below hooks, indented and spelt "
		"'AfterInstall'");
	assert_says(HEAD "file: []\n", "appspec.yml:3:1: warning: unknown top-level key 'file' "
				       "is ignored, did you mean "
				       "'files'?");
	assert_says(HEAD "files: [{source: a, destination: ../b}]\n",
		"appspec.yml:3:34: error: destination '../b' must not hold '..'; write the "
		"path "
		"it means");
}
END_TEST

START_TEST(values_in_messages_are_bounded_and_printable)
{
	assert_says(
		"version: 0.0\nos: \"a\\x1b\\x9b\\n"
		"0123456789012345678901234567890123456789012345678901234567890123456789\"\n",
		"appspec.yml:2:5: error: os must be linux, in small letters, found the text "
		"'a\\x1b\\xc2\\x9b\\n0123456789012345678901234567890123456789012345678901234..."
		"'");
}
END_TEST

START_TEST(a_file_of_nothing_but_mistakes_is_told_so_in_a_hundred_lines)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct appspec *spec = NULL;

	buf_puts(&text, HEAD "files:\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_puts(&text, "- onwer: x\n");
	ck_assert_int_eq(
		appspec_parse(&spec, text.data, text.len, "appspec.yml", &found), -EINVAL);
	ck_assert_uint_eq(found.n_errors, 101);
	ck_assert_uint_eq(found.n, 202);
}
END_TEST

START_TEST(a_file_larger_than_the_limit_is_not_looked_at)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(freep) char *text = xcalloc(APPSPEC_LIMIT_BYTES + 1, 1);
	struct appspec *spec = NULL;

	ck_assert_int_eq(
		appspec_parse(&spec, text, APPSPEC_LIMIT_BYTES + 1, "a", &found), -EINVAL);
	ck_assert_str_eq(found.items[0].id, "E-LIMIT");
}
END_TEST

START_TEST(behaviors_have_names_in_any_case)
{
	enum file_exists_behavior behavior = FILE_EXISTS_UNSET;

	ck_assert_int_eq(file_exists_behavior_from_text(&behavior, "retain"), 0);
	ck_assert_int_eq(behavior, FILE_EXISTS_RETAIN);
	ck_assert_str_eq(file_exists_behavior_name(behavior), "RETAIN");
	ck_assert_int_eq(file_exists_behavior_from_text(&behavior, "WHATEVER"), -EINVAL);
	ck_assert_int_eq(file_exists_behavior_from_text(&behavior, ""), -EINVAL);
}
END_TEST

TESTS("appspec", every_problem_is_found_at_its_place, version_and_os_are_all_it_takes,
	files_keep_their_order_and_have_normal_paths,
	messages_say_what_was_found_and_what_is_allowed,
	values_in_messages_are_bounded_and_printable,
	a_file_of_nothing_but_mistakes_is_told_so_in_a_hundred_lines,
	a_file_larger_than_the_limit_is_not_looked_at, behaviors_have_names_in_any_case)
