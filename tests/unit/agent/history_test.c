/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/root.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

#define HISTORY_FILE "g-history.json"

static void write_text(const struct root *root, const char *text)
{
	ck_assert_int_eq(file_write_atomic(root->instructions_fd, HISTORY_FILE, text,
				 strlen(text), 0600, NULL),
		0);
}

static void expect_damaged(const char *text, const char *part)
{
	cleanup_with(root_done) struct root root = { 0 };
	struct history history = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(root_open(&root, test_dir(), true, &err), 0);
	write_text(&root, text);
	ck_assert_int_eq(history_load(&history, &root, "g", &err), -EBADMSG);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
	ck_assert_ptr_nonnull(
		strstr(err.text, "deployment-instructions/g-history.json is damaged"));
	ck_assert_ptr_null(history.group);
}

START_TEST(no_history_is_an_empty_one)
{
	cleanup_with(root_done) struct root root = { 0 };
	cleanup_with(history_done) struct history history = { 0 };

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_int_eq(history_load(&history, &root, "g", NULL), 0);
	ck_assert_uint_eq(history.n, 0);
	ck_assert_str_eq(history.group, "g");
	ck_assert_ptr_null(history_newest_good(&history));
}
END_TEST

START_TEST(what_was_saved_is_loaded_again)
{
	cleanup_with(root_done) struct root root = { 0 };
	cleanup_with(history_done) struct history saved = { .group = xstrdup("g") };
	cleanup_with(history_done) struct history loaded = { 0 };
	struct record *record;

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	record_set(&saved.name, "prod");
	record_set(&saved.application, "shop");
	record = history_add(&saved, "d-1");
	record_set(&record->location, "/srv/\xff.zip");
	record->state = RECORD_SUCCEEDED;
	record->rollback = true;
	record->source_bytes = 5;
	record = history_add(&saved, "d-2");
	record_set(&record->from, "d-1");
	ck_assert_int_eq(history_save(&saved, &root, NULL), 0);

	ck_assert_int_eq(history_load(&loaded, &root, "g", NULL), 0);
	ck_assert_str_eq(loaded.name, "prod");
	ck_assert_str_eq(loaded.application, "shop");
	ck_assert_uint_eq(loaded.n, 2);
	ck_assert_str_eq(loaded.records[0].location, "/srv/\xef\xbf\xbd.zip");
	ck_assert(loaded.records[0].rollback);
	ck_assert_int_eq(loaded.records[0].source_bytes, 5);
	ck_assert_str_eq(loaded.records[1].from, "d-1");
	ck_assert_ptr_eq(history_running(&loaded), &loaded.records[1]);
	ck_assert_ptr_eq(history_newest_good(&loaded), &loaded.records[0]);
}
END_TEST

START_TEST(a_damaged_file_is_named)
{
	expect_damaged("{\"deployments\":[", "line 1");
	expect_damaged("", "line 1");
	expect_damaged("[]", "not a JSON object");
	expect_damaged("{}", "member \"deployments\" is not an array");
	expect_damaged(
		"{\"deployments\":[3]}", "deployments[0]: a deployment is not an object");
	expect_damaged("{\"deployments\":[{\"deployment\":\"d\",\"state\":\"so-so\"}]}",
		"no state \"so-so\"");
	expect_damaged("{\"name\":7,\"deployments\":[]}", "member \"name\" is not a string");
}
END_TEST

START_TEST(an_id_that_leaves_the_directory_is_refused)
{
	expect_damaged(
		"{\"deployments\":[{\"deployment\":\"../../etc\",\"state\":\"failed\"}]}",
		"a deployment has no usable id");
	expect_damaged("{\"deployments\":[{\"deployment\":\"d\",\"from\":\"..\",\"state\":"
		       "\"failed\"}]}",
		"a deployment has no usable id");
}
END_TEST

START_TEST(a_damaged_file_is_put_aside_whole)
{
	cleanup_with(root_done) struct root root = { 0 };
	cleanup_with(history_done) struct history history = { 0 };
	cleanup_with(freep) char *aside = NULL;

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	write_text(&root, "{");
	ck_assert_int_eq(history_set_aside(&root, "g", &aside, NULL), 0);
	ck_assert_int_eq(strncmp(aside, "g-history.json.damaged-", 23), 0);
	ck_assert(file_exists(root.instructions_fd, aside));
	ck_assert_int_eq(history_load(&history, &root, "g", NULL), 0);
}
END_TEST

START_TEST(the_oldest_records_go_but_not_those_whose_deployment_is_kept)
{
	cleanup_with(root_done) struct root root = { 0 };
	cleanup_with(history_done) struct history history = { .group = xstrdup("g") };

	ck_assert_int_eq(root_open(&root, test_dir(), true, NULL), 0);
	ck_assert_int_eq(file_make_dirs(root.fd, "g/d-3", 0755, NULL), 0);
	for (int i = 0; i < 150; i++) {
		cleanup_with(freep) char *id = xasprintf("d-%d", i);

		(void)history_add(&history, id);
	}
	ck_assert_int_eq(history_save(&history, &root, NULL), 0);
	ck_assert_uint_eq(history.n, 100);
	ck_assert_str_eq(history.records[0].deployment, "d-3");
	ck_assert_str_eq(history.records[1].deployment, "d-51");
	ck_assert_str_eq(history.records[99].deployment, "d-149");
}
END_TEST

TESTS("agent/history", no_history_is_an_empty_one, what_was_saved_is_loaded_again,
	a_damaged_file_is_named, an_id_that_leaves_the_directory_is_refused,
	a_damaged_file_is_put_aside_whole,
	the_oldest_records_go_but_not_those_whose_deployment_is_kept)
