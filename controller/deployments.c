/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/deployments_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "controller/rollout_text.h"
#include "controller/store.h"

/* The table of open deployments, and how an input passes through them. */

struct deployments *deployments_new(struct loop *loop, struct fleet *fleet, struct store *store,
	const struct settings *settings, const struct core_clock *clock,
	struct deployments_listener *listener)
{
	struct deployments *deployments = xcalloc(1, sizeof(*deployments));

	*deployments = (struct deployments){ .loop = loop,
		.fleet = fleet,
		.store = store,
		.settings = settings,
		.clock = clock,
		.listener = listener };
	return deployments;
}

void deployments_free(struct deployments *deployments)
{
	if (!deployments)
		return;
	while (deployments->first) {
		struct deployment *deployment = deployments->first;

		deployment_unlink(deployment);
		deployment_free(deployment);
	}
	loop_timer_stop(&deployments->late_timer);
	free(deployments->freed.items);
	free(deployments->told.items);
	free(deployments);
}

void deployments_freep(struct deployments **deployments)
{
	deployments_free(*deployments);
}

struct deployment *deployments_find(const struct deployments *deployments, const char *id)
{
	for (struct deployment *deployment = deployments->first; deployment;
		deployment = deployment->next)
		if (strcmp(deployment->record.id, id) == 0)
			return deployment;
	return NULL;
}

/* ---- a deployment among its like */

static void link_target(struct deployment_target *target)
{
	struct deployment_target **end = &target->host->open;

	/* At the end: who came first goes on first. */
	while (*end)
		end = &(*end)->next_of_host;
	*end = target;
}

static void unlink_target(struct deployment_target *target)
{
	struct deployment_target **at = &target->host->open;

	while (*at && *at != target)
		at = &(*at)->next_of_host;
	if (*at)
		*at = target->next_of_host;
	target->next_of_host = NULL;
}

void deployment_link(struct deployment *deployment)
{
	deployment->next = deployment->owner->first;
	deployment->owner->first = deployment;
	if (deployment->group)
		deployment->group->active = deployment;
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		link_target(&deployment->hosts[i]);
}

void deployment_unlink(struct deployment *deployment)
{
	struct deployment **at = &deployment->owner->first;

	while (*at && *at != deployment)
		at = &(*at)->next;
	if (*at)
		*at = deployment->next;
	deployment->next = NULL;
	if (deployment->group && deployment->group->active == deployment)
		deployment->group->active = NULL;
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		unlink_target(&deployment->hosts[i]);
}

void deployment_free(struct deployment *deployment)
{
	if (!deployment)
		return;
	loop_timer_stop(&deployment->timer);
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		free(deployment->hosts[i].deliveries);
	rollout_done(&deployment->rollout);
	deployment_record_done(&deployment->record);
	free(deployment->targets);
	free(deployment->hosts);
	free(deployment->changed);
	free(deployment->signed_order);
	free(deployment);
}

void deployment_freep(struct deployment **deployment)
{
	deployment_free(*deployment);
}

void deployment_set_targets(struct deployment *deployment, struct target *targets,
	struct host *const *hosts, uint32_t n)
{
	deployment->targets = targets;
	deployment->hosts = xcalloc((size_t)n + 1, sizeof(*deployment->hosts));
	for (uint32_t i = 0; i < n; i++)
		deployment->hosts[i] = (struct deployment_target){
			.deployment = deployment, .position = i, .host = hosts[i]
		};
	deployment->rollout.targets = targets;
	deployment->rollout.n_targets = n;
}

/* ---- what is left to do */

void host_list_add(struct host_list *list, struct host *host)
{
	xgrow(&list->items, &list->cap, list->n);
	list->items[list->n++] = host;
}

void deployment_touch(struct deployment *deployment)
{
	if (deployment->is_touched)
		return;
	deployment->is_touched = true;
	deployment->next_touched = deployment->owner->touched;
	deployment->owner->touched = deployment;
}

void deployment_changed(struct deployment *deployment)
{
	deployment->is_changed = true;
	deployment_touch(deployment);
}

void deployment_target_changed(struct deployment *deployment, uint32_t position)
{
	struct deployment_target *target = &deployment->hosts[position];

	if (target->is_changed)
		return;
	target->is_changed = true;
	xgrow(&deployment->changed, &deployment->cap_changed, deployment->n_changed);
	deployment->changed[deployment->n_changed++] = position;
	deployment_touch(deployment);
}

static void count_overview(struct deployment *deployment)
{
	const uint32_t *n_state = deployment->rollout.n_state;
	const uint32_t overview[] = { n_state[TARGET_PENDING],
		n_state[TARGET_SENT] + n_state[TARGET_RUNNING], n_state[TARGET_SUCCEEDED],
		n_state[TARGET_FAILED], n_state[TARGET_SKIPPED], 0 };

	_Static_assert(sizeof(overview) == sizeof(deployment->record.overview), "six counters");
	memcpy(deployment->record.overview, overview, sizeof(overview));
}

void deployment_put(struct deployment *deployment)
{
	count_overview(deployment);
	free(deployment->record.rollout);
	deployment->record.rollout = rollout_write(&deployment->rollout);
	store_put_deployment(deployment->owner->store, &deployment->record);
	deployment->is_changed = false;
}

static void put_target(struct deployment *deployment, uint32_t position)
{
	struct deployment_target *target = &deployment->hosts[position];
	struct target_record record = { .position = position,
		.target = deployment->targets[position],
		.updated_ms = target->updated_ms };

	/* Both have the same bound. */
	memcpy(record.host_name, target->host->name, sizeof(record.host_name));
	store_put_target(deployment->owner->store, deployment->record.id, &record);
	target->is_changed = false;
	target->stored_vanished = record.target.vanished;
}

static void put_changes(struct deployment *deployment)
{
	for (size_t i = 0; i < deployment->n_changed; i++)
		put_target(deployment, deployment->changed[i]);
	deployment->n_changed = 0;
	count_overview(deployment);
	if (deployment->is_changed)
		deployment_put(deployment);
}

void deployment_log_of(const struct deployment *deployment)
{
	log_set_field("DEPLOYMENT_ID", deployment ? deployment->record.id : NULL);
}

/* ---- the way of an input */

int deployment_apply(struct deployment *deployment, const struct rollout_input *input,
	const struct event_record *record, uint64_t now_ms)
{
	struct rollout_actions actions = { 0 };
	int r = rollout_apply(&deployment->rollout, input, now_ms, &actions);

	if (r >= 0)
		deployment_act(deployment, &actions, record, now_ms);
	rollout_actions_done(&actions);
	return r;
}

static void free_host(struct host *host, uint64_t now_ms)
{
	for (struct deployment_target *target = host->open; target;
		target = target->next_of_host) {
		struct deployment *deployment = target->deployment;

		if (deployment->targets[target->position].state != TARGET_PENDING ||
			deployment_target_is_held(target))
			continue;
		(void)deployment_apply(deployment,
			&(struct rollout_input){
				.type = ON_HOST_FREE, .target = target->position },
			NULL, now_ms);
	}
}

static struct deployment *next_touched(struct deployments *deployments)
{
	struct deployment *deployment = deployments->touched;

	if (deployment) {
		deployments->touched = deployment->next_touched;
		deployment->next_touched = NULL;
		deployment->is_touched = false;
	}
	return deployment;
}

/* Once all is settled, so that whoever is told may ask anything. */
static void tell_commands(struct deployments *deployments)
{
	struct host_list told = deployments->told;

	deployments->told = (struct host_list){ 0 };
	for (size_t i = 0; deployments->listener && i < told.n; i++)
		deployments->listener->on_command(deployments->listener, told.items[i]);
	free(told.items);
}

void deployments_settle(struct deployments *deployments, uint64_t now_ms)
{
	struct deployment *deployment;

	do {
		while (deployments->freed.n > 0)
			free_host(deployments->freed.items[--deployments->freed.n], now_ms);
		deployment = next_touched(deployments);
		if (!deployment)
			break;
		put_changes(deployment);
		if (rollout_is_over(&deployment->rollout))
			deployment_end(deployment, now_ms);
	} while (true);
	tell_commands(deployments);
}

/*
 * Rollouts want a time that never goes back: a timer reads the clock, while what was asked in
 * the same turn bears the time of the turn's beginning.
 */
uint64_t deployments_advance(struct deployments *deployments, uint64_t now_ms)
{
	if (now_ms > deployments->now_ms)
		deployments->now_ms = now_ms;
	return deployments->now_ms;
}

/* ---- inputs from outside */

static int give(struct deployment *deployment, const struct rollout_input *input,
	const struct event_record *record, uint64_t now_ms)
{
	struct deployments *owner = deployment->owner;
	int r;

	now_ms = deployments_advance(owner, now_ms);
	r = deployment_apply(deployment, input, record, now_ms);
	deployments_settle(owner, now_ms);
	return r;
}

int deployments_stop(struct deployments *deployments, struct deployment *deployment,
	enum stop_rollback rollback, uint64_t now_ms)
{
	const struct rollout_input input = { .type = ON_STOP, .rollback = rollback };

	assert(deployment->owner == deployments);
	/* ON_STOP of a deployment that failed already changes stored members and says nothing.
	 */
	deployment_changed(deployment);
	return give(deployment, &input, NULL, now_ms);
}

int deployments_pause(
	struct deployments *deployments, struct deployment *deployment, uint64_t now_ms)
{
	assert(deployment->owner == deployments);
	return give(deployment, &(struct rollout_input){ .type = ON_PAUSE }, NULL, now_ms);
}

int deployments_resume(
	struct deployments *deployments, struct deployment *deployment, uint64_t now_ms)
{
	assert(deployment->owner == deployments);
	return give(deployment, &(struct rollout_input){ .type = ON_RESUME }, NULL, now_ms);
}

static void leave_group(struct deployment *deployment, const char *error_code, uint64_t now_ms)
{
	deployment->group = NULL;
	free(deployment->record.error_code);
	deployment->record.error_code = xstrdup(error_code);
	deployment_changed(deployment);
	(void)deployment_apply(deployment,
		&(struct rollout_input){ .type = ON_STOP, .rollback = STOP_NO_ROLLBACK }, NULL,
		now_ms);
}

void deployments_group_deleted(struct deployments *deployments, struct group *group,
	const char *error_code, uint64_t now_ms)
{
	now_ms = deployments_advance(deployments, now_ms);
	group->active = NULL;
	/* Besides the active one there may be one that made way for it. */
	for (struct deployment *deployment = deployments->first; deployment;
		deployment = deployment->next)
		if (deployment->group == group)
			leave_group(deployment, error_code, now_ms);
	deployments_settle(deployments, now_ms);
}

struct deployment_target *deployments_command_for(
	const struct deployments *deployments, const struct host *host)
{
	struct deployment_target *target = host->open;

	(void)deployments;
	while (target && target->deployment->targets[target->position].state != TARGET_SENT)
		target = target->next_of_host;
	return target;
}

enum target_event deployment_target_event(const struct deployment_target *target)
{
	const struct rollout *rollout = &target->deployment->rollout;

	return rollout_lifecycle_at(
		rollout->config.lifecycle, rollout->targets[target->position].step);
}

void deployments_event_started(
	struct deployments *deployments, struct deployment_target *target, uint64_t now_ms)
{
	const struct rollout_input input = { .type = ON_EVENT_STARTED,
		.target = target->position,
		.event = deployment_target_event(target) };

	assert(target->deployment->owner == deployments);
	(void)give(target->deployment, &input, NULL, now_ms);
}

static enum rollout_input_type result_of(enum event_status status)
{
	switch (status) {
	case EVENT_STATUS_FAILED:
		return ON_EVENT_FAILED;
	case EVENT_STATUS_SKIPPED:
		return ON_EVENT_SKIPPED;
	case EVENT_STATUS_SUCCEEDED:
		return ON_EVENT_SUCCEEDED;
	case EVENT_STATUS_PENDING:
	case EVENT_STATUS_IN_PROGRESS:
		break;
	}
	assert(!"an end is no wait");
	__builtin_unreachable();
}

void deployments_event_ended(struct deployments *deployments, struct deployment_target *target,
	const struct event_record *record, uint64_t now_ms)
{
	const struct rollout_input input = { .type = result_of(record->status),
		.target = target->position,
		.event = record->event };

	assert(target->deployment->owner == deployments);
	(void)give(target->deployment, &input, record, now_ms);
}

static void tell_of_host(struct deployments *deployments, struct host *host,
	enum rollout_input_type type, uint64_t now_ms)
{
	now_ms = deployments_advance(deployments, now_ms);
	for (struct deployment_target *target = host->open; target;
		target = target->next_of_host) {
		const struct rollout_input input = { .type = type, .target = target->position };

		if (deployment_apply(target->deployment, &input, NULL, now_ms) >= 0)
			deployment_target_changed(target->deployment, target->position);
	}
	deployments_settle(deployments, now_ms);
}

void deployments_host_gone(struct deployments *deployments, struct host *host, uint64_t now_ms)
{
	tell_of_host(deployments, host, ON_HOST_GONE, now_ms);
}

void deployments_host_back(struct deployments *deployments, struct host *host, uint64_t now_ms)
{
	tell_of_host(deployments, host, ON_HOST_BACK, now_ms);
	deployments_host_changed(deployments, host);
}

int deployments_archive_of(struct deployments *deployments,
	const struct deployment_target *target, char ret_id[static DEPLOYMENT_ID_LENGTH + 1])
{
	const struct deployment_record *deployment = &target->deployment->record;
	struct host_record record = { 0 };

	if (!deployment->restart ||
		store_find_host_record(deployments->store, target->host->name,
			deployment->group_id, &record, NULL) <= 0 ||
		record.deployment_id[0] == '\0')
		return 0;
	memcpy(ret_id, record.deployment_id, DEPLOYMENT_ID_LENGTH + 1);
	return 1;
}
