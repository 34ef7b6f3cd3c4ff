/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/install.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/acl.h"
#include "agent/root.h"
#include "agent/switch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

/* ---- a host in a directory: bundle/ is what is deployed, h/ is where to ---- */

static struct root root;
static struct diagnostics problems;
static struct error failure;
static unsigned serial;
static enum file_exists_behavior behavior;
static bool rollback;

static void put(const char *path, const char *text, mode_t mode)
{
	cleanup_with(freep) char *directory = xstrdup(path);
	cleanup_with(closep) int fd = -1;

	*strrchr(directory, '/') = '\0';
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), directory, 0755, NULL), 0);
	(void)unlinkat(test_dir_fd(), path, 0);
	fd = openat(test_dir_fd(), path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write_all(fd, text, strlen(text)), 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	ck_assert_int_eq(futimens(fd, (struct timespec[]){ { .tv_nsec = UTIME_OMIT },
					      { 1500000000, 7 } }),
		0);
}

static void put_link(const char *path, const char *target)
{
	(void)unlinkat(test_dir_fd(), path, 0);
	ck_assert_int_eq(symlinkat(target, test_dir_fd(), path), 0);
}

static void make(const char *path)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), path, 0755, NULL), 0);
}

static void gone(const char *path)
{
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), path, NULL), 0);
}

/* The content of a file or "-> target" of a link; NULL if it is not there. */
static const char *content(const char *path)
{
	static char text[4096];
	/* By name: the descriptor does not see what a test has mounted. */
	cleanup_with(freep) char *whole = path_join(test_dir(), path);
	struct stat st;
	ssize_t n;

	if (lstat(whole, &st) < 0)
		return NULL;
	if (S_ISDIR(st.st_mode))
		return "directory";
	(void)memcpy(text, "-> ", 3);
	if (S_ISLNK(st.st_mode)) {
		n = readlink(whole, text + 3, sizeof(text) - 4);
		text[n + 3] = '\0';
	} else {
		cleanup_with(closep) int fd = open(whole, O_RDONLY | O_CLOEXEC);

		n = read(fd, text, sizeof(text) - 1);
		text[n] = '\0';
	}
	return text;
}

static struct stat look(const char *path)
{
	struct stat st;

	ck_assert_msg(
		fstatat(test_dir_fd(), path, &st, AT_SYMLINK_NOFOLLOW) == 0, "no %s", path);
	return st;
}

/* bundle/app goes to h/app, and whatever else the appspec says. */
static struct appspec *read_spec(const char *more)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(freep) char *shown = NULL;
	struct appspec *spec = NULL;
	const char *at = more;
	int r;

	buf_printf(&text,
		"version: 0.0\nos: linux\nfiles:\n  - source: app\n    destination: %s/h/app\n",
		test_dir());
	for (; *at; at++)
		if (*at == '@')
			buf_puts(&text, test_dir());
		else
			buf_putc(&text, *at);
	r = appspec_parse(&spec, text.data, text.len, "appspec.yml", &problems);
	shown = diagnostics_first_error(&problems);
	ck_assert_msg(r == 0, "%s", shown);
	return spec;
}

static int plan_with(struct plan **ret, struct appspec *spec, enum plan_stage stage)
{
	cleanup_with(freep) char *bundle = path_join(test_dir(), "bundle");
	cleanup_with(freep) char *deployment = xasprintf("d-%u", ++serial);
	cleanup_with(freep) char *made = root_deployment_dir(&root, "g", deployment);

	ck_assert_int_eq(file_make_dirs(AT_FDCWD, made, 0755, NULL), 0);
	return install_plan(ret,
		&(struct install_request){ .root = &root,
			.group = "g",
			.deployment = deployment,
			.bundle_dir = bundle,
			.spec = spec,
			.behavior = behavior,
			.rollback = rollback },
		stage, &problems, &failure);
}

static void open_root(void)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "state");

	if (!root.path) {
		(void)umask(022);
		ck_assert_int_eq(root_open(&root, path, true, &failure), 0);
		make("h");
	}
}

/* Deploys the bundle. Returns 0 or the failure, with `problems` and `failure` filled. */
static int deploy(const char *more)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;
	int r;

	open_root();
	diagnostics_done(&problems);
	problems = (struct diagnostics){ 0 };
	failure = ERROR_NONE;
	spec = read_spec(more);
	r = plan_with(&plan, spec, PLAN_AT_INSTALL);
	return r < 0 ? r : install_run(plan, NULL, NULL, &failure);
}

static void must_deploy(const char *more)
{
	int r = deploy(more);
	cleanup_with(freep) char *shown = diagnostics_first_error(&problems);

	ck_assert_msg(r == 0, "%s; %s", failure.text, shown ? shown : "");
}

static bool has_problem(const char *id)
{
	for (size_t i = 0; i < problems.n; i++)
		if (strcmp(problems.items[i].id, id) == 0)
			return true;
	return false;
}

static char plan_text[65536];

static int add_item(const struct plan_item *item, void *userdata)
{
	static const char *const names[] = { "new", "replaced", "same", "removed", "kept" };
	size_t n = strlen(plan_text);

	(void)userdata;
	(void)snprintf(plan_text + n, sizeof(plan_text) - n, "%s %s%s%s\n", names[item->action],
		item->path + strlen(test_dir()), item->note ? ": " : "",
		item->note ? item->note : "");
	return 0;
}

/* What a deployment would do, as text. */
static const char *plan_of(const char *more)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;

	open_root();
	spec = read_spec(more);
	ck_assert_int_eq(plan_with(&plan, spec, PLAN_BEFORE_HOOKS), 0);
	plan_text[0] = '\0';
	(void)plan_each(plan, add_item, NULL);
	return plan_text;
}

/* ---- */

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

START_TEST(other_content_of_the_same_size_and_time_is_seen)
{
	put("bundle/app/a", "one", 0640);
	put("bundle/app/b", "b", 0640);
	must_deploy("");
	put("h/app/a", "two", 0640);
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

TESTS("install", files_links_and_directories_land_as_they_are,
	state_files_are_as_the_reference_writes_them, what_is_the_same_is_not_written_again,
	a_change_of_metadata_alone_is_seen_and_makes_a_new_file,
	what_the_revision_lacks_is_removed_and_foreign_files_stay,
	other_content_of_the_same_size_and_time_is_seen,
	a_fifo_in_place_of_a_file_of_ours_is_not_waited_for,
	a_directory_of_many_files_is_removed, conflicts_are_all_named_and_nothing_is_touched,
	before_the_hooks_a_conflict_is_a_warning, retained_files_stay_and_are_not_ours,
	overwritten_files_are_kept_and_a_rollback_brings_them_back,
	a_link_in_place_of_a_file_is_replaced_and_not_written_through,
	directories_links_and_files_change_places,
	a_directory_with_a_foreign_file_does_not_become_a_link,
	roots_links_on_the_way_are_used_and_others_are_refused,
	two_entries_that_collide_are_refused, a_fifo_in_the_bundle_is_refused,
	permissions_set_owner_mode_and_acl,
	entries_that_meet_are_merged_and_a_clash_is_warned_of,
	an_existing_directory_hands_down_its_group_and_default_acl,
	attributes_of_users_are_kept_and_compared, names_of_255_bytes_work,
	a_running_program_is_replaced, mounts_in_the_destination_are_staged_on_their_own,
	a_directory_with_a_mount_inside_does_not_become_a_link,
	a_file_mounted_over_an_old_one_is_a_conflict,
	an_immutable_directory_that_need_not_change_is_no_obstacle,
	an_immutable_file_in_a_directory_that_goes_holds_nothing_up,
	a_lower_layer_of_an_overlay_is_no_obstacle,
	another_agents_cleanup_file_says_what_is_ours,
	a_cleanup_file_that_others_can_write_is_not_trusted, two_groups_do_not_own_one_path,
	an_install_root_stands_before_every_path, the_long_way_comes_to_the_same,
	a_file_that_appears_meanwhile_undoes_all,
	a_file_that_appears_in_a_directory_that_goes_undoes_all,
	a_file_that_appears_in_a_directory_that_goes_the_long_way_undoes_all,
	a_plan_of_before_the_hooks_is_not_carried_out,
	a_second_lock_waits_its_time_and_says_busy, the_install_root_in_use_is_told)
