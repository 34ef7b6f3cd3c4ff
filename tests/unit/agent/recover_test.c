/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/journal.h"
#include "agent/root.h"
#include "agent/stream.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

/*
 * Journals made by hand: in h/, "new" is to be placed, "both" exchanged and "old" removed, from
 * the stage h/.drover-d. Each test then plays some of these operations itself.
 */
static struct root root;
static struct error failure;
static struct timespec old_time = { .tv_sec = 1400000000, .tv_nsec = 5 };

static void put(const char *path, const char *text)
{
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), path, text, strlen(text), 0644, NULL), 0);
}

static const char *content(const char *path)
{
	static char text[100];
	cleanup_with(closep) int fd = openat(test_dir_fd(), path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return "(none)";
	text[n] = '\0';
	return text;
}

static struct identity identity(const char *path)
{
	struct seen seen;

	ck_assert_int_eq(target_see(test_dir_fd(), path, &seen), 0);
	return (struct identity){ seen.ino, seen.birth };
}

static void rename_in(const char *from, const char *to, unsigned flags)
{
	ck_assert_int_eq(renameat2(test_dir_fd(), from, test_dir_fd(), to, flags), 0);
}

static void place(void)
{
	rename_in("h/.drover-d/0", "h/new", RENAME_NOREPLACE);
}

static void exchange(void)
{
	rename_in("h/.drover-d/1", "h/both", RENAME_EXCHANGE);
}

static void take_away(void)
{
	rename_in("h/old", "h/.drover-d/2", RENAME_NOREPLACE);
}

static void set_time(const char *path, struct timespec time)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, time };

	ck_assert_int_eq(utimensat(test_dir_fd(), path, times, 0), 0);
}

static struct journal_directory describe(char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return (struct journal_directory){ .path = path,
		.identity = identity("h"),
		.flags = DIRECTORY_SYNC,
		.before = { .mode = st.st_mode,
			.uid = st.st_uid,
			.gid = st.st_gid,
			.mtime_s = old_time.tv_sec,
			.mtime_ns = (uint32_t)old_time.tv_nsec } };
}

/* For some tests "both" is a directory with a file of ours, and so has an inventory. */
static bool both_is_directory;

static void put_both(void)
{
	cleanup_with(closep) int fd = -1;
	struct identity own;

	if (!both_is_directory) {
		put("h/both", "old");
		return;
	}
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h/both", 0755, NULL), 0);
	put("h/both/own", "old");
	own = identity("h/both/own");
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h/.drover-d", 0700, NULL), 0);
	fd = openat(test_dir_fd(), "h/.drover-d/1.own", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		0600);
	ck_assert_int_eq(file_write_all(fd, &own, sizeof(own)), 0);
}

/* Leaves a journal and what belongs to it; `whole` with the operations. */
static void prepare(bool whole)
{
	static char path[200];
	struct journal_directory directory;
	struct journal_stage stage = { .name = ".drover-d" };
	struct stream *stream = xmalloc(sizeof(*stream));
	cleanup_with(freep) char *state = path_join(test_dir(), "state");
	cleanup_with(closep) int fd = -1;

	(void)umask(022);
	ck_assert_int_eq(root_open(&root, state, true, &failure), 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h", 0755, NULL), 0);
	put_both();
	put("h/old", "old");
	(void)strcpy(path, test_dir());
	(void)strcat(path, "/h");
	directory = describe(path);
	fd = journal_create(&root, "g",
		&(struct journal_section){ .deployment = "d",
			.directories = &directory,
			.n_directories = 1,
			.stages = &stage,
			.n_stages = 1 },
		&failure);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h/.drover-d", 0700, NULL), 0);
	put("h/.drover-d/0", "new");
	put("h/.drover-d/1", "new");
	if (whole) {
		const struct op ops[] = {
			{ .kind = OP_PLACE,
				.number = 0,
				.name = "new",
				.after = identity("h/.drover-d/0") },
			{ .kind = OP_EXCHANGE,
				.number = 1,
				.name = "both",
				.is_directory = both_is_directory,
				.after = identity("h/.drover-d/1"),
				.before = identity("h/both") },
			{ .kind = OP_REMOVE,
				.number = 2,
				.name = "old",
				.before = identity("h/old") },
		};

		ck_assert_int_eq(journal_begin(stream, fd), 0);
		journal_put_head(stream, "d", false);
		journal_put_count(stream, 1);
		journal_put_directory(stream, &directory);
		journal_put_count(stream, 1);
		stage.identity = identity("h/.drover-d");
		journal_put_stage(stream, &stage);
		journal_put_count(stream, ARRAY_SIZE(ops));
		for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
			journal_put_op(stream, &ops[i]);
		ck_assert_int_eq(journal_end(stream), 0);
	}
	free(stream);
}

static void recover_but_for_the_stage(enum install_recovery expected)
{
	enum install_recovery got;

	failure = ERROR_NONE;
	ck_assert_msg(install_recover(&root, "g", &got, &failure) == 0, "%s", failure.text);
	ck_assert_int_eq(got, expected);
	ck_assert(!file_exists(root.instructions_fd, "g-journal"));
}

static void recover(enum install_recovery expected)
{
	recover_but_for_the_stage(expected);
	ck_assert(!file_exists(test_dir_fd(), "h/.drover-d"));
}

static void check_old(void)
{
	struct stat st;

	ck_assert_str_eq(content("h/new"), "(none)");
	ck_assert_str_eq(content("h/both"), "old");
	ck_assert_str_eq(content("h/old"), "old");
	ck_assert_int_eq(fstatat(test_dir_fd(), "h", &st, 0), 0);
	ck_assert_int_eq(st.st_mtim.tv_sec, old_time.tv_sec);
	ck_assert_int_eq(st.st_mtim.tv_nsec, old_time.tv_nsec);
}

static void check_new(void)
{
	ck_assert_str_eq(content("h/new"), "new");
	ck_assert_str_eq(content("h/both"), "new");
	ck_assert_str_eq(content("h/old"), "(none)");
}

START_TEST(without_a_journal_there_is_nothing_to_do)
{
	enum install_recovery got;

	ck_assert_int_eq(root_open(&root, test_dir(), true, &failure), 0);
	ck_assert_int_eq(install_recover(&root, "g", &got, &failure), 0);
	ck_assert_int_eq(got, RECOVERY_NONE);
}
END_TEST

START_TEST(an_intent_alone_is_undone)
{
	prepare(false);
	recover(RECOVERY_UNDONE);
	check_old();
}
END_TEST

START_TEST(nothing_done_is_undone)
{
	prepare(true);
	recover(RECOVERY_UNDONE);
	check_old();
}
END_TEST

START_TEST(one_done_is_finished)
{
	prepare(true);
	place();
	recover(RECOVERY_FINISHED);
	check_new();
}
END_TEST

START_TEST(they_may_have_reached_the_disk_in_any_order)
{
	prepare(true);
	take_away();
	recover(RECOVERY_FINISHED);
	check_new();
}
END_TEST

START_TEST(all_done_and_the_stage_gone_is_finished)
{
	prepare(true);
	place();
	exchange();
	take_away();
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "h/.drover-d", NULL), 0);
	recover(RECOVERY_FINISHED);
	check_new();
	ck_assert_str_eq(failure.text, "");
}
END_TEST

START_TEST(a_directory_that_gave_way_goes)
{
	both_is_directory = true;
	prepare(true);
	exchange();
	recover(RECOVERY_FINISHED);
	check_new();
}
END_TEST

START_TEST(a_directory_that_gave_way_comes_back_with_what_others_put_there)
{
	both_is_directory = true;
	prepare(true);
	place();
	put("h/both/late", "theirs");
	exchange();
	take_away();
	recover(RECOVERY_UNDONE);
	ck_assert_str_eq(content("h/new"), "(none)");
	ck_assert_str_eq(content("h/both/own"), "old");
	ck_assert_str_eq(content("h/both/late"), "theirs");
	ck_assert_str_eq(content("h/old"), "old");
}
END_TEST

START_TEST(once_old_things_are_being_dropped_nothing_comes_back)
{
	both_is_directory = true;
	prepare(true);
	place();
	exchange();
	take_away();
	put("h/.drover-d/1/late", "theirs");
	ck_assert_int_eq(unlinkat(test_dir_fd(), "h/.drover-d/1.own", 0), 0);
	recover(RECOVERY_FINISHED);
	check_new();
}
END_TEST

START_TEST(another_directory_of_the_stages_name_is_not_removed)
{
	prepare(true);
	place();
	exchange();
	take_away();
	rename_in("h/.drover-d", "h/moved", 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h/.drover-d", 0700, NULL), 0);
	put("h/.drover-d/precious", "theirs");
	recover_but_for_the_stage(RECOVERY_FINISHED);
	ck_assert_str_eq(content("h/.drover-d/precious"), "theirs");
	check_new();
}
END_TEST

START_TEST(a_link_of_the_stages_name_is_not_followed)
{
	prepare(true);
	place();
	exchange();
	take_away();
	rename_in("h/.drover-d", "h/moved", 0);
	ck_assert_int_eq(symlinkat("moved", test_dir_fd(), "h/.drover-d"), 0);
	recover_but_for_the_stage(RECOVERY_FINISHED);
	ck_assert_str_eq(content("h/moved/1"), "old");
	check_new();
}
END_TEST

START_TEST(undoing_goes_on)
{
	prepare(true);
	place();
	exchange();
	take_away();
	ck_assert_int_eq(journal_mark_undoing(&root, "g"), 0);
	recover(RECOVERY_UNDONE);
	check_old();
}
END_TEST

START_TEST(undoing_after_the_stage_has_gone_ends_well)
{
	prepare(true);
	ck_assert_int_eq(journal_mark_undoing(&root, "g"), 0);
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "h/.drover-d", NULL), 0);
	set_time("h", (struct timespec){ .tv_sec = 1 });
	recover(RECOVERY_UNDONE);
	check_old();
}
END_TEST

START_TEST(torn_operations_count_as_none)
{
	cleanup_with(closep) int fd = -1;
	struct stat st;

	prepare(true);
	fd = openat(root.instructions_fd, "g-journal", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(pwrite(fd, "\0", 1, st.st_size - 20), 1);
	ck_assert_int_eq(ftruncate(fd, st.st_size - 1), 0);
	recover(RECOVERY_UNDONE);
	check_old();
}
END_TEST

START_TEST(a_journal_torn_at_any_byte_is_undone)
{
	struct stat st;

	prepare(true);
	ck_assert_int_eq(fstatat(root.instructions_fd, "g-journal", &st, 0), 0);
	/* Shorter than the intent: nothing was made, so nothing is known of a stage. */
	for (off_t n = st.st_size - 1; n >= 0; n--) {
		cleanup_with(closep) int fd = openat(
			root.instructions_fd, "g-journal", O_RDWR | O_CLOEXEC);
		struct journal journal;

		ck_assert_int_eq(ftruncate(fd, n), 0);
		ck_assert_int_eq(journal_read(&journal, &root, "g", &failure), 0);
		ck_assert(!journal.complete);
		ck_assert_uint_eq(journal.section.n_ops, 0);
		journal_done(&journal);
	}
}
END_TEST

START_TEST(what_others_put_there_since_is_left_alone_and_named)
{
	prepare(true);
	place();
	put("h/both", "theirs");
	recover(RECOVERY_FINISHED);
	ck_assert_str_eq(content("h/new"), "new");
	ck_assert_str_eq(content("h/both"), "theirs");
	ck_assert_str_eq(content("h/old"), "(none)");
	ck_assert_ptr_nonnull(strstr(failure.text, "h/both"));
}
END_TEST

START_TEST(another_directory_in_place_of_the_stages_stops_it)
{
	enum install_recovery got;

	prepare(true);
	place();
	rename_in("h", "away", 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "h", 0755, NULL), 0);
	ck_assert_int_eq(install_recover(&root, "g", &got, &failure), -ESTALE);
	ck_assert_ptr_nonnull(strstr(failure.text, "is its file system mounted?"));
	ck_assert(file_exists(root.instructions_fd, "g-journal"));
	/* Once it is back, all ends well. */
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "h", NULL), 0);
	rename_in("away", "h", 0);
	recover(RECOVERY_FINISHED);
	check_new();
}
END_TEST

START_TEST(a_second_install_is_refused_while_there_is_a_journal)
{
	prepare(false);
	ck_assert_int_eq(journal_create(&root, "g",
				 &(struct journal_section){ .deployment = "d" }, &failure),
		-EBUSY);
	ck_assert_ptr_nonnull(strstr(failure.text, "must be recovered first"));
}
END_TEST

START_TEST(what_is_no_journal_is_not_acted_upon)
{
	enum install_recovery got;

	ck_assert_int_eq(root_open(&root, test_dir(), true, &failure), 0);
	ck_assert_int_eq(file_write_atomic(root.instructions_fd, "g-journal",
				 "{\"version\": 17, \"stages\": []}", 29, 0600, NULL),
		0);
	ck_assert_int_eq(install_recover(&root, "g", &got, &failure), -EINVAL);
	ck_assert(file_exists(root.instructions_fd, "g-journal"));
}
END_TEST

TESTS("recover", without_a_journal_there_is_nothing_to_do, an_intent_alone_is_undone,
	nothing_done_is_undone, one_done_is_finished,
	they_may_have_reached_the_disk_in_any_order, all_done_and_the_stage_gone_is_finished,
	a_directory_that_gave_way_goes,
	a_directory_that_gave_way_comes_back_with_what_others_put_there,
	once_old_things_are_being_dropped_nothing_comes_back,
	another_directory_of_the_stages_name_is_not_removed,
	a_link_of_the_stages_name_is_not_followed, undoing_goes_on,
	undoing_after_the_stage_has_gone_ends_well, torn_operations_count_as_none,
	a_journal_torn_at_any_byte_is_undone,
	what_others_put_there_since_is_left_alone_and_named,
	another_directory_in_place_of_the_stages_stops_it,
	a_second_install_is_refused_while_there_is_a_journal,
	what_is_no_journal_is_not_acted_upon)
