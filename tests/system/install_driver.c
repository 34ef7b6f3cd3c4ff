/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/install.h"
#include "agent/root.h"
#include "agent/switch.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"

/*
 * The install alone, without hooks and bundles, for tests:
 *
 *   install-driver [options] plan|run ROOT GROUP DEPLOYMENT BUNDLE-DIR
 *   install-driver recover ROOT GROUP
 *
 * --behavior X, --install-root DIR, --rollback, --without-flags (of renameat2), --quiet. Exit
 * status 0; 1 failed; for recover also 10 undone, 11 finished.
 */
struct options {
	enum file_exists_behavior behavior;
	const char *install_root;
	bool rollback;
	bool quiet;
};

static int usage(void)
{
	(void)fprintf(stderr,
		"usage: install-driver [--behavior X] [--install-root DIR] [--rollback] "
		"[--quiet]\n"
		"           [--without-flags] plan|run ROOT GROUP DEPLOYMENT BUNDLE-DIR\n"
		"       install-driver recover ROOT GROUP\n");
	return 2;
}

static void print_diagnostics(const struct diagnostics *list)
{
	for (size_t i = 0; i < list->n; i++) {
		cleanup_with(freep) char *text = diagnostic_format(&list->items[i]);

		(void)fprintf(stderr, "%s [%s]\n", text, list->items[i].id);
	}
}

static int print_item(const struct plan_item *item, void *userdata)
{
	static const char *const names[] = { "new", "replaced", "same", "removed", "kept" };

	(void)userdata;
	(void)printf("%-8s %c %04o %u:%u %" PRIu64 " %s%s%s\n", names[item->action], item->type,
		(unsigned)item->mode, item->uid, item->gid, item->bytes, item->path,
		item->note ? "  # " : "", item->note ? item->note : "");
	return 0;
}

static int plan_or_run(const struct options *options, struct root *root, char **argv, bool run)
{
	cleanup_with(diagnostics_done) struct diagnostics problems = { 0 };
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(plan_freep) struct plan *plan = NULL;
	cleanup_with(closep) int lock = -1;
	cleanup_with(closep) int bundle_fd = -1;
	struct install_request request = { .root = root,
		.group = argv[0],
		.deployment = argv[1],
		.bundle_dir = argv[2],
		.behavior = options->behavior,
		.install_root = options->install_root,
		.rollback = options->rollback };
	struct error err = ERROR_NONE;
	int r;

	bundle_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0) {
		perror(argv[2]);
		return 1;
	}
	r = appspec_load(&spec, bundle_fd, NULL, &problems);
	if (r == 0)
		r = install_lock(root, 10000, &lock, &err);
	request.spec = spec;
	if (r == 0)
		r = install_plan(&plan, &request, run ? PLAN_AT_INSTALL : PLAN_BEFORE_HOOKS,
			&problems, &err);
	print_diagnostics(&problems);
	if (r == 0 && !options->quiet)
		(void)plan_each(plan, print_item, NULL);
	if (r == 0 && run)
		r = install_run(plan, NULL, NULL, &err);
	if (r < 0)
		(void)fprintf(stderr, "error: %s\n", err.text);
	return r < 0;
}

static int recover(struct root *root, const char *group)
{
	enum install_recovery recovery;
	struct error err = ERROR_NONE;
	int r = install_recover(root, group, &recovery, &err);

	if (err.text[0])
		(void)fprintf(stderr, "%s: %s\n", r < 0 ? "error" : "note", err.text);
	if (r < 0)
		return 1;
	return recovery == RECOVERY_NONE ? 0 : recovery == RECOVERY_UNDONE ? 10 : 11;
}

static int run_verb(const struct options *options, int argc, char **argv)
{
	cleanup_with(root_done) struct root root = { 0 };
	struct error err = ERROR_NONE;
	bool is_recover = argc == 3 && strcmp(argv[0], "recover") == 0;

	if (!is_recover && argc != 5)
		return usage();
	if (root_open(&root, argv[1], true, &err) < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 1;
	}
	if (is_recover)
		return recover(&root, argv[2]);
	return plan_or_run(options, &root, argv + 2, strcmp(argv[0], "run") == 0);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int at = 1;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		if (strcmp(argv[at], "--rollback") == 0)
			options.rollback = true;
		else if (strcmp(argv[at], "--quiet") == 0)
			options.quiet = true;
		else if (strcmp(argv[at], "--without-flags") == 0)
			switch_without_flags = true;
		else if (strcmp(argv[at], "--install-root") == 0 && at + 1 < argc)
			options.install_root = argv[++at];
		else if (strcmp(argv[at], "--behavior") != 0 || at + 1 >= argc ||
			 file_exists_behavior_from_text(&options.behavior, argv[++at]) < 0)
			return usage();
	}
	return run_verb(&options, argc - at, argv + at);
}
