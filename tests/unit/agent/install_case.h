/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

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
#include "agent/install.h"
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

static inline void put(const char *path, const char *text, mode_t mode)
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

static inline void put_link(const char *path, const char *target)
{
	(void)unlinkat(test_dir_fd(), path, 0);
	ck_assert_int_eq(symlinkat(target, test_dir_fd(), path), 0);
}

static inline void make(const char *path)
{
	ck_assert_int_eq(file_make_dirs(test_dir_fd(), path, 0755, NULL), 0);
}

static inline void gone(const char *path)
{
	ck_assert_int_eq(file_remove_tree(test_dir_fd(), path, NULL), 0);
}

/* The content of a file or "-> target" of a link; NULL if it is not there. */
static inline const char *content(const char *path)
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

static inline struct stat look(const char *path)
{
	struct stat st;

	ck_assert_msg(
		fstatat(test_dir_fd(), path, &st, AT_SYMLINK_NOFOLLOW) == 0, "no %s", path);
	return st;
}

/* bundle/app goes to h/app, and whatever else the appspec says. */
static inline struct appspec *read_spec(const char *more)
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

static inline int plan_with(struct plan **ret, struct appspec *spec, enum plan_stage stage)
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

static inline void open_root(void)
{
	cleanup_with(freep) char *path = path_join(test_dir(), "state");

	if (!root.path) {
		(void)umask(022);
		ck_assert_int_eq(root_open(&root, path, true, &failure), 0);
		make("h");
	}
}

/* Deploys the bundle. Returns 0 or the failure, with `problems` and `failure` filled. */
static inline int deploy(const char *more)
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

static inline void must_deploy(const char *more)
{
	int r = deploy(more);
	cleanup_with(freep) char *shown = diagnostics_first_error(&problems);

	ck_assert_msg(r == 0, "%s; %s", failure.text, shown ? shown : "");
}

static inline bool has_problem(const char *id)
{
	for (size_t i = 0; i < problems.n; i++)
		if (strcmp(problems.items[i].id, id) == 0)
			return true;
	return false;
}

static char plan_text[65536];

static inline int add_item(const struct plan_item *item, void *userdata)
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
static inline const char *plan_of(const char *more)
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
