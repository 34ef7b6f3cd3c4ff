/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/deployments_internal.h"
#include "controller/store.h"

/*
 * An automatic rollback is a deployment of its own: the revision and the way with existing
 * files of the group's last success, on the hosts where the ended one began anything.
 */

/* Lists no events either: a rollback is never rolled back. */
#define NO_AUTO_ROLLBACK "{\"enabled\":false,\"events\":[]}"

static void refuse(struct deployment *ended, const char *why)
{
	free(ended->record.rollback_message);
	ended->record.rollback_message = xstrdup(why);
}

static void fill_record(struct deployment *back, const struct deployment *ended,
	const struct deployment_record *last_success)
{
	struct deployment_record *record = &back->record;

	(void)snprintf(record->config_name, sizeof(record->config_name), "%s",
		ended->record.config_name);
	(void)snprintf(record->file_exists, sizeof(record->file_exists), "%s",
		last_success->file_exists);
	(void)snprintf(record->creator, sizeof(record->creator), "codeDeployRollback");
	record->revision = xstrdup(last_success->revision);
	record->description = xstrdup("");
	record->created_by = xstrdup("");
	record->auto_rollback = xstrdup(NO_AUTO_ROLLBACK);
	record->messages = xstrdup(ended->record.messages);
	record->ignore_application_stop_failures =
		back->rollout.config.ignore_application_stop_failures;
}

/* Both ways, in the words that AWS uses. */
static void tie(struct deployment *back, struct deployment *ended)
{
	memcpy(back->record.rollback_of, ended->record.id, sizeof(back->record.rollback_of));
	memcpy(ended->record.rolled_back_by, back->record.id,
		sizeof(ended->record.rolled_back_by));
	back->record.rollback_message = xasprintf(
		"Deployment %s is triggered to roll back deployment %s.", back->record.id,
		ended->record.id);
	free(ended->record.rollback_message);
	ended->record.rollback_message = xstrdup(back->record.rollback_message);
}

static void set_hosts(struct deployment *back, const struct deployment *ended)
{
	cleanup_with(freep) uint32_t *positions = NULL;
	cleanup_with(freep) struct host **hosts = NULL;
	struct target *targets;
	uint32_t n = rollout_rollback(
		&ended->rollout, &back->rollout.config, &positions, &targets);

	hosts = xcalloc((size_t)n + 1, sizeof(*hosts));
	for (uint32_t i = 0; i < n; i++)
		hosts[i] = ended->hosts[positions[i]].host;
	deployment_set_targets(back, targets, hosts, n);
}

void deployment_roll_back(struct deployment *ended, uint64_t now_ms)
{
	struct group *group = ended->group;
	cleanup_with(deployment_record_done) struct deployment_record last_success = { 0 };
	struct deployment *back;

	if (group->last_successful[0] == '\0') {
		refuse(ended, "No rollback: no earlier deployment of this deployment group "
			      "succeeded, so there is no revision to return to.");
		return;
	}
	if (store_find_deployment(
		    ended->owner->store, group->last_successful, &last_success, NULL) <= 0) {
		refuse(ended, "No rollback: the last successful deployment of this deployment "
			      "group cannot be read.");
		return;
	}
	back = deployment_new(ended->owner, group, now_ms);
	set_hosts(back, ended);
	fill_record(back, ended, &last_success);
	tie(back, ended);
	deployment_begin(back, now_ms);
}
