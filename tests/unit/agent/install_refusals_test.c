/* SPDX-License-Identifier: Apache-2.0 */
#include "install_case.h"

START_TEST(conflicts_are_all_named_and_nothing_is_touched)
{
	struct stat before;

	put("bundle/app/a", "new", 0644);
	put("bundle/app/b", "new", 0644);
	put("bundle/app/c", "new", 0644);
	put("h/app/a", "theirs", 0600);
	put_link("h/app/b", "/nowhere");
	before = look("h/app");
	ck_assert_int_eq(deploy(""), -EINVAL);
	ck_assert_uint_eq(problems.n_errors, 2);
	ck_assert_str_eq(problems.items[0].id, "E-FILE-EXISTS");
	ck_assert_str_eq(problems.items[1].id, "E-FILE-EXISTS");
	ck_assert_str_eq(content("h/app/a"), "theirs");
	ck_assert_ptr_null(content("h/app/c"));
	ck_assert_int_eq(before.st_ctim.tv_nsec, look("h/app").st_ctim.tv_nsec);
}
END_TEST

START_TEST(before_the_hooks_a_conflict_is_a_warning)
{
	put("bundle/app/a", "new", 0644);
	put("h/app/a", "theirs", 0600);
	(void)plan_of("permissions:\n  - object: '@/h/app'\n    owner: nobody-of-that-name\n");
	ck_assert_uint_eq(problems.n_errors, 0);
	ck_assert(has_problem("E-FILE-EXISTS"));
	ck_assert(has_problem("E-OWNER"));
}
END_TEST

START_TEST(two_entries_that_collide_are_refused)
{
	put("bundle/app/a", "a", 0644);
	put("bundle/more/a", "a", 0644);
	put("bundle/dir/a/x", "x", 0644);
	ck_assert_int_eq(deploy("  - source: more\n    destination: '@/h/app'\n"), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-COPY-DUP");
	ck_assert_int_eq(deploy("  - source: dir\n    destination: '@/h/app'\n"), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-MKDIR-OVER-COPY");
	ck_assert_int_eq(deploy("  - source: app/a\n    destination: '@/h/x'\n"
				"  - source: none\n    destination: '@/h/y'\n"),
		-EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-FILE-MISSING");
	ck_assert_ptr_null(content("h/app"));
}
END_TEST

START_TEST(a_fifo_in_the_bundle_is_refused)
{
	put("bundle/app/a", "a", 0644);
	ck_assert_int_eq(mkfifoat(test_dir_fd(), "bundle/app/f", 0600), 0);
	ck_assert_int_eq(deploy(""), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-FILE-TYPE");
}
END_TEST

START_TEST(an_install_root_stands_before_every_path)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;
	cleanup_with(freep) char *bundle = path_join(test_dir(), "bundle");
	cleanup_with(freep) char *image = path_join(test_dir(), "image");
	cleanup_with(freep) char *landed = xasprintf("image%s/h/app/a", test_dir());
	cleanup_with(freep) char *way = xasprintf("image%s", test_dir());

	put("bundle/app/a", "a", 0644);
	open_root();
	make(way);
	spec = read_spec("");
	ck_assert_int_eq(install_plan(&plan,
				 &(struct install_request){ .root = &root,
					 .group = "g",
					 .deployment = "d-9",
					 .bundle_dir = bundle,
					 .spec = spec,
					 .install_root = image },
				 PLAN_AT_INSTALL, &problems, &failure),
		0);
	ck_assert_int_eq(install_run(plan, NULL, NULL, &failure), 0);
	ck_assert_str_eq(content(landed), "a");
	ck_assert_ptr_null(content("h/app"));
}
END_TEST

START_TEST(the_long_way_comes_to_the_same)
{
	switch_without_flags = true;
	put("bundle/app/a", "a", 0644);
	put("bundle/app/dir-to-link/x", "x", 0644);
	put("bundle/app/file-to-dir", "x", 0644);
	must_deploy("");
	gone("bundle/app/dir-to-link");
	gone("bundle/app/file-to-dir");
	put("bundle/app/a", "b", 0644);
	put_link("bundle/app/dir-to-link", "a");
	put("bundle/app/file-to-dir/x", "x", 0644);
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "b");
	ck_assert_str_eq(content("h/app/dir-to-link"), "-> a");
	ck_assert_str_eq(content("h/app/file-to-dir/x"), "x");
}
END_TEST

START_TEST(a_file_that_appears_meanwhile_undoes_all)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;
	struct stat before;

	put("bundle/app/a", "a", 0644);
	must_deploy("");
	put("bundle/app/a", "b", 0644);
	put("bundle/app/z", "z", 0644);
	before = look("h/app");
	spec = read_spec("");
	ck_assert_int_eq(plan_with(&plan, spec, PLAN_AT_INSTALL), 0);
	put("h/app/z", "theirs", 0644);
	ck_assert_int_eq(install_run(plan, NULL, NULL, &failure), -EEXIST);
	ck_assert_ptr_nonnull(strstr(failure.text, "changed by somebody else"));
	ck_assert_str_eq(content("h/app/a"), "a");
	ck_assert_str_eq(content("h/app/z"), "theirs");
	ck_assert_int_eq(before.st_mtim.tv_nsec, look("h/app").st_mtim.tv_nsec);
	ck_assert(!file_exists(root.instructions_fd, "g-journal"));
	ck_assert(!file_exists(test_dir_fd(), "h/.drover-d-2"));
}
END_TEST

static void deploy_a_link_while_its_directory_fills(void)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;

	put("bundle/app/d/sub/x", "x", 0644);
	must_deploy("");
	gone("bundle/app/d");
	put_link("bundle/app/d", "elsewhere");
	spec = read_spec("");
	ck_assert_int_eq(plan_with(&plan, spec, PLAN_AT_INSTALL), 0);
	put("h/app/d/sub/late", "theirs", 0644);
	ck_assert_int_eq(install_run(plan, NULL, NULL, &failure), -ESTALE);
	ck_assert_str_eq(content("h/app/d/sub/x"), "x");
	ck_assert_str_eq(content("h/app/d/sub/late"), "theirs");
	ck_assert(!file_exists(test_dir_fd(), "h/.drover-d-2"));
	gone("h/app/d/sub/late");
	must_deploy("");
	ck_assert_str_eq(content("h/app/d"), "-> elsewhere");
}

START_TEST(a_file_that_appears_in_a_directory_that_goes_undoes_all)
{
	deploy_a_link_while_its_directory_fills();
}
END_TEST

START_TEST(a_file_that_appears_in_a_directory_that_goes_the_long_way_undoes_all)
{
	switch_without_flags = true;
	deploy_a_link_while_its_directory_fills();
	switch_without_flags = false;
}
END_TEST

START_TEST(a_plan_of_before_the_hooks_is_not_carried_out)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;

	put("bundle/app/a", "a", 0644);
	open_root();
	spec = read_spec("");
	ck_assert_int_eq(plan_with(&plan, spec, PLAN_BEFORE_HOOKS), 0);
	ck_assert_int_eq(install_run(plan, NULL, NULL, &failure), -EINVAL);
}
END_TEST

START_TEST(a_second_lock_waits_its_time_and_says_busy)
{
	cleanup_with(closep) int first = -1;
	int second = -1;

	open_root();
	ck_assert_int_eq(install_lock(&root, 0, &first, &failure), 0);
	ck_assert_int_eq(install_lock(&root, 60, &second, &failure), -EBUSY);
	closep(&first);
	first = -1;
	ck_assert_int_eq(install_lock(&root, 0, &second, &failure), 0);
	closep(&second);
}
END_TEST

START_TEST(the_install_root_in_use_is_told)
{
	cleanup_with(freep) char *none = NULL;
	cleanup_with(freep) char *used = NULL;

	open_root();
	ck_assert_int_eq(install_root_of(&root, "g", &none, &failure), 0);
	ck_assert_ptr_null(none);
	put("bundle/app/a", "a", 0644);
	must_deploy("");
	ck_assert_int_eq(install_root_of(&root, "g", &used, &failure), 0);
	ck_assert_str_eq(used, "");
}
END_TEST

TESTS("install_refusals", conflicts_are_all_named_and_nothing_is_touched,
	before_the_hooks_a_conflict_is_a_warning, two_entries_that_collide_are_refused,
	a_fifo_in_the_bundle_is_refused, an_install_root_stands_before_every_path,
	the_long_way_comes_to_the_same, a_file_that_appears_meanwhile_undoes_all,
	a_file_that_appears_in_a_directory_that_goes_undoes_all,
	a_file_that_appears_in_a_directory_that_goes_the_long_way_undoes_all,
	a_plan_of_before_the_hooks_is_not_carried_out,
	a_second_lock_waits_its_time_and_says_busy, the_install_root_in_use_is_told)
