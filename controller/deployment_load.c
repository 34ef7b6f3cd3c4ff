/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/deployments_internal.h"
#include "controller/fleet.h"
#include "controller/rollout_text.h"
#include "controller/settings.h"
#include "controller/store.h"

/*
 * A restart. The rows of one turn were written together, so what is read is a state that was
 * true; commands are outstanding by the states of their targets, and no input is lost or
 * repeated by going on from here.
 */
struct loading {
	struct store_loader loader;
	struct deployments *owner;
	struct deployment **end;       /* of the list, so that the oldest stays first */
	struct deployment *deployment; /* the one found last: rows come by deployment */
	struct error *err;
};

static struct loading *loading_of(struct store_loader *loader)
{
	return container_of(loader, struct loading, loader);
}

static int find_deployment(struct loading *loading, const char *id)
{
	if (!loading->deployment || strcmp(loading->deployment->record.id, id) != 0)
		loading->deployment = deployments_find(loading->owner, id);
	if (!loading->deployment)
		return error_set(loading->err, -EBADMSG,
			"a row belongs to deployment %.20s, which is not open", id);
	return 0;
}

/* ---- rows */

static uint32_t n_targets_of(const struct deployment_record *record)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(record->overview); i++)
		n += record->overview[i];
	return n;
}

static int on_deployment(struct store_loader *loader, struct deployment_record *record)
{
	struct loading *loading = loading_of(loader);
	cleanup_with(deployment_freep) struct deployment *deployment = xcalloc(
		1, sizeof(*deployment));
	uint32_t n = n_targets_of(record);
	int r;

	deployment->owner = loading->owner;
	deployment->record = *record;
	free(record);
	r = rollout_read(&deployment->rollout, deployment->record.rollout, loading->err);
	if (r < 0)
		return error_wrap(loading->err, "deployment %s", deployment->record.id);
	deployment->group = fleet_find_group_by_id(
		loading->owner->fleet, deployment->record.group_id);
	deployment->targets = xcalloc((size_t)n + 1, sizeof(*deployment->targets));
	deployment->hosts = xcalloc((size_t)n + 1, sizeof(*deployment->hosts));
	deployment->rollout.targets = deployment->targets;
	deployment->rollout.n_targets = n;
	*loading->end = deployment;
	loading->end = &deployment->next;
	(void)take(&deployment);
	return 0;
}

/*
 * Who has the name now may be another one, registered since: it has no part in the deployment,
 * whose events began on the one before.
 */
static struct host *find_host(const struct loading *loading, const char *name)
{
	struct fleet *fleet = loading->owner->fleet;
	struct host *host = fleet_find_host(fleet, name);

	if (host && host->registered_ms > loading->deployment->record.created_ms)
		return fleet_add_former_host(fleet, name);
	return host;
}

static int on_target(struct store_loader *loader, const char *deployment_id,
	const struct target_record *record)
{
	struct loading *loading = loading_of(loader);
	struct deployment_target *target;
	struct host *host;
	int r = find_deployment(loading, deployment_id);

	if (r < 0)
		return r;
	host = find_host(loading, record->host_name);
	if (!host)
		return error_set(loading->err, -EBADMSG, "deployment %s: there is no host %s",
			deployment_id, record->host_name);
	if (record->position >= loading->deployment->rollout.n_targets ||
		loading->deployment->hosts[record->position].host)
		return error_set(loading->err, -EBADMSG,
			"deployment %s: target %u (%s) is one too many", deployment_id,
			record->position, record->host_name);
	target = &loading->deployment->hosts[record->position];
	*target = (struct deployment_target){ .deployment = loading->deployment,
		.position = record->position,
		.stored_vanished = record->target.vanished,
		.host = host,
		.updated_ms = record->updated_ms };
	loading->deployment->targets[record->position] = record->target;
	if (record->target.state == TARGET_RUNNING)
		target->event_started_ms = record->target.since_ms;
	return 0;
}

static int on_delivery(struct store_loader *loader, const char *deployment_id,
	uint32_t position, enum target_event event, const struct delivery *delivery)
{
	struct loading *loading = loading_of(loader);
	struct deployment_target *target;
	int r = find_deployment(loading, deployment_id);

	if (r < 0)
		return r;
	if (position >= loading->deployment->rollout.n_targets)
		return error_set(loading->err, -EBADMSG,
			"deployment %s: a delivery to target %u, which is not there",
			deployment_id, position);
	target = &loading->deployment->hosts[position];
	/* The command may have gone on to the next event, of which nothing was handed out yet.
	 */
	if (loading->deployment->targets[position].state >= TARGET_SUCCEEDED ||
		deployment_target_event(target) != event)
		return 0;
	target->deliveries = xreallocarray(
		target->deliveries, target->n_deliveries + 1, sizeof(*target->deliveries));
	target->deliveries[target->n_deliveries++] = *delivery;
	return 0;
}

/* ---- all of them read */

static int check_complete(const struct deployment *deployment, struct error *err)
{
	size_t length = rollout_lifecycle_length(deployment->rollout.config.lifecycle);

	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++) {
		if (!deployment->hosts[i].host)
			return error_set(err, -EBADMSG, "deployment %s: target %u is missing",
				deployment->record.id, i);
		if (deployment->targets[i].step >= length)
			return error_set(err, -EBADMSG,
				"deployment %s: target %u stands behind its last event",
				deployment->record.id, i);
	}
	return 0;
}

/*
 * Every registered host counts as present for now, as presence.h has it: it was the controller
 * that was away.
 */
static void welcome_back(struct deployment *deployment, uint64_t now_ms)
{
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++) {
		const struct rollout_input input = { .type = ON_HOST_BACK, .target = i };

		if (!deployment->targets[i].gone ||
			deployment->hosts[i].host->deregistered_ms > 0)
			continue;
		(void)deployment_apply(deployment, &input, NULL, now_ms);
		deployment_target_changed(deployment, i);
	}
}

/* Every host has its time anew: nobody could have answered while the controller was away. */
static void go_on(struct deployment *deployment, uint64_t now_ms)
{
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		deployment->targets[i].held = deployment_target_is_held(&deployment->hosts[i]);
	deployment->rollout.grace_ms = now_ms;
	rollout_open(&deployment->rollout);
	deployment_set_timer(deployment, rollout_deadline(&deployment->rollout), now_ms);
	welcome_back(deployment, now_ms);
	/* Held hosts may be free by now, and what is over may not have been ended. */
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		if (deployment->hosts[i].next_of_host ||
			deployment->hosts[i].host->open != &deployment->hosts[i])
			host_list_add(&deployment->owner->freed, deployment->hosts[i].host);
	deployment_touch(deployment);
	deployment_log_of(deployment);
	log_notice("deployment %s of %s/%s goes on", deployment->record.id,
		deployment->record.application_name, deployment->record.group_name);
	deployment_log_of(NULL);
}

static void free_all(struct deployments *deployments)
{
	while (deployments->first) {
		struct deployment *deployment = deployments->first;

		deployments->first = deployment->next;
		deployment_free(deployment);
	}
}

/* Only now, since the links to their hosts need all of their targets. */
static void link_all(struct deployments *deployments)
{
	struct deployment *list = deployments->first;

	deployments->first = NULL;
	while (list) {
		struct deployment *deployment = list;

		list = list->next;
		deployment_link(deployment);
	}
}

int deployments_load(struct deployments *deployments, uint64_t now_ms, struct error *err)
{
	struct loading loading = { .loader = { .on_deployment = on_deployment,
					   .on_target = on_target,
					   .on_delivery = on_delivery },
		.owner = deployments,
		.end = &deployments->first,
		.err = err };
	int r = store_load(deployments->store, &loading.loader, err);

	for (struct deployment *deployment = deployments->first; deployment && r >= 0;
		deployment = deployment->next)
		r = check_complete(deployment, err);
	if (r < 0) {
		free_all(deployments);
		return error_wrap(err, "cannot take up the open deployments");
	}
	link_all(deployments);
	now_ms = deployments_advance(deployments, now_ms);
	for (struct deployment *deployment = deployments->first; deployment;
		deployment = deployment->next)
		go_on(deployment, now_ms);
	deployments_settle(deployments, now_ms);
	deployments_look_for_late(deployments);
	return 0;
}
