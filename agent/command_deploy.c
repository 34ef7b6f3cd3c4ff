/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <errno.h>

#include "agent/location.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/site.h"
#include "base/cleanup.h"
#include "base/error.h"

static int prepare(
	struct site *site, const struct options *options, char **ret_path, struct error *err)
{
	cleanup_with(freep) char *said = NULL;
	int r;

	if (!options->bundle)
		return error_set(err, -EINVAL, "what is to be deployed? Name it by --bundle");
	r = location_resolve(ret_path, options->bundle, options->type, err);
	if (r == 0)
		r = site_open(site, options, true, err);
	if (r == 0)
		r = site_choose_group(site, options, true, err);
	if (r == 0)
		r = site_lock_group(site, "drover-agent deploy", options->wait_ms, &said, err);
	operation_say_recovered(said);
	return r < 0 ? r : site_settle_install_root(site, false, err);
}

int command_deploy(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(freep) char *path = NULL;
	struct error err = ERROR_NONE;
	int r = prepare(&site, options, &path, &err);

	return r < 0 ? operation_refuse(r, &err)
		     : operation_deploy(&site, options, "drover-agent deploy", path);
}
