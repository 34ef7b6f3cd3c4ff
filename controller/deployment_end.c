/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "controller/deployments_internal.h"
#include "controller/fleet.h"
#include "controller/rollout_why.h"
#include "controller/store.h"

/* What an ended rollout leaves behind: a verdict, the histories of its hosts, the group's. */

static const char *status_of(enum rollout_phase phase)
{
	switch (phase) {
	case PHASE_SUCCEEDED:
		return "Succeeded";
	case PHASE_FAILED:
		return "Failed";
	case PHASE_STOPPED:
		return "Stopped";
	case PHASE_CREATED:
	case PHASE_ROLLING:
	case PHASE_DRAINING:
	case PHASE_STOPPING:
		break;
	}
	assert(!"it is not over");
	__builtin_unreachable();
}

/* The host that failed first, or n. */
static uint32_t first_failed(const struct rollout *rollout)
{
	uint32_t first = rollout->n_targets;

	for (uint32_t i = 0; i < rollout->n_targets; i++)
		if (rollout->targets[i].state == TARGET_FAILED &&
			(first == rollout->n_targets ||
				rollout->targets[i].since_ms <
					rollout->targets[first].since_ms))
			first = i;
	return first;
}

/* "2 of 10 hosts failed, at least 9 must stay healthy; first web-3 in ApplicationStart: ..." */
static void say_failures(struct buf *text, const struct deployment *deployment)
{
	const struct rollout *rollout = &deployment->rollout;
	const struct rollout_health health = rollout_health(rollout);
	uint32_t first = first_failed(rollout);
	struct rollout_why why;

	buf_printf(text, " (%u of %u hosts failed, at least %u must stay healthy",
		rollout->n_state[TARGET_FAILED], rollout->n_targets, health.minimum);
	if (first < rollout->n_targets) {
		why = rollout_why_target(rollout, first);
		buf_printf(text, "; first %s in %s: %s", deployment->hosts[first].host->name,
			target_event_name(why.event), why.text);
	}
	buf_puts(text, ")");
}

static char *error_message(const struct deployment *deployment)
{
	const struct rollout_why why = rollout_why(&deployment->rollout);
	cleanup_with(buf_done) struct buf text = { 0 };

	if (deployment->record.error_code)
		buf_puts(&text, "it was stopped, since its deployment group was deleted");
	else
		buf_puts(&text, why.text);
	if (why.reason == REASON_HEALTH_CONSTRAINTS || why.reason == REASON_TIMEOUT)
		say_failures(&text, deployment);
	if (!deployment->record.error_code && *why.remedy)
		buf_printf(&text, ": %s", why.remedy);
	return xstrdup(text.data);
}

static void write_verdict(struct deployment *deployment, uint64_t now_ms)
{
	struct deployment_record *record = &deployment->record;
	const struct rollout_why why = rollout_why(&deployment->rollout);

	(void)snprintf(record->status, sizeof(record->status), "%s",
		status_of(deployment->rollout.phase));
	record->completed_ms = now_ms;
	if (deployment->rollout.phase == PHASE_SUCCEEDED) {
		free(record->error_code); /* its group was deleted when all was done already */
		record->error_code = NULL;
		return;
	}
	free(record->error_message);
	record->error_message = error_message(deployment);
	if (!record->error_code && why.error_code)
		record->error_code = xstrdup(why.error_code);
}

/* ---- histories */

static bool is_history_same(struct host_history a, struct host_history b)
{
	return a.healthy == b.healthy && a.revision == b.revision;
}

static void write_history(const struct deployment *deployment, uint32_t i, uint64_t now_ms)
{
	struct store *store = deployment->owner->store;
	const struct target *target = &deployment->targets[i];
	const char *host_name = deployment->hosts[i].host->name;
	const struct host_history after = rollout_after(&deployment->rollout, i);
	struct host_record record = { 0 };

	if (target->state == TARGET_SKIPPED && is_history_same(target->history, after))
		return;
	/* Another one has its name by now, with a history of its own. */
	if (fleet_find_host(deployment->owner->fleet, host_name) != deployment->hosts[i].host)
		return;
	if (target->state == TARGET_SUCCEEDED)
		memcpy(record.deployment_id, deployment->record.id,
			sizeof(record.deployment_id));
	else if (store_find_host_record(
			 store, host_name, deployment->group->id, &record, NULL) < 0)
		return; /* the store is broken, and the commit will say so */
	else if (record.written_ms < deployment->hosts[i].host->registered_ms)
		record.deployment_id[0] = '\0';
	record.history = after;
	record.written_ms = now_ms;
	store_put_host_record(store, host_name, deployment->group->id, &record);
}

static void write_group(const struct deployment *deployment)
{
	struct group *group = deployment->group;

	/* Late joiners receive what the group has: its last success stays what it was. */
	if (deployment->rollout.phase != PHASE_SUCCEEDED ||
		strcmp(deployment->record.creator, AUTO_UPDATE) == 0)
		return;
	(void)snprintf(group->last_successful, sizeof(group->last_successful), "%s",
		deployment->record.id);
	free(group->target_revision);
	group->target_revision = xstrdup(deployment->record.revision);
	store_put_group(deployment->owner->store, group);
}

/* ---- the end */

static void log_end(const struct deployment *deployment)
{
	const struct deployment_record *record = &deployment->record;

	deployment_log_of(deployment);
	log_notice("deployment %s of %s/%s: %s; %u succeeded, %u failed, %u skipped%s%s",
		record->id, record->application_name, record->group_name, record->status,
		record->overview[2], record->overview[3], record->overview[4],
		record->error_message ? ": " : "",
		record->error_message ? record->error_message : "");
	deployment_log_of(NULL);
}

/*
 * Hosts may have come meanwhile. Not after a stop: somebody wants quiet. Nor if no host was
 * attempted, or the next one would end in the same way at once, and so on for ever.
 */
static bool is_time_for_late(const struct deployment *deployment)
{
	const struct rollout *rollout = &deployment->rollout;

	return rollout->phase == PHASE_SUCCEEDED ||
	       (rollout->phase == PHASE_FAILED &&
		       rollout->n_state[TARGET_SUCCEEDED] + rollout->n_state[TARGET_FAILED] >
			       0);
}

void deployment_end(struct deployment *deployment, uint64_t now_ms)
{
	write_verdict(deployment, now_ms);
	if (deployment->group) {
		for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
			write_history(deployment, i, now_ms);
		write_group(deployment);
	}
	deployment_unlink(deployment);
	log_end(deployment);
	if (deployment->wants_rollback && deployment->group)
		deployment_roll_back(deployment, now_ms);
	if (deployment->group && is_time_for_late(deployment))
		deployments_group_changed(deployment->owner, deployment->group);
	deployment_put(deployment);
	deployment_free(deployment);
}
