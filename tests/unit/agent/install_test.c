/* SPDX-License-Identifier: Apache-2.0 */
#include "install_case.h"

START_TEST(files_links_and_directories_land_as_they_are)
{
	struct stat st;

	put("bundle/app/a", "a", 0640);
	put("bundle/app/sub/b", "b", 0755);
	put_link("bundle/app/link", "a");
	put_link("bundle/app/dirlink", "sub");
	put_link("bundle/app/dangling", "/nowhere");
	make("bundle/app/empty");
	ck_assert_int_eq(fchmodat(test_dir_fd(), "bundle/app/sub", 02710, 0), 0);
	ck_assert_int_eq(fchownat(test_dir_fd(), "bundle/app/a", 12, 34, 0), 0);
	must_deploy("");
	st = look("h/app/a");
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_uint_eq(st.st_uid, 12);
	ck_assert_uint_eq(st.st_gid, 34);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1500000000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 7);
	ck_assert_str_eq(content("h/app/sub/b"), "b");
	ck_assert_str_eq(content("h/app/link"), "-> a");
	ck_assert_str_eq(content("h/app/dirlink"), "-> sub");
	ck_assert_str_eq(content("h/app/dangling"), "-> /nowhere");
	ck_assert_uint_eq(look("h/app/sub").st_mode, S_IFDIR | 02710);
	ck_assert_str_eq(content("h/app/empty"), "directory");
	ck_assert_int_eq(
		look("h/app/sub").st_mtim.tv_sec, look("bundle/app/sub").st_mtim.tv_sec);
	ck_assert(!file_exists(test_dir_fd(), "h/.drover-d-1"));
	ck_assert(!file_exists(root.instructions_fd, "g-journal"));
}
END_TEST

START_TEST(state_files_are_as_the_reference_writes_them)
{
	cleanup_with(freep) char *cleanup = NULL;
	cleanup_with(freep) char *pointer = NULL;

	put("bundle/app/a", "a", 0644);
	put("bundle/app/new\nline", "x", 0644);
	put("bundle/app/blank ", "x", 0644);
	must_deploy("");
	/* Names that the line format would distort are left out. */
	cleanup = xasprintf("%s/h/app\n%s/h/app/a\n", test_dir(), test_dir());
	ck_assert_str_eq(content("state/deployment-instructions/g-cleanup"), cleanup);
	pointer = root_deployment_dir(&root, "g", "d-1");
	ck_assert_str_eq(
		content("state/deployment-instructions/g_last_successful_install"), pointer);
	ck_assert_ptr_nonnull(strstr(content("state/deployment-instructions/g-install.json"),
		"{\"type\":\"copy\",\"source\":\""));
}
END_TEST

START_TEST(what_is_the_same_is_not_written_again)
{
	struct stat before;
	struct stat after;
	struct stat directory;

	put("bundle/app/a", "a", 0640);
	put_link("bundle/app/link", "a");
	must_deploy("");
	before = look("h/app/a");
	directory = look("h");
	must_deploy("");
	after = look("h/app/a");
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
	ck_assert_int_eq(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
	ck_assert_int_eq(directory.st_ctim.tv_nsec, look("h").st_ctim.tv_nsec);
	ck_assert_str_eq(plan_of(""), "same /h/app\nsame /h/app/a\nsame /h/app/link\n");
}
END_TEST

START_TEST(other_content_of_the_same_size_and_time_is_seen)
{
	put("bundle/app/a", "one", 0640);
	put("bundle/app/b", "b", 0640);
	must_deploy("");
	/* Made while the old one is there: a free inode number may be given out again. */
	put("h/app/new", "two", 0640);
	ck_assert_int_eq(renameat(test_dir_fd(), "h/app/new", test_dir_fd(), "h/app/a"), 0);
	ck_assert_str_eq(plan_of(""),
		"same /h/app\nreplaced /h/app/a: was changed by others\nsame /h/app/b\n");
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "one");
}
END_TEST

START_TEST(a_fifo_in_place_of_a_file_of_ours_is_not_waited_for)
{
	put("bundle/app/a", "a", 0640);
	must_deploy("");
	gone("h/app/a");
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "h/app/a", 0600), 0);
	ck_assert_int_lt(deploy(""), 0);
	gone("h/app/a");
	gone("bundle/app/a");
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "bundle/app/a", 0600), 0);
	ck_assert_int_lt(deploy(""), 0);
}
END_TEST

START_TEST(what_the_revision_lacks_is_removed_and_foreign_files_stay)
{
	put("bundle/app/a", "a", 0644);
	put("bundle/app/old/x", "x", 0644);
	put("bundle/app/kept/x", "x", 0644);
	must_deploy("");
	put("h/app/kept/theirs", "theirs", 0644);
	gone("bundle/app/old");
	gone("bundle/app/kept");
	ck_assert_str_eq(plan_of(""), "same /h/app\nsame /h/app/a\nkept /h/app/kept: not "
				      "empty\nremoved /h/app/kept/x\n"
				      "removed /h/app/old\nremoved /h/app/old/x\n");
	must_deploy("");
	ck_assert_ptr_null(content("h/app/old"));
	ck_assert_ptr_null(content("h/app/kept/x"));
	ck_assert_str_eq(content("h/app/kept/theirs"), "theirs");
	/* The directory stays known as ours, and goes once it can. */
	gone("h/app/kept/theirs");
	must_deploy("");
	ck_assert_ptr_null(content("h/app/kept"));
}
END_TEST

START_TEST(a_directory_of_many_files_is_removed)
{
	put("bundle/app/a", "a", 0644);
	for (unsigned i = 0; i < 300; i++) {
		cleanup_with(freep) char *path = xasprintf("bundle/app/old/%u/%u", i % 3, i);

		put(path, "x", 0644);
	}
	must_deploy("");
	ck_assert_str_eq(content("h/app/old/2/299"), "x");
	gone("bundle/app/old");
	must_deploy("");
	ck_assert_ptr_null(content("h/app/old"));
	ck_assert_str_eq(content("h/app/a"), "a");
}
END_TEST

START_TEST(a_link_in_place_of_a_file_is_replaced_and_not_written_through)
{
	put("bundle/app/a", "new", 0644);
	must_deploy("");
	put("other/victim", "precious", 0600);
	put_link("h/app/a", "../../other/victim");
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "new");
	ck_assert_str_eq(content("other/victim"), "precious");
}
END_TEST

START_TEST(directories_links_and_files_change_places)
{
	put("bundle/app/dir-to-link/x/y", "y", 0644);
	put("bundle/app/dir-to-file/x", "x", 0644);
	put("bundle/app/file-to-dir", "f", 0644);
	put_link("bundle/app/link-to-dir", "file-to-dir");
	must_deploy("");
	gone("bundle/app");
	put("bundle/app/dir-to-file", "f", 0644);
	put("bundle/app/file-to-dir/x", "x", 0644);
	put("bundle/app/link-to-dir/x", "x", 0644);
	put_link("bundle/app/dir-to-link", "file-to-dir");
	must_deploy("");
	ck_assert_str_eq(content("h/app/dir-to-link"), "-> file-to-dir");
	ck_assert_str_eq(content("h/app/dir-to-file"), "f");
	ck_assert_str_eq(content("h/app/file-to-dir/x"), "x");
	ck_assert_str_eq(content("h/app/link-to-dir"), "directory");
	ck_assert_str_eq(content("h/app/link-to-dir/x"), "x");
}
END_TEST

START_TEST(a_directory_with_a_foreign_file_does_not_become_a_link)
{
	put("bundle/app/d/x", "x", 0644);
	must_deploy("");
	put("h/app/d/theirs", "theirs", 0644);
	gone("bundle/app/d");
	put_link("bundle/app/d", "elsewhere");
	ck_assert_int_eq(deploy(""), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-DIRECTORY-KEPT");
	ck_assert_ptr_nonnull(strstr(problems.items[0].text, "h/app/d/theirs"));
	ck_assert_str_eq(content("h/app/d/x"), "x");
}
END_TEST

START_TEST(roots_links_on_the_way_are_used_and_others_are_refused)
{
	put("bundle/app/sub/a", "a", 0644);
	make("h/real");
	put_link("h/app", "real");
	must_deploy("");
	ck_assert_str_eq(content("h/app"), "-> real");
	ck_assert_str_eq(content("h/real/sub/a"), "a");
	ck_assert_int_eq(
		fchownat(test_dir_fd(), "h/app", 65534, 65534, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_eq(deploy(""), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-LINK");
}
END_TEST

START_TEST(a_running_program_is_replaced)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "h/app/sleep");
	cleanup_with(freep) char *from = path_join(test_dir(), "bundle/app/sleep");
	cleanup_with(freep) char *copy = NULL;
	pid_t pid;

	make("bundle/app");
	copy = xasprintf("cp /bin/sleep %s", from);
	ck_assert_int_eq(system(copy), 0);
	must_deploy("");
	pid = fork();
	if (pid == 0) {
		(void)execl(path, "sleep", "30", NULL);
		_exit(1);
	}
	put("bundle/app/sleep", "#!/bin/sh\n", 0755);
	must_deploy("");
	ck_assert_str_eq(content("h/app/sleep"), "#!/bin/sh\n");
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
}
END_TEST

TESTS("install", files_links_and_directories_land_as_they_are,
	state_files_are_as_the_reference_writes_them, what_is_the_same_is_not_written_again,
	other_content_of_the_same_size_and_time_is_seen,
	a_fifo_in_place_of_a_file_of_ours_is_not_waited_for,
	what_the_revision_lacks_is_removed_and_foreign_files_stay,
	a_directory_of_many_files_is_removed,
	a_link_in_place_of_a_file_is_replaced_and_not_written_through,
	directories_links_and_files_change_places,
	a_directory_with_a_foreign_file_does_not_become_a_link,
	roots_links_on_the_way_are_used_and_others_are_refused, a_running_program_is_replaced)
