/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/clock.h"
#include "controller/deployments_internal.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "controller/store.h"

/*
 * Late joiners: hosts that match a group after its last deployment, being new, tagged
 * otherwise, or back after a long time. They receive the revision of the group's last success.
 *
 * A host is late if the group never attempted it, or if what it has came before that success
 * and all was well with it. One that failed is not tried again, and one that has the newer
 * revision of a deployment that failed elsewhere is left alone: that is what rollbacks are for.
 *
 * What changed is only marked, and looked at a second later, some of it at a time: after a
 * network fault a hundred thousand hosts are back at once.
 */
enum {
	GATHER_MS = 1000,
	CONTINUE_MS = 20,
	MATCHES_AT_A_TIME = 50000, /* of a host and a group */
};

/* ---- what is late */

struct lateness {
	struct deployments *owner;
	const struct group *group;
	uint64_t success_ms; /* creation of the group's last success */
	/* The earlier deployment looked at last: of most hosts it is the same. */
	char other_id[DEPLOYMENT_ID_LENGTH + 1];
	bool other_is_behind;
};

static int begin_lateness(struct lateness *lateness, struct deployments *owner,
	const struct group *group, struct error *err)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	int r = store_find_deployment(owner->store, group->last_successful, &record, err);

	*lateness = (struct lateness){
		.owner = owner, .group = group, .success_ms = record.created_ms
	};
	return r < 0 ? r : 0;
}

static int read_other(struct lateness *lateness, const char *id, struct error *err)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	int r = store_find_deployment(lateness->owner->store, id, &record, err);

	if (r < 0)
		return r;
	(void)snprintf(lateness->other_id, sizeof(lateness->other_id), "%s", id);
	lateness->other_is_behind = r > 0 && record.created_ms < lateness->success_ms &&
				    strcmp(record.revision, lateness->group->target_revision) !=
					    0;
	return 0;
}

/*
 * 1, 0, or a negative errno. What was written down before the host was registered is of another
 * one that bore its name.
 */
static int is_late(struct lateness *lateness, const struct host *host, struct error *err)
{
	struct host_record record = { 0 };
	int r = store_find_host_record(
		lateness->owner->store, host->name, lateness->group->id, &record, err);

	if (r < 0)
		return r;
	if (r == 0 || record.written_ms < host->registered_ms)
		return 1;
	if (!record.history.healthy)
		return 0;
	if (strcmp(record.deployment_id, lateness->other_id) != 0) {
		r = read_other(lateness, record.deployment_id, err);
		if (r < 0)
			return r;
	}
	return lateness->other_is_behind;
}

/* ---- groups */

static bool wants_late(const struct group *group)
{
	cleanup_with(json_decrefp) json_t *settings = json_loads(group->settings, 0, NULL);
	const char *strategy = json_string_value(
		json_object_get(settings, "outdatedInstancesStrategy"));

	return !strategy || strcmp(strategy, "IGNORE") != 0;
}

/* Hosts of the group that are late and present, at the beginning of `hosts`. */
static int keep_late(struct lateness *lateness, struct host **hosts, size_t n, size_t *ret_n,
	struct error *err)
{
	int r = 0;

	*ret_n = 0;
	for (size_t i = 0; i < n && r >= 0; i++) {
		r = hosts[i]->is_present ? is_late(lateness, hosts[i], err) : 0;
		if (r > 0)
			hosts[(*ret_n)++] = hosts[i];
	}
	return r < 0 ? r : 0;
}

static int deploy_to(struct deployments *owner, struct group *group, struct host *const *hosts,
	size_t n, uint64_t now_ms, struct error *err)
{
	cleanup_with(deployment_record_done) struct deployment_record last = { 0 };
	struct deployment_request request = {
		.group = group,
		.config = fleet_find_config(owner->fleet, group->config_name),
		.revision = group->target_revision,
		.description = "",
		.creator = AUTO_UPDATE,
		.created_by = "",
		.auto_rollback = "{\"enabled\":false,\"events\":[]}",
		.messages =
			"[\"Hosts that match the deployment group since its last deployment "
			"receive its revision.\"]",
		.hosts = hosts,
		.n_hosts = n,
	};
	char id[DEPLOYMENT_ID_LENGTH + 1];
	int r = store_find_deployment(owner->store, group->last_successful, &last, err);

	if (r < 0)
		return r;
	if (r == 0 || !request.config)
		return error_set(err, -ENOENT,
			"its last success or its deployment configuration is gone");
	request.file_exists = last.file_exists;
	request.ignore_application_stop_failures = last.ignore_application_stop_failures;
	return deployments_create(owner, &request, now_ms, id, err);
}

static int look_at_group(
	struct deployments *owner, struct group *group, uint64_t now_ms, struct error *err)
{
	cleanup_with(freep) struct host **hosts = NULL;
	struct lateness lateness;
	size_t n;
	int r;

	/* One under way leads here once more at its end. */
	if (!group->target_revision || group->active || !wants_late(group))
		return 0;
	r = begin_lateness(&lateness, owner, group, err);
	if (r < 0)
		return r;
	n = fleet_select(owner->fleet, group, &hosts);
	r = keep_late(&lateness, hosts, n, &n, err);
	if (r < 0 || n == 0)
		return r;
	return deploy_to(owner, group, hosts, n, now_ms, err);
}

/* ---- hosts */

struct looking {
	struct deployments *owner;
	struct host *host;
	struct group *group; /* the first that is marked */
	size_t n_matches;
	bool has_more;
};

static void look_at_match(void *context, struct group *group)
{
	struct looking *looking = context;
	const struct host *host = looking->host;
	struct lateness lateness;

	looking->n_matches++;
	if (group->may_have_late || !group->target_revision || group->active ||
		!(tag_selection_matches(&group->on_premises, &host->tags) ||
			tag_selection_matches(&group->ec2, &host->tags)))
		return;
	/* What cannot be read is looked at with the group, which says so. */
	group->may_have_late = begin_lateness(&lateness, looking->owner, group, NULL) < 0 ||
			       is_late(&lateness, host, NULL) != 0;
}

static void look_at_host(void *context, struct host *host)
{
	struct looking *looking = context;

	if (!host->may_be_late)
		return;
	if (looking->n_matches >= MATCHES_AT_A_TIME) {
		looking->has_more = true;
		return;
	}
	host->may_be_late = false;
	looking->host = host;
	if (host->is_present)
		fleet_each_group(looking->owner->fleet, look_at_match, looking);
}

static void find_marked(void *context, struct group *group)
{
	struct looking *looking = context;

	if (!group->may_have_late)
		return;
	if (looking->group)
		looking->has_more = true;
	else
		looking->group = group;
}

/* ---- when */

static void arm(struct deployments *deployments, uint64_t after_ms);

static void on_late(struct loop_timer *timer)
{
	struct deployments *owner = container_of(timer, struct deployments, late_timer);
	struct looking looking = { .owner = owner };
	struct error err = ERROR_NONE;
	uint64_t now_ms = deployments_advance(owner, core_clock_now_ms(owner->clock));

	owner->late_is_due = false;
	store_set_actor(owner->store, "", now_ms);
	fleet_each_host(owner->fleet, look_at_host, &looking);
	fleet_each_group(owner->fleet, find_marked, &looking);
	if (looking.group) {
		looking.group->may_have_late = false;
		if (look_at_group(owner, looking.group, now_ms, &err) < 0)
			log_warning("hosts that came to match %s/%s do not get its revision: "
				    "%s",
				looking.group->application->name, looking.group->name,
				err.text);
	}
	if (looking.has_more)
		arm(owner, CONTINUE_MS);
}

static void arm(struct deployments *deployments, uint64_t after_ms)
{
	struct error err = ERROR_NONE;

	if (deployments->late_is_due)
		return;
	deployments->late_is_due = true;
	if (loop_timer_start(
		    deployments->loop, &deployments->late_timer, after_ms, on_late, &err) < 0) {
		deployments->late_is_due = false; /* the next change tries again */
		log_error("cannot look for hosts that came to match a group: %s", err.text);
	}
}

void deployments_host_changed(struct deployments *deployments, struct host *host)
{
	if (!deployments->settings->rollout.late_joiners)
		return;
	host->may_be_late = true;
	arm(deployments, GATHER_MS);
}

void deployments_group_changed(struct deployments *deployments, struct group *group)
{
	if (!deployments->settings->rollout.late_joiners || !group->target_revision)
		return;
	group->may_have_late = true;
	arm(deployments, GATHER_MS);
}

static void mark_group(void *context, struct group *group)
{
	deployments_group_changed(context, group);
}

void deployments_look_for_late(struct deployments *deployments)
{
	fleet_each_group(deployments->fleet, mark_group, deployments);
}
