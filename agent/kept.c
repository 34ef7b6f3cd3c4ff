/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/kept.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/deployment.h"
#include "agent/history.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "agent/revision.h"
#include "agent/site.h"
#include "base/cleanup.h"
#include "base/error.h"

int kept_prepare(struct site *site, const struct options *options, const char *command,
	struct history *ret, struct error *err)
{
	cleanup_with(freep) char *said = NULL;
	int r = site_open(site, options, false, err);

	if (r == -ENOENT)
		return error_recode(err, -EINVAL);
	if (r == 0)
		r = site_choose_group(site, options, false, err);
	if (r == 0)
		r = site_lock_group(site, command, options->wait_ms, &said, err);
	operation_say_recovered(said);
	if (r == 0)
		r = site_settle_install_root(site, true, err);
	return r < 0 ? r : history_load(ret, &site->root, site->group.id, err);
}

int kept_installed(const struct site *site, const struct history *history,
	const struct record **ret, struct error *err)
{
	cleanup_with(freep) char *installed = NULL;
	int r = revision_installed(&site->root, site->group.id, &installed, err);

	if (r < 0)
		return r;
	if (!installed)
		return error_set(err, -EINVAL,
			"nothing is installed for group %s; deploy a bundle by drover-agent "
			"deploy",
			site->group.id);
	*ret = history_find(history, installed);
	if (!*ret)
		return error_set(err, -EINVAL,
			"%s is installed, but it was not deployed by drover-agent; deploy its "
			"bundle once by drover-agent deploy",
			installed);
	return 0;
}

int kept_other_good(const struct site *site, const struct history *history,
	const struct record *installed, const struct record **ret, struct error *err)
{
	for (size_t i = history->n; i > 0; i--) {
		const struct record *record = &history->records[i - 1];
		int same;

		if (record->state != RECORD_SUCCEEDED || record == installed ||
			!revision_is_kept(&site->root, site->group.id, record->deployment))
			continue;
		same = installed ? revision_is_same(
					   &site->root, site->group.id, installed, record, err)
				 : 0;
		if (same < 0)
			return same;
		if (same == 0) {
			*ret = record;
			return 0;
		}
	}
	return error_set(err, -EINVAL,
		"no other revision that worked is kept here; deploy one by drover-agent "
		"deploy");
}

int kept_run(struct site *site, const struct options *options, const char *command,
	const struct record *record, struct deployment_request *request)
{
	cleanup_with(freep) char *archive = root_archive_dir(
		&site->root, site->group.id, record->deployment);
	struct error err = ERROR_NONE;

	if (!revision_is_kept(&site->root, site->group.id, record->deployment))
		return operation_refuse(
			error_set(&err, -EINVAL,
				"the bundle of %s is no longer kept in %s; "
				"deploy it again from %s",
				record->deployment, archive,
				record->location ? record->location : "where it came from"),
			&err);
	request->location = record->location ? record->location : record->deployment;
	request->bundle_path = archive;
	request->type = BUNDLE_DIRECTORY;
	request->from = record->deployment;
	request->appspec = record->appspec;
	request->behavior = options->behavior;
	return operation_run(site, options, command, request);
}
