/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appspec/appspec.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/file.h"
#include "unit.h"

static void put(const char *name, const char *text, mode_t mode)
{
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), name, text, strlen(text), mode, NULL), 0);
}

/* The ids of what is found in a bundle whose appspec consists of these sections. */
static char *check_of(const char *sections, bool strictly)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(diagnostics_done) struct diagnostics parsed = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(freep) char *text = xasprintf("version: 0.0\nos: linux\n%s", sections);
	struct buf list = { 0 };

	ck_assert_int_eq(appspec_parse(&spec, text, strlen(text), "appspec.yml", &parsed), 0);
	(strictly ? bundle_check_strictly : bundle_check)(test_dir_fd(), spec, &found);
	for (size_t i = 0; i < found.n; i++)
		buf_printf(&list, "%s%u:%u %s", i ? ", " : "", found.items[i].line,
			found.items[i].column, found.items[i].id);
	return buf_steal(&list);
}

#define assert_check(sections, expected)                                                       \
	do {                                                                                   \
		cleanup_with(freep) char *found_ = check_of(sections, false);                  \
		ck_assert_str_eq(found_, expected);                                            \
	} while (0)

#define SOURCE(source) "files: [{source: " source ", destination: /srv/x}]\n"
#define SCRIPT(location) "hooks: {AfterInstall: [{location: " location "}]}\n"

START_TEST(a_source_must_be_there)
{
	put("a", "", 0644);
	assert_check(SOURCE("a"), "");
	assert_check(SOURCE("/"), "");
	assert_check(SOURCE("b"), "3:18 E-FILE-MISSING");
	assert_check(SOURCE("a/b"), "3:18 E-FILE-MISSING");
}
END_TEST

START_TEST(a_source_must_be_a_file_a_directory_or_a_link)
{
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "fifo", 0644), 0);
	ck_assert_int_eq(symlinkat("nowhere", test_dir_fd(), "dangling"), 0);
	ck_assert_int_eq(symlinkat("/etc", test_dir_fd(), "out"), 0);
	assert_check(SOURCE("fifo"), "3:18 E-FILE-TYPE");
	assert_check(SOURCE("dangling"), "");
	assert_check(SOURCE("out"), "");
	assert_check(SOURCE("out/passwd"), "3:18 E-FILE-MISSING");
}
END_TEST

START_TEST(a_destination_that_names_the_file_is_warned_of)
{
	put("index.php", "", 0644);
	ck_assert_int_eq(mkdirat(test_dir_fd(), "www", 0755), 0);
	assert_check("files: [{source: index.php, destination: /srv/index.php}]\n",
		"3:42 W-FILE-DEST");
	assert_check("files: [{source: www, destination: /srv/www}]\n", "");
}
END_TEST

START_TEST(a_script_must_be_a_file)
{
	put("a.sh", "#!/bin/sh\n", 0755);
	ck_assert_int_eq(mkdirat(test_dir_fd(), "d", 0755), 0);
	ck_assert_int_eq(symlinkat("a.sh", test_dir_fd(), "link.sh"), 0);
	ck_assert_int_eq(symlinkat("/bin/true", test_dir_fd(), "out.sh"), 0);
	assert_check(SCRIPT("a.sh"), "");
	assert_check(SCRIPT("link.sh"), "");
	assert_check(SCRIPT("b.sh"), "3:35 E-SCRIPT-MISSING");
	assert_check(SCRIPT("d"), "3:35 E-SCRIPT-TYPE");
	assert_check(SCRIPT("out.sh"), "3:35 E-SCRIPT-MISSING");
}
END_TEST

START_TEST(a_script_that_will_not_start_is_warned_of)
{
	put("plain", "#!/bin/sh\n", 0644);
	put("crlf", "#!/bin/sh\r\n", 0755);
	put("crlf2", "echo\r\n", 0755);
	put("bom", "\xef\xbb\xbf#!/bin/sh\n", 0755);
	put("relative", "#! bin/sh\n", 0755);
	put("nope", "#!/usr/bin/no-such-interpreter -x\n", 0755);
	put("env", "#!/usr/bin/env no-such-program\n", 0755);
	put("envs", "#!/usr/bin/env -S sh\n", 0755);
	put("envsh", "#!/usr/bin/env  sh\n", 0755);
	put("none", "echo\n", 0755);
	put("empty", "", 0755);
	assert_check(SCRIPT("plain"), "3:35 W-SCRIPT-MODE");
	assert_check(SCRIPT("crlf"), "3:35 W-SCRIPT-CRLF");
	assert_check(SCRIPT("crlf2"), "3:35 W-SCRIPT-CRLF");
	assert_check(SCRIPT("bom"), "3:35 W-SCRIPT-BOM");
	assert_check(SCRIPT("relative"), "3:35 W-SCRIPT-INTERPRETER");
	assert_check(SCRIPT("nope"), "3:35 W-SCRIPT-INTERPRETER");
	assert_check(SCRIPT("env"), "3:35 W-SCRIPT-INTERPRETER");
	assert_check(SCRIPT("envs"), "");
	assert_check(SCRIPT("envsh"), "");
	assert_check(SCRIPT("none"), "");
	assert_check(SCRIPT("empty"), "");
}
END_TEST

START_TEST(to_its_author_what_no_host_can_start_is_an_error)
{
	cleanup_with(freep) char *crlf = NULL;
	cleanup_with(freep) char *nope = NULL;

	put("crlf", "#!/bin/sh\r\n", 0755);
	put("nope", "#!/usr/bin/no-such-interpreter\n", 0755);
	crlf = check_of(SCRIPT("crlf"), true);
	nope = check_of(SCRIPT("nope"), true);
	ck_assert_str_eq(crlf, "3:35 E-SCRIPT-CRLF");
	/* Another host may have it. */
	ck_assert_str_eq(nope, "3:35 W-SCRIPT-INTERPRETER");
}
END_TEST

START_TEST(a_second_appspec_is_warned_of)
{
	put("appspec.yml", "", 0644);
	assert_check("", "");
	put("appspec.yaml", "", 0644);
	assert_check("", "0:0 W-APPSPEC-TWO");
}
END_TEST

START_TEST(a_near_name_is_suggested)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	const char text[] = "version: 0.0\nos: linux\n" SCRIPT("scripts/strat.sh");

	ck_assert_int_eq(mkdirat(test_dir_fd(), "scripts", 0755), 0);
	put("scripts/start.sh", "", 0755);
	ck_assert_int_eq(appspec_parse(&spec, text, strlen(text), "appspec.yml", &found), 0);
	bundle_check(test_dir_fd(), spec, &found);
	ck_assert_str_eq(found.items[0].text,
		"script 'scripts/strat.sh' is not in the bundle, did you mean "
		"'scripts/start.sh'?");
}
END_TEST

TESTS("bundle check", a_source_must_be_there, a_source_must_be_a_file_a_directory_or_a_link,
	a_destination_that_names_the_file_is_warned_of, a_script_must_be_a_file,
	a_script_that_will_not_start_is_warned_of,
	to_its_author_what_no_host_can_start_is_an_error, a_second_appspec_is_warned_of,
	a_near_name_is_suggested)
