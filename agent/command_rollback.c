/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deployment.h"
#include "agent/history.h"
#include "agent/kept.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/report.h"
#include "agent/revision.h"
#include "agent/site.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static const char name[] = "drover-agent rollback";

static bool is_named(const struct record *record, const char *revision)
{
	return strcmp(record->deployment, revision) == 0 ||
	       (record->location &&
		       (strcmp(record->location, revision) == 0 ||
			       strcmp(path_base(record->location), revision) == 0));
}

/* The newest one that is still kept; one that is named but gone is said to be so later. */
static int find_named(const struct site *site, const struct history *history,
	const char *revision, const struct record **ret, struct error *err)
{
	const struct record *gone = NULL;

	for (size_t i = history->n; i > 0; i--) {
		const struct record *record = &history->records[i - 1];

		if (!is_named(record, revision))
			continue;
		if (revision_is_kept(&site->root, site->group.id, record->deployment)) {
			*ret = record;
			return 0;
		}
		gone = gone ? gone : record;
	}
	*ret = gone;
	return gone ? 0
		    : error_set(err, -EINVAL,
			      "--to %s: no deployment of that id or location is known here; "
			      "drover-agent status lists what is kept",
			      revision);
}

/* What a rollback leaves, for people; the caller frees. */
static char *name_installed(const struct site *site, const struct record *record)
{
	cleanup_with(freep) char *installed = NULL;

	if (record)
		return xasprintf("%s (%s)",
			record->location ? record->location : "an unknown revision",
			record->deployment);
	if (revision_installed(&site->root, site->group.id, &installed, NULL) == 0 &&
		!installed)
		return xstrdup("nothing installed");
	return xstrdup("an unknown revision (not deployed by drover-agent)");
}

static void say_step(const struct site *site, const struct options *options,
	const struct record *from, const struct record *to)
{
	const struct report report = { .json = options->json, .quiet = options->quiet };
	cleanup_with(freep) char *label = group_label(&site->group);
	cleanup_with(freep) char *left = name_installed(site, from);

	report_note(&report, "%s: rolling back from %s to %s (%s)", label, left,
		to->location ? to->location : "its kept bundle", to->deployment);
}

int command_rollback(const struct options *options)
{
	cleanup_with(site_done) struct site site = SITE_NONE;
	cleanup_with(history_done) struct history history = { 0 };
	struct deployment_request request = { .rollback = true };
	const struct record *installed = NULL;
	const struct record *target = NULL;
	struct error err = ERROR_NONE;
	int r = kept_prepare(&site, options, name, &history, &err);

	/* Away from something unknown is as good a reason as any. */
	if (r == 0)
		(void)kept_installed(&site, &history, &installed, NULL);
	if (r == 0)
		r = options->to ? find_named(&site, &history, options->to, &target, &err)
				: kept_other_good(&site, &history, installed, &target, &err);
	if (r < 0)
		return operation_refuse(r, &err);
	assert(target);
	say_step(&site, options, installed, target);
	return kept_run(&site, options, name, target, &request);
}
