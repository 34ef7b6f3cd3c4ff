/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

START_TEST(an_atomic_write_replaces_and_leaves_no_temporary)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(file_write_atomic(test_dir_fd(), "x", "one", 3, 0600, &err), 0);
	ck_assert_int_eq(file_write_atomic(test_dir_fd(), "x", "two", 3, 0640, &err), 0);
	ck_assert_int_eq(file_read(test_dir_fd(), "x", 10, &text, &err), 0);
	ck_assert_str_eq(text.data, "two");
	ck_assert(!file_exists(test_dir_fd(), ".x.tmp"));
}
END_TEST

START_TEST(a_file_over_the_limit_is_refused)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(file_write_atomic(test_dir_fd(), "x", "12345", 5, 0600, &err), 0);
	ck_assert_int_eq(file_read(test_dir_fd(), "x", 4, &text, &err), -EFBIG);
	ck_assert_str_eq(err.text, "x is larger than 4 bytes, the most allowed");
}
END_TEST

START_TEST(links_and_fifos_are_not_read)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(symlinkat("/etc/passwd", test_dir_fd(), "link"), 0);
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "fifo", 0600), 0);
	ck_assert_int_eq(file_read(test_dir_fd(), "link", 99, &text, NULL), -ELOOP);
	ck_assert_int_eq(file_read(test_dir_fd(), "fifo", 99, &text, NULL), -EINVAL);
}
END_TEST

START_TEST(a_tree_is_removed_without_following_links)
{
	struct error err = ERROR_NONE;

	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "tree/a/b", 0700, &err), 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "other", 0700, &err), 0);
	ck_assert_int_eq(file_write_atomic(test_dir_fd(), "other/keep", "", 0, 0600, &err), 0);
	ck_assert_int_eq(symlinkat("../../other", test_dir_fd(), "tree/a/link"), 0);
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "tree", &err), 0);
	ck_assert(!file_exists(test_dir_fd(), "tree"));
	ck_assert(file_exists(test_dir_fd(), "other/keep"));
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "tree", &err), 0);
}
END_TEST

START_TEST(a_tree_deeper_than_descriptors_and_paths_reach_is_removed)
{
	cleanup_with(closep) int fd = fcntl(test_dir_fd(), F_DUPFD_CLOEXEC, 0);
	struct error err = ERROR_NONE;

	for (int i = 0; i < 3000; i++) {
		int next;

		ck_assert_int_eq(mkdirat(fd, "d", 0700), 0);
		ck_assert_int_eq(symlinkat("x", fd, "l"), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		(void)close(fd);
		fd = next;
	}
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), "d", &err), 0);
	ck_assert(!file_exists(test_dir_fd(), "d"));
}
END_TEST

START_TEST(what_is_mounted_in_a_tree_is_not_removed_with_it)
{
	cleanup_with(freep) char *outside = path_join(test_dir(), "outside");
	cleanup_with(freep) char *inside = path_join(test_dir(), "tree/inside");
	cleanup_with(freep) char *kept = path_join(test_dir(), "outside/kept");
	/* By the whole path: the descriptor does not see the new mount. */
	cleanup_with(freep) char *tree = path_join(test_dir(), "tree");
	struct error err = ERROR_NONE;

	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "outside/kept", 0755, NULL), 0);
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), "tree/inside", 0755, NULL), 0);
	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(outside, inside, "none", MS_BIND, NULL) < 0)
		return; /* not root: cannot be arranged */
	ck_assert_int_lt(file_remove_tree(AT_FDCWD, tree, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot remove inside in "));
	ck_assert_int_eq(access(kept, F_OK), 0);
	ck_assert_int_eq(umount2(inside, MNT_DETACH), 0);
	ck_assert_int_eq(file_remove_tree(AT_FDCWD, tree, &err), 0);
	ck_assert_int_eq(access(kept, F_OK), 0);
}
END_TEST

START_TEST(nothing_opens_outside_of_the_directory)
{
	ck_assert_int_eq(symlinkat("/etc", test_dir_fd(), "out"), 0);
	ck_assert_int_eq(file_open_beneath(test_dir_fd(), "../x", O_RDONLY, 0), -EXDEV);
	ck_assert_int_eq(file_open_beneath(test_dir_fd(), "/etc/passwd", O_RDONLY, 0), -EXDEV);
	ck_assert_int_eq(file_open_beneath(test_dir_fd(), "out/passwd", O_RDONLY, 0), -EXDEV);
}
END_TEST

START_TEST(a_large_file_is_copied_whole)
{
	cleanup_with(buf_done) struct buf data = { 0 };
	cleanup_with(buf_done) struct buf copy = { 0 };
	cleanup_with(closep) int from = -1;
	cleanup_with(closep) int to = -1;
	struct error err = ERROR_NONE;
	bool may_reflink = true;

	while (data.len < 700000)
		buf_printf(&data, "%zu,", data.len);
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), "a", data.data, data.len, 0600, &err), 0);
	from = openat(test_dir_fd(), "a", O_RDONLY | O_CLOEXEC);
	to = openat(test_dir_fd(), "b", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(file_copy_data(from, to, (off_t)data.len, &may_reflink), 0);
	ck_assert_int_eq(file_read(test_dir_fd(), "b", data.len, &copy, &err), 0);
	ck_assert_uint_eq(copy.len, data.len);
	ck_assert_int_eq(memcmp(copy.data, data.data, data.len), 0);
}
END_TEST

static const struct {
	const char *path;
	const char *expected;
} normal_forms[] = {
	{ "/", "/" },
	{ "//a//b/", "/a/b" },
	{ "/./a/.", "/a" },
	{ "x/y", "/base/x/y" },
	{ "", "/base" },
	{ "/a/../b", "/a/../b" },
};

START_TEST(paths_are_normalised)
{
	for (size_t i = 0; i < ARRAY_SIZE(normal_forms); i++) {
		cleanup_with(freep) char *path = path_normalise("/base", normal_forms[i].path);

		ck_assert_str_eq(path, normal_forms[i].expected);
	}
}
END_TEST

START_TEST(below_means_whole_components)
{
	ck_assert(path_is_below("/a/b", "/a"));
	ck_assert(path_is_below("/a", "/a"));
	ck_assert(path_is_below("/a", "/"));
	ck_assert(!path_is_below("/ab", "/a"));
	ck_assert(path_has_dotdot("a/../b"));
	ck_assert(path_has_dotdot(".."));
	ck_assert(!path_has_dotdot("a..b/..c/d.."));
}
END_TEST

TESTS("file", an_atomic_write_replaces_and_leaves_no_temporary,
	a_file_over_the_limit_is_refused, links_and_fifos_are_not_read,
	a_tree_is_removed_without_following_links,
	a_tree_deeper_than_descriptors_and_paths_reach_is_removed,
	what_is_mounted_in_a_tree_is_not_removed_with_it,
	nothing_opens_outside_of_the_directory, a_large_file_is_copied_whole,
	paths_are_normalised, below_means_whole_components)
