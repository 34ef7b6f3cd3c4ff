/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/bundle_check.h"
#include "agent/install.h"
#include "agent/location.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/preview.h"
#include "agent/scratch.h"
#include "agent/site.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"

/*
 * The verb `plan`: what deploy would do, found out without a lock and without writing anything
 * but a scratch directory that is gone at the end.
 */
struct planning {
	struct site site;
	struct scratch scratch;
	char *path;   /* of the bundle */
	char *bundle; /* unpacked */
	struct appspec *spec;
	struct diagnostics problems;
};

static void planning_done(struct planning *planning)
{
	site_done(&planning->site);
	scratch_done(&planning->scratch);
	appspec_free(planning->spec);
	diagnostics_done(&planning->problems);
	free(planning->path);
	free(planning->bundle);
}

/* Where nothing was ever deployed, an empty root stands in. */
static int open_site(
	struct planning *planning, const struct options *options, struct error *err)
{
	cleanup_with(freep) char *empty = path_join(planning->scratch.path, "root");
	int r = site_open(&planning->site, options, false, err);

	if (r == -ENOENT)
		r = root_open(&planning->site.root, empty, true, err);
	if (r == 0)
		r = site_choose_group(&planning->site, options, true, err);
	return r < 0 ? r : site_settle_install_root(&planning->site, false, err);
}

static int prepare(struct planning *planning, const struct options *options, struct error *err)
{
	int r;

	if (!options->bundle)
		return error_set(err, -EINVAL, "what is to be planned? Name it by --bundle");
	r = location_resolve(&planning->path, options->bundle, options->type, err);
	if (r == 0)
		r = scratch_make(&planning->scratch, err);
	if (r == 0)
		r = open_site(planning, options, err);
	if (r < 0)
		return r;
	planning->bundle = path_join(planning->scratch.path, "bundle");
	r = scratch_unpack(&(struct bundle_request){ .location = planning->path,
				   .type = options->type,
				   .target_dir = planning->bundle },
		&planning->problems, err);
	/* What is wrong with an archive is wrong input, whatever errno it came with. */
	return r < 0 && r != -EINTR && r != -ENOSPC ? error_recode(err, -EINVAL) : r;
}

static int check(struct planning *planning, const struct options *options)
{
	cleanup_with(closep) int fd = -1;
	int r;

	assert(planning->bundle);
	fd = open(planning->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = appspec_load(&planning->spec, fd, options->appspec, &planning->problems);
	if (r == 0)
		bundle_check(fd, planning->spec, &planning->problems);
	return r < 0 || planning->problems.n_errors > 0 ? -EINVAL : 0;
}

static int plan_files(struct planning *planning, const struct options *options,
	struct plan **ret, struct error *err)
{
	cleanup_with(freep) char *empty = path_join(planning->scratch.path, "install-root");
	const char *install_root = planning->site.install_root;
	struct install_request request = {
		.root = &planning->site.root,
		.group = planning->site.group.id,
		.deployment = "plan",
		.bundle_dir = planning->bundle,
		.spec = planning->spec,
		.behavior = options->behavior,
		.install_root = install_root,
	};

	/* One that deploy would make. */
	if (install_root && !file_exists(AT_FDCWD, install_root)) {
		if (mkdir(empty, 0755) < 0)
			return error_set(err, -errno, "cannot make %s: %m", empty);
		request.install_root = empty;
	}
	return install_plan(ret, &request, PLAN_BEFORE_HOOKS, &planning->problems, err);
}

static int fail(struct planning *planning, const struct options *options, int r,
	const struct error *err)
{
	preview_problems(&planning->problems, options->json);
	if (err->code != 0)
		return operation_refuse(r, err);
	return EXIT_WRONG;
}

int command_plan(const struct options *options)
{
	cleanup_with(planning_done) struct planning planning = { .site = SITE_NONE };
	cleanup_with(plan_freep) struct plan *plan = NULL;
	cleanup_with(freep) char *holder = NULL;
	struct error err = ERROR_NONE;
	int r = prepare(&planning, options, &err);

	if (r == 0)
		r = check(&planning, options);
	if (r == 0)
		r = plan_files(&planning, options, &plan, &err);
	if (r < 0)
		return fail(&planning, options, r, &err);
	holder = lock_holder(&planning.site.root, planning.site.group.id);
	if (holder)
		diagnostics_add(&planning.problems, SEVERITY_WARNING, NULL, 0, 0, "W-BUSY",
			"this may be out of date soon: %s is under way", holder);
	preview(plan, planning.spec, &planning.problems,
		&(struct preview_context){
			.root = &planning.site.root,
			.group = &planning.site.group,
			.location = planning.path,
			.events = &options->events,
			.json = options->json,
		});
	return EXIT_DONE;
}
