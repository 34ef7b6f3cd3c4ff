/* SPDX-License-Identifier: Apache-2.0 */
#include "install_case.h"

START_TEST(mounts_in_the_destination_are_staged_on_their_own)
{
	cleanup_with(freep) char *bound = path_join(test_dir(), "h/app/bound");
	cleanup_with(freep) char *other = path_join(test_dir(), "h/app/other");
	cleanup_with(freep) char *outside = path_join(test_dir(), "outside");

	put("bundle/app/bound/a", "a", 0644);
	put("bundle/app/bound/gone", "a", 0644);
	put("bundle/app/other/b/c", "c", 0644);
	make("h/app/bound");
	make("h/app/other");
	make("outside");
	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount(outside, bound, "none", MS_BIND, NULL) < 0 ||
		mount("tmpfs", other, "tmpfs", 0, NULL) < 0)
		return; /* not root: cannot be arranged */
	must_deploy("");
	ck_assert_str_eq(content("outside/a"), "a");
	ck_assert_str_eq(content("h/app/other/b/c"), "c");
	gone("bundle/app/bound/gone");
	put("bundle/app/other/b/c", "d", 0644);
	must_deploy("");
	ck_assert_ptr_null(content("outside/gone"));
	ck_assert_str_eq(content("h/app/other/b/c"), "d");
	ck_assert(!file_exists(test_dir_fd(), "h/app/other/.drover-d-2"));
	(void)umount2(bound, MNT_DETACH);
	(void)umount2(other, MNT_DETACH);
}
END_TEST

/* Mounts of its own for this test; false if not root. */
static bool own_mounts(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

START_TEST(a_directory_with_a_mount_inside_does_not_become_a_link)
{
	cleanup_with(freep) char *bound = path_join(test_dir(), "h/app/d/m");
	cleanup_with(freep) char *outside = path_join(test_dir(), "outside");

	put("bundle/app/d/m/y", "y", 0644);
	put("outside/y", "precious", 0644);
	must_deploy("");
	if (!own_mounts() || mount(outside, bound, "none", MS_BIND, NULL) < 0)
		return;
	gone("bundle/app/d");
	put_link("bundle/app/d", "elsewhere");
	ck_assert_int_lt(deploy(""), 0);
	ck_assert(has_problem("E-DIRECTORY-KEPT"));
	ck_assert_str_eq(content("outside/y"), "precious");
	(void)umount2(bound, MNT_DETACH);
	must_deploy("");
	ck_assert_str_eq(content("h/app/d"), "-> elsewhere");
}
END_TEST

START_TEST(a_file_mounted_over_an_old_one_is_a_conflict)
{
	cleanup_with(freep) char *over = path_join(test_dir(), "h/app/gone");
	cleanup_with(freep) char *outside = path_join(test_dir(), "outside/y");

	put("bundle/app/gone", "g", 0644);
	put("bundle/app/a", "a", 0644);
	put("outside/y", "precious", 0644);
	must_deploy("");
	if (!own_mounts() || mount(outside, over, "none", MS_BIND, NULL) < 0)
		return;
	gone("bundle/app/gone");
	ck_assert_int_lt(deploy(""), 0);
	ck_assert(has_problem("E-MOUNT-POINT"));
	(void)umount2(over, MNT_DETACH);
	must_deploy("");
	ck_assert_ptr_null(content("h/app/gone"));
	ck_assert_str_eq(content("outside/y"), "precious");
}
END_TEST

static bool set_immutable(const char *path, bool immutable)
{
	cleanup_with(freep) char *whole = path_join(test_dir(), path);
	cleanup_with(closep) int fd = open(whole, O_RDONLY | O_CLOEXEC);
	int flags = 0;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return false;
	flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

START_TEST(an_immutable_directory_that_need_not_change_is_no_obstacle)
{
	put("bundle/app/a", "a", 0644);
	put("bundle/app/d/b", "b", 0644);
	must_deploy("");
	if (!set_immutable("h/app/d", true))
		return; /* not root, or a file system without */
	put("bundle/app/a", "A", 0644);
	ck_assert_int_eq(deploy(""), 0);
	ck_assert(set_immutable("h/app/d", false));
	ck_assert_str_eq(content("h/app/a"), "A");
}
END_TEST

START_TEST(an_immutable_file_in_a_directory_that_goes_holds_nothing_up)
{
	enum install_recovery recovery;

	put("bundle/app/d/x", "x", 0644);
	must_deploy("");
	if (!set_immutable("h/app/d/x", true))
		return; /* not root, or a file system without */
	gone("bundle/app/d");
	put_link("bundle/app/d", "elsewhere");
	must_deploy("");
	ck_assert_ptr_nonnull(strstr(failure.text, "cannot remove x in .drover-d-2"));
	ck_assert_str_eq(content("h/app/d"), "-> elsewhere");
	ck_assert_int_eq(install_recover(&root, "g", &recovery, &failure), 0);
	ck_assert_ptr_nonnull(strstr(failure.text, "remove it by hand"));
	ck_assert(!file_exists(root.instructions_fd, "g-journal"));
	must_deploy("");
	ck_assert(set_immutable("h/.drover-d-2/0/x", false));
}
END_TEST

START_TEST(a_lower_layer_of_an_overlay_is_no_obstacle)
{
	cleanup_with(freep) char *host = path_join(test_dir(), "h");
	cleanup_with(freep) char *layers = xasprintf(
		"lowerdir=%s/h,upperdir=%s/upper,workdir=%s/work", test_dir(), test_dir(),
		test_dir());

	put("bundle/app/a", "a", 0644);
	put("bundle/app/old/deep/x", "x", 0644);
	must_deploy("");
	make("upper");
	make("work");
	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("overlay", host, "overlay", 0, layers) < 0)
		return; /* not root, or no overlays: cannot be arranged */
	gone("bundle/app/old");
	put("bundle/app/a", "b", 0644);
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "b");
	ck_assert_ptr_null(content("h/app/old"));
	(void)umount2(host, MNT_DETACH);
}
END_TEST

TESTS("install_mounts", mounts_in_the_destination_are_staged_on_their_own,
	a_directory_with_a_mount_inside_does_not_become_a_link,
	a_file_mounted_over_an_old_one_is_a_conflict,
	an_immutable_directory_that_need_not_change_is_no_obstacle,
	an_immutable_file_in_a_directory_that_goes_holds_nothing_up,
	a_lower_layer_of_an_overlay_is_no_obstacle)
