/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/loop.h"
#include "unit.h"

static struct buf archive;
static struct loop *loop;
static struct buf warnings;
static struct error result;

/* Appends an entry to `archive`, as tar of 1988 has it. */
static void add(const char *name, char type, const char *content, mode_t mode)
{
	char header[512] = { 0 };
	bool is_link = type == '1' || type == '2';
	size_t n = is_link ? 0 : strlen(content);
	unsigned sum = 0;

	memcpy(header, name, strlen(name));
	(void)snprintf(header + 100, 8, "%07o", (unsigned)mode);
	(void)snprintf(header + 108, 8, "%07o", 1234U);
	(void)snprintf(header + 116, 8, "%07o", 4321U);
	(void)snprintf(header + 124, 12, "%011o", (unsigned)n);
	(void)snprintf(header + 136, 12, "%011o", 1000000000U);
	memset(header + 148, ' ', 8);
	header[156] = type;
	if (is_link)
		memcpy(header + 157, content, strlen(content));
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	(void)snprintf(header + 148, 8, "%06o", sum);
	buf_append(&archive, header, sizeof(header));
	buf_append(&archive, content, n);
	while (archive.len % 512 != 0)
		buf_putc(&archive, '\0');
}

/* Ends the archive and writes it as "bundle.tar" into the test's directory. */
static void write_archive(void)
{
	char zeros[1024] = { 0 };
	struct error err = ERROR_NONE;

	buf_append(&archive, zeros, sizeof(zeros));
	ck_assert_int_eq(file_write_atomic(test_dir_fd(), "bundle.tar", archive.data,
				 archive.len, 0600, &err),
		0);
	buf_done(&archive);
}

static void on_warning(struct bundle_unpack *unpack, const char *text, void *userdata)
{
	(void)unpack;
	(void)userdata;
	buf_printf(&warnings, "%s\n", text);
}

static void on_done(
	struct bundle_unpack *unpack, int r, const struct error *err, void *userdata)
{
	(void)unpack;
	(void)userdata;
	result = *err;
	loop_exit(loop, r < 0);
}

static struct bundle_unpack *start(const char *source, const struct bundle_limits *limits)
{
	cleanup_with(freep) char *location = path_join(test_dir(), source);
	cleanup_with(freep) char *target = path_join(test_dir(), "target");
	struct bundle_unpack *unpack = NULL;
	struct error err = ERROR_NONE;

	ck_assert_int_eq(loop_new(&loop, &err), 0);
	if (bundle_unpack_start(&unpack, loop,
		    &(struct bundle_request){
			    .location = location, .target_dir = target, .limits = limits },
		    &(struct bundle_callbacks){ .on_warning = on_warning, .on_done = on_done },
		    &err) < 0)
		result = err;
	return unpack;
}

static int unpack_limited(const char *source, const struct bundle_limits *limits)
{
	struct bundle_unpack *unpack = start(source, limits);
	int r = unpack ? loop_run(loop, NULL) : 1;

	bundle_unpack_free(unpack);
	loop_free(loop);
	return r;
}

static int unpack(const char *source)
{
	return unpack_limited(source, NULL);
}

static void expect_nothing_left(void)
{
	ck_assert(!file_exists(test_dir_fd(), "target"));
	ck_assert(!file_exists(test_dir_fd(), "target.tmp"));
}

static struct stat look(const char *path)
{
	struct stat st;

	ck_assert_int_eq(fstatat(test_dir_fd(), path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void expect_content(const char *path, const char *content)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(file_read(test_dir_fd(), path, 1000, &text, NULL), 0);
	ck_assert_str_eq(text.data, content);
}

static void write_file(const char *path, const char *content)
{
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), path, content, strlen(content), 0644, NULL),
		0);
}

START_TEST(types_have_their_names)
{
	enum bundle_type type = BUNDLE_AUTO;

	ck_assert_int_eq(bundle_type_from_text(&type, "tar.zst"), 0);
	ck_assert_int_eq(type, BUNDLE_TAR_ZST);
	ck_assert_int_eq(bundle_type_from_text(&type, "rar"), -EINVAL);
	ck_assert_int_eq(bundle_type_from_text(&type, "auto"), -EINVAL);
	ck_assert_str_eq(bundle_type_name(BUNDLE_TGZ), "tgz");
}
END_TEST

START_TEST(a_location_must_fit_its_type)
{
	cleanup_with(freep) char *file = path_join(test_dir(), "file");
	struct error err = ERROR_NONE;
	enum bundle_type type;

	write_file("file", "x");
	ck_assert_int_eq(bundle_probe(&type, "/nonexistent", BUNDLE_AUTO, &err), -ENOENT);
	ck_assert_str_eq(
		err.text, "cannot find the bundle /nonexistent: No such file or directory");
	ck_assert_int_eq(bundle_probe(&type, file, BUNDLE_DIRECTORY, &err), -ENOTDIR);
	ck_assert_int_eq(bundle_probe(&type, "/tmp", BUNDLE_TAR, &err), -EISDIR);
	ck_assert_str_eq(err.text, "the bundle /tmp is a directory, not a file of type tar");
	ck_assert_int_eq(bundle_probe(&type, "/dev/null", BUNDLE_AUTO, &err), -EINVAL);
	ck_assert_int_eq(bundle_probe(&type, "/tmp", BUNDLE_AUTO, &err), 0);
	ck_assert_int_eq(type, BUNDLE_DIRECTORY);
	ck_assert_int_eq(bundle_probe(&type, file, BUNDLE_ZIP, &err), 0);
	ck_assert_int_eq(type, BUNDLE_ZIP);
}
END_TEST

START_TEST(an_archive_keeps_modes_owners_and_times)
{
	struct stat st;

	add("bin/", '5', "", 0750);
	add("bin/tool", '0', "content", 0751);
	add("link", '2', "bin/tool", 0777);
	add("same", '1', "bin/tool", 0751);
	add("implied/file", '0', "", 0600);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	expect_content("target/bin/tool", "content");
	st = look("target/bin/tool");
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0751);
	ck_assert(st.st_uid == 1234 && st.st_gid == 4321 && st.st_nlink == 2);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000000000);
	st = look("target/bin");
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0750);
	ck_assert(st.st_uid == 1234 && st.st_mtim.tv_sec == 1000000000);
	st = look("target/link");
	ck_assert(S_ISLNK(st.st_mode) && st.st_uid == 1234);
	ck_assert_uint_eq(look("target/implied").st_mode, S_IFDIR | 0755);
	ck_assert_uint_eq(look("target/implied").st_uid, 0);
	ck_assert_uint_eq(look("target").st_mode, S_IFDIR | 0755);
	ck_assert(!file_exists(test_dir_fd(), "target.tmp"));
}
END_TEST

START_TEST(files_of_many_directories_in_turns_land_in_theirs)
{
	for (int file = 'a'; file < 'd'; file++)
		for (int directory = 'a'; directory < 'z'; directory++) {
			char path[] = { directory, '/', 'd', '/', file, '\0' };
			char content[] = { directory, file, '\0' };

			add(path, '0', content, 0644);
		}
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	expect_content("target/a/d/a", "aa");
	expect_content("target/h/d/b", "hb");
	expect_content("target/i/d/c", "ic");
	expect_content("target/y/d/a", "ya");
}
END_TEST

START_TEST(a_directory_around_an_appspec_is_taken_off)
{
	add("repo-1/x", '0', "x", 0644);
	add("repo-1/AppSpec.notes", '0', "", 0644);
	add("repo-1/repo-1/x", '0', "y", 0644);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	expect_content("target/x", "x");
	expect_content("target/repo-1/x", "y");
}
END_TEST

START_TEST(a_directory_without_an_appspec_stays)
{
	add("d/sub/appspec.yml", '0', "x", 0644);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	ck_assert(file_exists(test_dir_fd(), "target/d/sub/appspec.yml"));
}
END_TEST

START_TEST(setuid_is_lost_with_a_warning)
{
	add("tool", '0', "x", 04755);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	ck_assert_uint_eq(look("target/tool").st_mode, S_IFREG | 0755);
	ck_assert_str_eq(warnings.data, "entry 'tool' loses its setuid bit; ask for such a "
					"mode in the appspec's permissions\n");
}
END_TEST

START_TEST(a_later_entry_replaces_an_earlier_one)
{
	add("a", '0', "one", 0600);
	add("a", '0', "two", 0644);
	add("l", '2', "a", 0777);
	add("l", '0', "three", 0644);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	expect_content("target/a", "two");
	expect_content("target/l", "three");
	ck_assert_uint_eq(look("target/a").st_mode, S_IFREG | 0644);
}
END_TEST

static void expect_refusal(const char *text)
{
	cleanup_with(freep) char *expected = NULL;

	write_archive();
	expected = xasprintf("cannot unpack %s/bundle.tar: %s", test_dir(), text);
	ck_assert_int_eq(unpack("bundle.tar"), 1);
	ck_assert_str_eq(result.text, expected);
	ck_assert_int_lt(result.code, 0);
	expect_nothing_left();
}

START_TEST(a_name_that_leads_outside_is_refused)
{
	add("good", '0', "x", 0644);
	add("a/../../evil", '0', "x", 0644);
	expect_refusal("entry 'a/../../evil' has '..' in its name");
}
END_TEST

START_TEST(writing_through_a_link_is_refused)
{
	add("d", '2', "e", 0777);
	add("d/file", '0', "x", 0644);
	expect_refusal("entry 'd/file' lies below a name that is a link or a file in the same "
		       "archive");
}
END_TEST

START_TEST(a_link_outside_by_way_of_another_is_refused)
{
	add("a/b/up", '2', "..", 0777);
	add("out", '2', "a/b/up/../..", 0777);
	expect_refusal("entry 'out' is a link that points outside the bundle");
}
END_TEST

START_TEST(a_link_outside_of_a_wrapper_is_refused)
{
	add("repo/appspec.yml", '0', "x", 0644);
	add("repo/l", '2', "../bundle.tar", 0777);
	expect_refusal("entry 'repo/l' is a link that points outside the bundle once the "
		       "directory around everything is taken off");
}
END_TEST

START_TEST(a_hard_link_to_a_link_is_refused)
{
	add("l", '2', "x", 0777);
	add("h", '1', "l", 0644);
	expect_refusal("entry 'h' is a hard link to something that is no regular file");
}
END_TEST

START_TEST(a_hard_link_to_what_is_not_there_is_refused)
{
	add("h", '1', "later", 0644);
	expect_refusal("entry 'h' is a hard link to a file that does not come before it in the "
		       "archive");
}
END_TEST

START_TEST(devices_and_fifos_are_refused)
{
	add("null", '3', "", 0644);
	expect_refusal("entry 'null' is a device");
	add("pipe", '6', "", 0644);
	expect_refusal("entry 'pipe' is a fifo");
}
END_TEST

START_TEST(a_file_in_place_of_a_directory_is_refused)
{
	add("d/", '5', "", 0755);
	add("d", '0', "x", 0644);
	expect_refusal("entry 'd' would replace a directory of the same archive");
}
END_TEST

START_TEST(too_many_entries_are_refused)
{
	add("a", '0', "", 0644);
	add("b", '0', "", 0644);
	write_archive();
	ck_assert_int_eq(
		unpack_limited("bundle.tar", &(struct bundle_limits){ 1, 1000, 200 }), 1);
	ck_assert(
		strstr(result.text, "entry 'b' is one more than 1 entries, the most allowed"));
	expect_nothing_left();
}
END_TEST

START_TEST(too_many_bytes_are_refused)
{
	add("a", '0', "12345", 0644);
	add("b", '0', "123456", 0644);
	write_archive();
	ck_assert_int_eq(
		unpack_limited("bundle.tar", &(struct bundle_limits){ 10, 10, 200 }), 1);
	ck_assert(strstr(
		result.text, "entry 'b' brings the bundle over 10 bytes, the most allowed"));
	expect_nothing_left();
}
END_TEST

START_TEST(a_file_that_is_cut_off_is_refused)
{
	struct error err = ERROR_NONE;

	add("a", '0', "12345", 0644);
	add("b", '0', "12345", 0644);
	for (size_t n = 0; n <= archive.len; n += 256) {
		ck_assert_int_eq(file_write_atomic(
					 test_dir_fd(), "cut.tar", archive.data, n, 0600, &err),
			0);
		ck_assert_int_eq(unpack("cut.tar"), 1);
		expect_nothing_left();
	}
	buf_done(&archive);
}
END_TEST

START_TEST(what_is_no_archive_is_refused)
{
	write_file("empty", "");
	ck_assert_int_eq(unpack("empty"), 1);
	ck_assert(strstr(result.text, "/empty: is empty"));
	write_file("text", "hello\n");
	ck_assert_int_eq(unpack("text"), 1);
	ck_assert(strstr(result.text, "/text: is not a zip, tar, tgz, tar.zst or tar.xz file"));
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 1);
	ck_assert(strstr(result.text, "/bundle.tar: has no entries"));
	expect_nothing_left();
}
END_TEST

START_TEST(what_stood_at_the_target_is_replaced_as_a_whole)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "target/old", 0755, NULL), 0);
	write_file("target/old/file", "x");
	add("repo/appspec.yml", '0', "new", 0644);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	expect_content("target/appspec.yml", "new");
	ck_assert(!file_exists(test_dir_fd(), "target/old"));
	ck_assert(!file_exists(test_dir_fd(), "target.tmp"));
}
END_TEST

START_TEST(what_stood_at_the_target_survives_a_failure)
{
	ck_assert_int_eq(mkdirat(test_dir_fd(), "target", 0755), 0);
	write_file("target/file", "x");
	write_file("text", "hello\n");
	ck_assert_int_eq(unpack("text"), 1);
	expect_content("target/file", "x");
}
END_TEST

START_TEST(what_a_killed_run_left_is_removed_first)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "target.tmp/half", 0755, NULL), 0);
	add("a", '0', "x", 0644);
	write_archive();
	ck_assert_int_eq(unpack("bundle.tar"), 0);
	ck_assert(file_exists(test_dir_fd(), "target/a"));
	ck_assert(!file_exists(test_dir_fd(), "target/half"));
	ck_assert(!file_exists(test_dir_fd(), "target.tmp"));
}
END_TEST

START_TEST(freeing_a_running_one_leaves_nothing)
{
	add("a", '0', "x", 0644);
	write_archive();
	bundle_unpack_free(start("bundle.tar", NULL));
	loop_free(loop);
	expect_nothing_left();
}
END_TEST

START_TEST(a_directory_is_copied_with_all_that_belongs_to_it)
{
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 7, .tv_nsec = 9 } };
	char value[10];
	struct stat st;
	int fd;

	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "app/empty", 0750, NULL), 0);
	write_file("app/file", "content");
	ck_assert_int_eq(symlinkat("/outside", test_dir_fd(), "app/link"), 0);
	ck_assert_int_eq(linkat(test_dir_fd(), "app/file", test_dir_fd(), "app/second", 0), 0);
	ck_assert_int_eq(fchownat(test_dir_fd(), "app/file", 12, 34, 0), 0);
	ck_assert_int_eq(fchmodat(test_dir_fd(), "app/file", 06751, 0), 0);
	fd = openat(test_dir_fd(), "app/file", O_RDONLY | O_CLOEXEC);
	if (fsetxattr(fd, "user.x", "y", 1, 0) < 0)
		ck_assert_int_eq(errno, EOPNOTSUPP);
	ck_assert_int_eq(futimens(fd, times), 0);
	ck_assert_int_eq(utimensat(test_dir_fd(), "app/empty", times, 0), 0);

	ck_assert_int_eq(unpack("app"), 0);
	expect_content("target/file", "content");
	st = look("target/file");
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0751);
	ck_assert(st.st_uid == 12 && st.st_gid == 34 && st.st_nlink == 1);
	ck_assert(st.st_mtim.tv_sec == 7 && st.st_mtim.tv_nsec == 9);
	st = look("target/empty");
	ck_assert(st.st_mode == (S_IFDIR | 0750) && st.st_mtim.tv_sec == 7);
	ck_assert(S_ISLNK(look("target/link").st_mode));
	if (fgetxattr(fd, "user.x", value, sizeof(value)) == 1) {
		cleanup_with(closep) int copy = openat(
			test_dir_fd(), "target/file", O_RDONLY | O_CLOEXEC);

		ck_assert_int_eq(fgetxattr(copy, "user.x", value, sizeof(value)), 1);
	}
	ck_assert_int_eq(close(fd), 0);
	ck_assert(strstr(warnings.data, "file loses its setuid bit"));
}
END_TEST

START_TEST(a_directory_with_a_fifo_is_refused)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "app/d", 0750, NULL), 0);
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "app/d/pipe", 0600), 0);
	ck_assert_int_eq(unpack("app"), 1);
	ck_assert(strstr(result.text,
		"/app: d/pipe is a fifo, socket or device, which a bundle cannot hold"));
	expect_nothing_left();
}
END_TEST

START_TEST(a_directory_is_not_copied_into_itself)
{
	ck_assert_int_eq(unpack(""), 1);
	ck_assert(strstr(result.text, "contains the directory it would be copied to"));
	expect_nothing_left();
}
END_TEST

Suite *suite(void)
{
	static const TTest *tests[100];
	const TTest *const by_anyone[] = { types_have_their_names, a_location_must_fit_its_type,
		a_directory_with_a_fifo_is_refused, a_directory_is_not_copied_into_itself };
	const TTest *const by_root[] = { an_archive_keeps_modes_owners_and_times,
		files_of_many_directories_in_turns_land_in_theirs,
		a_directory_around_an_appspec_is_taken_off,
		a_directory_without_an_appspec_stays, setuid_is_lost_with_a_warning,
		a_later_entry_replaces_an_earlier_one, a_name_that_leads_outside_is_refused,
		writing_through_a_link_is_refused, a_link_outside_by_way_of_another_is_refused,
		a_link_outside_of_a_wrapper_is_refused, a_hard_link_to_a_link_is_refused,
		a_hard_link_to_what_is_not_there_is_refused, devices_and_fifos_are_refused,
		a_file_in_place_of_a_directory_is_refused, too_many_entries_are_refused,
		too_many_bytes_are_refused, a_file_that_is_cut_off_is_refused,
		what_is_no_archive_is_refused, what_stood_at_the_target_is_replaced_as_a_whole,
		what_stood_at_the_target_survives_a_failure,
		what_a_killed_run_left_is_removed_first, freeing_a_running_one_leaves_nothing,
		a_directory_is_copied_with_all_that_belongs_to_it };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(by_anyone); i++)
		tests[n++] = by_anyone[i];
	for (size_t i = 0; i < ARRAY_SIZE(by_root) && geteuid() == 0; i++)
		tests[n++] = by_root[i];
	return suite_of("bundle", tests);
}
