/* SPDX-License-Identifier: Apache-2.0 */
#include "install_case.h"

START_TEST(a_change_of_metadata_alone_is_seen_and_makes_a_new_file)
{
	struct stat before;

	put("bundle/app/a", "a", 0640);
	must_deploy("");
	before = look("h/app/a");
	ck_assert_int_eq(fchmodat(test_dir_fd(), "bundle/app/a", 0600, 0), 0);
	must_deploy("");
	ck_assert_uint_eq(look("h/app/a").st_mode, S_IFREG | 0600);
	ck_assert_uint_ne(look("h/app/a").st_ino, before.st_ino);
}
END_TEST

START_TEST(retained_files_stay_and_are_not_ours)
{
	put("bundle/app/a", "new", 0644);
	put("h/app/a", "theirs", 0600);
	behavior = FILE_EXISTS_RETAIN;
	must_deploy("permissions:\n  - object: '@/h/app'\n    mode: 777\n");
	ck_assert_str_eq(content("h/app/a"), "theirs");
	ck_assert_uint_eq(look("h/app/a").st_mode, S_IFREG | 0600);
	gone("bundle/app/a");
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "theirs");
}
END_TEST

START_TEST(overwritten_files_are_kept_and_a_rollback_brings_them_back)
{
	struct stat st;

	put("bundle/app/a", "new", 0644);
	put("bundle/app/b", "new", 0644);
	put("h/app/a", "theirs", 0604);
	put_link("h/app/b", "/theirs");
	ck_assert_int_eq(fchownat(test_dir_fd(), "h/app/a", 5, 6, 0), 0);
	behavior = FILE_EXISTS_OVERWRITE;
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "new");
	ck_assert_str_eq(content("state/g/d-1/replaced/1"), "theirs");
	/* The next deployment carries them along. */
	put("bundle/app/a", "newer", 0644);
	must_deploy("");
	ck_assert_str_eq(content("state/g/d-2/replaced/1"), "theirs");
	gone("state/g/d-1");
	gone("bundle/app/a");
	gone("bundle/app/b");
	make("bundle/app/x");
	rollback = true;
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "theirs");
	ck_assert_str_eq(content("h/app/b"), "-> /theirs");
	st = look("h/app/a");
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0604);
	ck_assert_uint_eq(st.st_uid, 5);
	/* And they are theirs again. */
	rollback = false;
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "theirs");
}
END_TEST

START_TEST(permissions_set_owner_mode_and_acl)
{
	static const char expected[] =
		"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x07\0\x02\0\0\0"
		"\x04\0\x04\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff"
		"\x20\0\0\0\xff\xff\xff\xff";
	cleanup_with(freep) char *path = path_join(test_dir(), "h/app/b.txt");
	char acl[100];

	put("bundle/app/tool", "t", 0755);
	put("bundle/app/b.txt", "b", 0644);
	put("bundle/app/sub/c.txt", "c", 0644);
	must_deploy(
		"permissions:\n"
		"  - object: '@/h/app'\n    pattern: tool\n    owner: 1\n    group: '2'\n"
		"    mode: 4711\n"
		"  - object: '@/h/app'\n    pattern: '*.txt'\n    mode: 640\n"
		"    acls: ['u:2:rwx']\n"
		"  - object: '@/h'\n    pattern: app\n    mode: 751\n    type: [directory]\n");
	ck_assert_uint_eq(look("h/app/tool").st_mode, S_IFREG | 04711);
	ck_assert_uint_eq(look("h/app/tool").st_uid, 1);
	ck_assert_uint_eq(look("h/app/tool").st_gid, 2);
	ck_assert_uint_eq(look("h/app").st_mode, S_IFDIR | 0751);
	ck_assert_uint_eq(look("h/app/sub/c.txt").st_mode, S_IFREG | 0644);
	/* The mask is the union, so that the named entry is worth what it says. */
	ck_assert_int_eq(getxattr(path, ACL_ACCESS_NAME, acl, sizeof(acl)), 44);
	ck_assert_int_eq(memcmp(acl, expected, 44), 0);
	ck_assert_uint_eq(look("h/app/b.txt").st_mode, S_IFREG | 0670);
	/* All of that counts as the same. */
	ck_assert_ptr_null(
		strstr(plan_of("permissions:\n"
			       "  - object: '@/h/app'\n    pattern: tool\n    owner: 1\n    "
			       "group: '2'\n"
			       "    mode: 4711\n"
			       "  - object: '@/h/app'\n    pattern: '*.txt'\n    mode: 640\n"
			       "    acls: ['u:2:rwx']\n"
			       "  - object: '@/h'\n    pattern: app\n    mode: 751\n"
			       "    type: [directory]\n"),
			"replaced"));
}
END_TEST

START_TEST(entries_that_meet_are_merged_and_a_clash_is_warned_of)
{
	put("bundle/app/a", "a", 0644);
	must_deploy("permissions:\n"
		    "  - object: '@/h/app'\n    owner: 1\n    mode: 600\n"
		    "  - object: '@/h/app'\n    group: '2'\n    mode: 660\n"
		    "  - object: '@/h/none'\n    mode: 600\n");
	ck_assert_uint_eq(look("h/app/a").st_mode, S_IFREG | 0660);
	ck_assert_uint_eq(look("h/app/a").st_uid, 1);
	ck_assert_uint_eq(look("h/app/a").st_gid, 2);
	ck_assert(has_problem("W-PERM-DUP"));
	ck_assert(has_problem("W-PERM-UNMATCHED"));
}
END_TEST

START_TEST(an_existing_directory_hands_down_its_group_and_default_acl)
{
	static const char acl[] = "\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x07\0\x02\0\0\0"
				  "\x04\0\x05\0\xff\xff\xff\xff\x10\0\x07\0\xff\xff\xff\xff"
				  "\x20\0\0\0\xff\xff\xff\xff";
	cleanup_with(freep) char *top = path_join(test_dir(), "h/app");
	cleanup_with(freep) char *made = path_join(test_dir(), "h/app/sub");
	char got[100];

	put("bundle/app/sub/a", "a", 0640);
	make("h/app");
	ck_assert_int_eq(chown(top, 0, 7), 0);
	ck_assert_int_eq(chmod(top, 02775), 0);
	ck_assert_int_eq(setxattr(top, ACL_DEFAULT_NAME, acl, 44, 0), 0);
	must_deploy("");
	ck_assert_uint_eq(look("h/app/sub").st_gid, 7);
	ck_assert_uint_eq(look("h/app/sub").st_mode & 02000, 02000);
	ck_assert_uint_eq(look("h/app/sub/a").st_gid, 7);
	ck_assert_int_eq(getxattr(made, ACL_DEFAULT_NAME, got, sizeof(got)), 44);
	ck_assert_uint_eq(look("h/app/sub/a").st_mode, S_IFREG | 0640);
	ck_assert_str_eq(plan_of(""), "same /h/app/sub\nsame /h/app/sub/a\n");
}
END_TEST

START_TEST(attributes_of_users_are_kept_and_compared)
{
	cleanup_with(freep) char *from = path_join(test_dir(), "bundle/app/a");
	cleanup_with(freep) char *to = path_join(test_dir(), "h/app/a");
	char value[10];

	put("bundle/app/a", "a", 0640);
	if (setxattr(from, "user.drover.x", "one", 3, 0) < 0)
		return; /* this file system has none */
	must_deploy("");
	ck_assert_int_eq(getxattr(to, "user.drover.x", value, sizeof(value)), 3);
	ck_assert_int_eq(removexattr(to, "user.drover.x"), 0);
	must_deploy("");
	ck_assert_int_eq(getxattr(to, "user.drover.x", value, sizeof(value)), 3);
	ck_assert_str_eq(plan_of(""), "same /h/app\nsame /h/app/a\n");
	ck_assert_int_eq(setxattr(to, "user.drover.y", "two", 3, 0), 0);
	must_deploy("");
	ck_assert_int_lt(getxattr(to, "user.drover.y", value, sizeof(value)), 0);
}
END_TEST

START_TEST(names_of_255_bytes_work)
{
	char path[400] = "bundle/app/";
	char name[256];

	(void)memset(name, '\xff', 255);
	name[255] = '\0';
	(void)strcat(path, name);
	put(path, "long", 0644);
	must_deploy("");
	put(path, "longer", 0644);
	must_deploy("");
	(void)strcpy(path, "h/app/");
	(void)strcat(path, name);
	ck_assert_str_eq(content(path), "longer");
}
END_TEST

START_TEST(another_agents_cleanup_file_says_what_is_ours)
{
	cleanup_with(freep) char *text = xasprintf(
		"%s/h/app\n%s/h/app/a\n%s/h/app/old\nsemanage", test_dir(), test_dir(),
		test_dir());

	put("bundle/app/a", "new", 0644);
	put("h/app/a", "old", 0644);
	put("h/app/old", "old", 0644);
	put("state/deployment-instructions/g-cleanup", text, 0644);
	must_deploy("");
	ck_assert_str_eq(content("h/app/a"), "new");
	ck_assert_ptr_null(content("h/app/old"));
	/* Afterwards the other agent deploys: what its file does not name is no longer ours. */
	put("state/deployment-instructions/g-cleanup", "", 0644);
	put("bundle/app/a", "newer", 0644);
	ck_assert_int_eq(deploy(""), -EINVAL);
	ck_assert_str_eq(problems.items[0].id, "E-FILE-EXISTS");
}
END_TEST

START_TEST(a_cleanup_file_that_others_can_write_is_not_trusted)
{
	cleanup_with(freep) char *text = xasprintf("%s/h/precious\n", test_dir());

	put("bundle/app/a", "new", 0644);
	put("h/precious", "p", 0644);
	put("state/deployment-instructions/g-cleanup", text, 0666);
	must_deploy("");
	ck_assert_str_eq(content("h/precious"), "p");
	ck_assert(has_problem("W-CLEANUP"));
}
END_TEST

START_TEST(two_groups_do_not_own_one_path)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;
	cleanup_with(freep) char *bundle = path_join(test_dir(), "bundle");

	put("bundle/app/a", "a", 0644);
	must_deploy("");
	spec = read_spec("");
	ck_assert_int_eq(install_plan(&plan,
				 &(struct install_request){ .root = &root,
					 .group = "other",
					 .deployment = "d-9",
					 .bundle_dir = bundle,
					 .spec = spec,
					 .behavior = FILE_EXISTS_OVERWRITE },
				 PLAN_AT_INSTALL, &problems, &failure),
		-EINVAL);
	ck_assert(has_problem("E-FILE-OWNED"));
}
END_TEST

TESTS("install_owners", a_change_of_metadata_alone_is_seen_and_makes_a_new_file,
	retained_files_stay_and_are_not_ours,
	overwritten_files_are_kept_and_a_rollback_brings_them_back,
	permissions_set_owner_mode_and_acl,
	entries_that_meet_are_merged_and_a_clash_is_warned_of,
	an_existing_directory_hands_down_its_group_and_default_acl,
	attributes_of_users_are_kept_and_compared, names_of_255_bytes_work,
	another_agents_cleanup_file_says_what_is_ours,
	a_cleanup_file_that_others_can_write_is_not_trusted, two_groups_do_not_own_one_path)
