/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

START_TEST(a_root_is_made_with_its_instructions)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "a/b/");
	cleanup_with(root_done) struct root root = { 0 };
	struct error err = ERROR_NONE;
	struct stat st;

	(void)umask(077);
	ck_assert_int_eq(root_open(&root, path, true, &err), 0);
	ck_assert_int_eq(fstatat(test_dir_fd(), "a/b/deployment-instructions", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0755);
	ck_assert_int_eq(fstat(root.instructions_fd, &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_int_ne(root.path[strlen(root.path) - 1], '/');
}
END_TEST

START_TEST(a_missing_root_is_not_made_unasked)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "none");
	struct root root = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(root_open(&root, path, false, &err), -ENOENT);
	ck_assert_ptr_null(root.path);
	ck_assert(!file_exists(test_dir_fd(), "none"));
	ck_assert_int_eq(root_open(&root, "none", false, &err), -EINVAL);
}
END_TEST

START_TEST(a_noexec_mount_is_refused_and_named)
{
	struct root root = { 0 };
	struct error err = ERROR_NONE;

	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", test_dir(), "tmpfs", MS_NOEXEC, NULL) < 0)
		return; /* not root: cannot be arranged */
	ck_assert_int_eq(root_open(&root, test_dir(), true, &err), -EACCES);
	ck_assert_ptr_nonnull(strstr(err.text, "mounted noexec"));
	ck_assert_ptr_nonnull(strstr(err.text, test_dir()));
	(void)umount2(test_dir(), MNT_DETACH);
}
END_TEST

START_TEST(only_a_plain_component_is_a_safe_id)
{
	char longest[202] = { 0 };

	ck_assert(root_id_is_safe("d-ABC123DEF"));
	ck_assert(root_id_is_safe("4fb7a8f0-1e2d-4c3b-9a87-6f5e4d3c2b1a"));
	ck_assert(!root_id_is_safe(""));
	ck_assert(!root_id_is_safe("."));
	ck_assert(!root_id_is_safe(".."));
	ck_assert(!root_id_is_safe("a/b"));
	ck_assert(!root_id_is_safe("a\nb"));
	ck_assert(!root_id_is_safe("deployment-instructions"));
	ck_assert(!root_id_is_safe("deployment-logs"));
	ck_assert(!root_id_is_safe("ongoing-deployment"));
	ck_assert(root_id_is_safe("deployment-logs-2"));
	ck_assert(!root_id_is_safe("\xc3\xa4"));
	(void)memset(longest, 'x', 200);
	ck_assert(root_id_is_safe(longest));
	longest[200] = 'x';
	ck_assert(!root_id_is_safe(longest));
}
END_TEST

START_TEST(paths_have_the_layout_that_scripts_know)
{
	struct root root = { .fd = -1, .instructions_fd = -1, .path = xstrdup("/srv/root") };
	cleanup_with(freep) char *deployment = root_deployment_dir(&root, "g", "d-1");
	cleanup_with(freep) char *archive = root_archive_dir(&root, "g", "d-1");
	cleanup_with(freep) char *name = root_instruction_name("g", "-install.json");

	ck_assert_str_eq(deployment, "/srv/root/g/d-1");
	ck_assert_str_eq(archive, "/srv/root/g/d-1/deployment-archive");
	ck_assert_str_eq(name, "g-install.json");
	root_done(&root);
}
END_TEST

START_TEST(a_pointer_is_written_without_newline_and_read_with_one)
{
	cleanup_with(root_done) struct root root = { 0 };
	cleanup_with(freep) char *target = NULL;
	struct error err = ERROR_NONE;
	struct stat st;

	ck_assert_int_eq(root_open(&root, test_dir(), true, &err), 0);
	ck_assert_int_eq(
		root_write_pointer(&root, "g", "_last_successful_install", "/r/g/d-1", &err),
		0);
	ck_assert_int_eq(fstatat(root.instructions_fd, "g_last_successful_install", &st, 0), 0);
	ck_assert_int_eq(st.st_size, 8);
	ck_assert_int_eq(
		root_read_pointer(&root, "g", "_last_successful_install", &target, &err), 0);
	ck_assert_str_eq(target, "/r/g/d-1");
	freep(&target);

	ck_assert_int_eq(file_write_atomic(root.instructions_fd, "g_most_recent_install",
				 "/r/g/d-2\n", 9, 0644, &err),
		0);
	ck_assert_int_eq(
		root_read_pointer(&root, "g", "_most_recent_install", &target, &err), 0);
	ck_assert_str_eq(target, "/r/g/d-2");
}
END_TEST

START_TEST(no_pointer_is_no_error_and_a_spoilt_one_is_named)
{
	cleanup_with(root_done) struct root root = { 0 };
	char *target = NULL;
	struct error err = ERROR_NONE;

	ck_assert_int_eq(root_open(&root, test_dir(), true, &err), 0);
	ck_assert_int_eq(
		root_read_pointer(&root, "g", "_last_successful_install", &target, &err), 0);
	ck_assert_ptr_null(target);
	ck_assert_int_eq(file_write_atomic(root.instructions_fd, "g_last_successful_install",
				 "/a\0b", 4, 0644, &err),
		0);
	ck_assert_int_eq(
		root_read_pointer(&root, "g", "_last_successful_install", &target, &err),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "g_last_successful_install"));
}
END_TEST

TESTS("root", a_root_is_made_with_its_instructions, a_missing_root_is_not_made_unasked,
	a_noexec_mount_is_refused_and_named, only_a_plain_component_is_a_safe_id,
	paths_have_the_layout_that_scripts_know,
	a_pointer_is_written_without_newline_and_read_with_one,
	no_pointer_is_no_error_and_a_spoilt_one_is_named)
