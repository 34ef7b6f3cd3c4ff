/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/location.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/root.h"
#include "agent/site.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

/*
 * codedeploy-local: AWS's developer tool by its options, defaults and rules. The engine behind
 * it is drover-agent's; what differs stands here and in the rows of options.c.
 */
static const char default_group[] = "default-local-deployment-group";
static const char default_group_name[] = "LocalFleet";

/* Its -g is an id, nothing to be looked up. */
static int set_group(struct site *site, const struct options *options, struct error *err)
{
	const char *id = options->group ? options->group : default_group;

	if (!root_id_is_safe(id))
		return error_set(err, -EINVAL,
			"'%s' cannot be a deployment group's id: it names a directory "
			"of its own in the deployment root",
			id);
	site->group = (struct deployment_group){
		.id = xstrdup(id),
		.name = xstrdup(options->group_name ? options->group_name : default_group_name),
		.application = options->application ? xstrdup(options->application) : NULL,
	};
	return 0;
}

static int prepare(
	struct site *site, const struct options *options, char **ret_path, struct error *err)
{
	cleanup_with(freep) char *said = NULL;
	int r = location_resolve(
		ret_path, options->bundle ? options->bundle : ".", options->type, err);

	if (r == 0)
		r = site_open_local(site, options, err);
	if (r == 0)
		r = set_group(site, options, err);
	if (r == 0)
		r = site_lock_group(site, "codedeploy-local", options->wait_ms, &said, err);
	operation_say_recovered(said);
	return r < 0 ? r : site_settle_install_root(site, false, err);
}

int command_local(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(freep) char *path = NULL;
	struct error err = ERROR_NONE;
	int r = prepare(&site, options, &path, &err);

	return r < 0 ? operation_refuse(r, &err)
		     : operation_deploy(&site, options, "codedeploy-local", path);
}
