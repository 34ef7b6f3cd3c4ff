/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <assert.h>
#include <stdlib.h>

#include "agent/deployment.h"
#include "agent/history.h"
#include "agent/kept.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/report.h"
#include "agent/site.h"
#include "base/cleanup.h"
#include "base/error.h"

static const char name[] = "drover-agent redeploy";

int command_redeploy(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(history_done) struct history history = { 0 };
	cleanup_with(freep) char *label = NULL;
	const struct report report = { .json = options->json, .quiet = options->quiet };
	struct deployment_request request = { 0 };
	const struct record *installed = NULL;
	struct error err = ERROR_NONE;
	int r = kept_prepare(&site, options, name, &history, &err);

	if (r == 0)
		r = kept_installed(&site, &history, &installed, &err);
	if (r < 0)
		return operation_refuse(r, &err);
	assert(installed);
	label = group_label(&site.group);
	report_note(&report, "%s: %s again from the kept bundle of %s", label,
		installed->location ? installed->location : "the installed revision",
		installed->deployment);
	return kept_run(&site, options, name, installed, &request);
}
