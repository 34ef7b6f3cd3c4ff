/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/log_file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "unit.h"

static void add(struct log_file *log, const char *text)
{
	log_file_write(log, text, strlen(text));
}

static void assert_content(const char *name, const char *expected)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(file_read(test_dir_fd(), name, 100000, &text, NULL), 0);
	ck_assert_str_eq(text.data, expected);
}

START_TEST(a_full_log_is_moved_away_and_eight_files_are_kept)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "sub/dir/a.log");
	struct log_file log;

	log_file_open(&log, path, false);
	log.limit_bytes = 4;
	for (int i = 0; i < 20; i++) {
		char line[16] = { (char)('a' + i), 'x', 'y', '\n', 0 };

		add(&log, line);
	}
	assert_content("sub/dir/a.log", "txy\n");
	assert_content("sub/dir/a.log.0", "sxy\n");
	assert_content("sub/dir/a.log.6", "mxy\n");
	ck_assert(!file_exists(test_dir_fd(), "sub/dir/a.log.7"));
	log_file_done(&log);
}
END_TEST

START_TEST(two_writers_turn_the_log_once)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "a.log");
	struct log_file one, other;

	log_file_open(&one, path, false);
	log_file_open(&other, path, false);
	one.limit_bytes = other.limit_bytes = 8;
	add(&one, "one one\n");
	add(&other, "two\n");
	add(&one, "three\n");
	add(&other, "four\n");
	assert_content("a.log.0", "two\nthree\n");
	assert_content("a.log", "four\n");
	assert_content("a.log.1", "one one\n");
	log_file_done(&one);
	log_file_done(&other);
}
END_TEST

START_TEST(a_log_is_no_link_and_no_fifo)
{
	cleanup_with(freep) char *link_path = path_join(test_dir(), "link");
	cleanup_with(freep) char *fifo_path = path_join(test_dir(), "fifo");
	cleanup_with(buf_done) struct buf notes = { 0 };
	struct log_file log;

	ck_assert_int_eq(symlinkat("target", test_dir_fd(), "link"), 0);
	ck_assert_int_eq(mkfifo(fifo_path, 0600), 0);
	log_file_open(&log, link_path, false);
	add(&log, "x\n");
	ck_assert(!file_exists(test_dir_fd(), "target"));
	log_file_note(&log, &notes);
	ck_assert_ptr_nonnull(strstr(notes.data, "cannot open the log"));
	log_file_open(&log, fifo_path, false);
	ck_assert_int_eq(log.fd, -1);
}
END_TEST

START_TEST(without_a_path_nothing_is_logged_and_nothing_is_wrong)
{
	cleanup_with(buf_done) struct buf notes = { 0 };
	struct log_file log;

	log_file_open(&log, NULL, true);
	add(&log, "x\n");
	log_file_note(&log, &notes);
	ck_assert_uint_eq(notes.len, 0);
	log_file_done(&log);
}
END_TEST

TESTS("log_file", a_full_log_is_moved_away_and_eight_files_are_kept,
	two_writers_turn_the_log_once, a_log_is_no_link_and_no_fifo,
	without_a_path_nothing_is_logged_and_nothing_is_wrong)
