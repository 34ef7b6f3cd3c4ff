/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/bundle.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/loop.h"

/*
 * bundle-driver [--type TYPE] [--entries N] [--bytes N] [--ratio N] LOCATION TARGET: unpacks
 * one bundle as the agent does, for tests that need nothing more of the agent. Exit status 0,
 * or 1 with the reason on standard error.
 */
struct driver {
	struct loop *loop;
};

static void on_warning(struct bundle_unpack *unpack, const char *text, void *userdata)
{
	(void)unpack;
	(void)userdata;
	(void)fprintf(stderr, "warning: %s\n", text);
}

static void on_done(
	struct bundle_unpack *unpack, int r, const struct error *err, void *userdata)
{
	struct driver *driver = userdata;

	(void)unpack;
	if (r < 0)
		(void)fprintf(stderr, "error: %s\n", err->text);
	loop_exit(driver->loop, r < 0);
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: bundle-driver [--type T] [--entries N] [--bytes N] "
			      "[--ratio N] LOCATION TARGET\n");
	return 2;
}

static int unpack_one(const struct bundle_request *request)
{
	cleanup_with(loop_freep) struct loop *loop = NULL;
	cleanup_with(bundle_unpack_freep) struct bundle_unpack *unpack = NULL;
	struct error err = ERROR_NONE;
	struct driver driver;
	int r = loop_new(&loop, &err);

	driver.loop = loop;
	if (r == 0)
		r = bundle_unpack_start(&unpack, loop, request,
			&(struct bundle_callbacks){
				.on_warning = on_warning,
				.on_done = on_done,
				.userdata = &driver,
			},
			&err);
	if (r == 0)
		return loop_run(loop, &err);
	(void)fprintf(stderr, "error: %s\n", err.text);
	return 1;
}

int main(int argc, char **argv)
{
	struct bundle_limits limits = bundle_default_limits;
	struct bundle_request request = { .limits = &limits };
	int at = 1;

	for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
		if (strcmp(argv[at], "--type") == 0) {
			if (bundle_type_from_text(&request.type, argv[at + 1]) < 0)
				return usage();
		} else if (strcmp(argv[at], "--entries") == 0) {
			limits.entries = strtoull(argv[at + 1], NULL, 10);
		} else if (strcmp(argv[at], "--bytes") == 0) {
			limits.bytes = strtoull(argv[at + 1], NULL, 10);
		} else if (strcmp(argv[at], "--ratio") == 0) {
			limits.ratio = (unsigned)strtoul(argv[at + 1], NULL, 10);
		} else {
			return usage();
		}
	}
	if (argc - at != 2)
		return usage();
	request.location = argv[at];
	request.target_dir = argv[at + 1];
	return unpack_one(&request);
}
