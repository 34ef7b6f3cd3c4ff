/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle_targets.h"

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

static void put(const char *name)
{
	ck_assert_int_eq(file_write_atomic(test_dir_fd(), name, "x", 1, 0644, NULL), 0);
}

/* www/{index.html,css/{site.css,old/a.css}}, conf/app.conf, link -> nowhere */
static void make_bundle(void)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "www/css/old", 0755, NULL), 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "conf/css", 0755, NULL), 0);
	put("www/index.html");
	put("www/css/site.css");
	put("www/css/old/a.css");
	put("conf/app.conf");
	put("css");
	ck_assert_int_eq(symlinkat("nowhere", test_dir_fd(), "link"), 0);
}

static char *check_of(const char *sections)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(diagnostics_done) struct diagnostics parsed = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(freep) char *text = xasprintf("version: 0.0\nos: linux\n%s", sections);
	struct buf list = { 0 };

	ck_assert_int_eq(appspec_parse(&spec, text, strlen(text), "appspec.yml", &parsed), 0);
	bundle_check_targets(test_dir_fd(), spec, &found);
	for (size_t i = 0; i < found.n; i++)
		buf_printf(&list, "%s%u:%u %s", i ? ", " : "", found.items[i].line,
			found.items[i].column, found.items[i].id);
	return buf_steal(&list);
}

#define assert_check(sections, expected)                                                       \
	do {                                                                                   \
		cleanup_with(freep) char *found_ = check_of(sections);                         \
		ck_assert_str_eq(found_, expected);                                            \
	} while (0)

#define FILES                                                                                  \
	"files:\n- {source: www, destination: /srv/w}\n- {source: conf, destination: "         \
	"/etc/a}\n"
#define PERMISSION(text) FILES "permissions:\n- {mode: 644, " text "}\n"

START_TEST(two_sources_for_one_path_collide)
{
	make_bundle();
	assert_check(FILES, "");
	assert_check("files:\n- {source: www, destination: /srv/w}\n"
		     "- {source: www/index.html, destination: /srv/w}\n",
		"5:3 E-COPY-DUP");
	assert_check("files:\n- {source: www, destination: /srv/w}\n"
		     "- {source: css, destination: /srv/w}\n",
		"5:3 E-COPY-OVER-MKDIR");
	assert_check("files:\n- {source: link, destination: /srv}\n"
		     "- {source: www, destination: /srv/link}\n",
		"4:3 E-COPY-OVER-MKDIR");
	/* Directories merge. */
	assert_check("files:\n- {source: www, destination: /srv}\n"
		     "- {source: conf, destination: /srv/}\n",
		"");
}
END_TEST

START_TEST(an_entry_that_applies_to_nothing_is_warned_of)
{
	make_bundle();
	assert_check(PERMISSION("object: /srv/w"), "");
	assert_check(PERMISSION("object: /"), "");
	assert_check(PERMISSION("object: /srv, pattern: w, type: [directory]"), "");
	assert_check(PERMISSION("object: /srv/w, pattern: '*.html'"), "");
	assert_check(PERMISSION("object: /srv/w, pattern: '*.css'"), "7:3 W-PERM-UNMATCHED");
	assert_check(PERMISSION("object: /srv/w/css, pattern: '*.css'"), "");
	assert_check(PERMISSION("object: /srv/w/js"), "7:3 W-PERM-UNMATCHED");
	assert_check(PERMISSION("object: /srv/w/css/old, type: [directory]"),
		"7:3 W-PERM-UNMATCHED");
	assert_check(PERMISSION("object: /usr"), "7:3 W-PERM-UNMATCHED");
	/* A source that is missing was reported. */
	assert_check("files: [{source: none, destination: /srv}]\n"
		     "permissions: [{object: /srv, mode: 1}]\n",
		"");
}
END_TEST

START_TEST(a_file_takes_no_pattern_except_or_default_acl)
{
	make_bundle();
	assert_check(PERMISSION("object: /etc/a/app.conf"), "");
	assert_check(
		PERMISSION("object: /etc/a/app.conf, pattern: '*'"), "7:3 E-PERM-FILE-PATTERN");
	assert_check(
		PERMISSION("object: /etc/a/app.conf, except: [x]"), "7:3 E-PERM-FILE-EXCEPT");
	assert_check(PERMISSION("object: /etc/a/app.conf, acls: ['d:u:bob:r']"),
		"7:3 E-PERM-FILE-DEFAULT-ACL");
	assert_check(PERMISSION("object: /etc/a/app.conf, acls: ['u:bob:r']"), "");
	assert_check(PERMISSION("object: /etc/a/app.conf, pattern: x, type: [directory]"),
		"7:3 W-PERM-UNMATCHED");
	assert_check(PERMISSION("object: /srv/w, acls: ['d:u:bob:r']"),
		"7:3 E-PERM-FILE-DEFAULT-ACL");
	assert_check(PERMISSION("object: /srv/w, acls: ['d:u:bob:r'], type: [directory]"), "");
}
END_TEST

TESTS("bundle targets", two_sources_for_one_path_collide,
	an_entry_that_applies_to_nothing_is_warned_of,
	a_file_takes_no_pattern_except_or_default_acl)
