/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/clock.h"
#include "controller/deployments_internal.h"
#include "controller/rollout_why.h"
#include "controller/settings.h"
#include "controller/store.h"

/* What a rollout decided becomes rows of the store, commands for hosts, and a timer. */

struct carrying {
	struct deployment *deployment;
	const struct event_record *record; /* what the host said; NULL: it said nothing */
	uint64_t now_ms;
};

/* ---- one deployment at a time on a host */

static bool is_under_way(const struct deployment_target *target)
{
	enum target_state state = target->deployment->targets[target->position].state;

	return state == TARGET_SENT || state == TARGET_RUNNING;
}

bool deployment_target_is_held(const struct deployment_target *target)
{
	if (target->deployment->owner->settings->rollout.concurrent_on_a_host)
		return false;
	for (const struct deployment_target *other = target->host->open; other;
		other = other->next_of_host)
		if (other != target && is_under_way(other))
			return true;
	return false;
}

/*
 * The host's other deployments must wait from this moment on: at once, before any other input
 * could make one of them begin there. Holding a host back begins nothing elsewhere.
 */
static void hold_others(const struct carrying *carrying, const struct deployment_target *target)
{
	if (carrying->deployment->owner->settings->rollout.concurrent_on_a_host)
		return;
	for (struct deployment_target *other = target->host->open; other;
		other = other->next_of_host)
		if (other != target &&
			other->deployment->targets[other->position].state == TARGET_PENDING)
			(void)deployment_apply(other->deployment,
				&(struct rollout_input){
					.type = ON_HOST_HELD, .target = other->position },
				NULL, carrying->now_ms);
}

/* ---- events */

static void drop_deliveries(struct deployment_target *target)
{
	free(target->deliveries);
	target->deliveries = NULL;
	target->n_deliveries = 0;
}

static void put_event(const struct carrying *carrying, const struct deployment_target *target,
	const struct event_record *record)
{
	store_put_event(carrying->deployment->owner->store, carrying->deployment->record.id,
		target->position, record);
}

static void begin_event(const struct carrying *carrying, struct deployment_target *target,
	enum target_event event)
{
	const struct event_record record = { .event = event,
		.status = EVENT_STATUS_IN_PROGRESS,
		.started_ms = carrying->now_ms,
		.error_code = -1 };

	target->event_started_ms = carrying->now_ms;
	put_event(carrying, target, &record);
}

static void end_event(const struct carrying *carrying, const struct deployment_target *target,
	const struct rollout_action *action)
{
	struct event_record record = *carrying->record;

	record.event = action->event;
	record.status = action->event_status;
	record.started_ms = target->event_started_ms ? target->event_started_ms
						     : carrying->now_ms;
	record.ended_ms = carrying->now_ms;
	put_event(carrying, target, &record);
}

static struct deployment_target *move_target(const struct carrying *carrying, uint32_t position)
{
	struct deployment_target *target = &carrying->deployment->hosts[position];

	target->updated_ms = carrying->now_ms;
	deployment_target_changed(carrying->deployment, position);
	return target;
}

static void on_event_status(
	const struct carrying *carrying, const struct rollout_action *action)
{
	struct deployment_target *target = move_target(carrying, action->target);

	if (action->event_status == EVENT_STATUS_IN_PROGRESS)
		begin_event(carrying, target, action->event);
	else if (carrying->record && carrying->record->event == action->event)
		end_event(carrying, target, action);
	/* Else it was skipped and has no more to tell, or note_end() tells why it failed. */
}

/*
 * Nobody reported the event's end: its diagnostics are what the controller knows. An agent
 * reports 5 for what it has no other code for, and so do we.
 */
static void note_end(const struct carrying *carrying, struct deployment_target *target)
{
	const struct deployment *deployment = carrying->deployment;
	const struct rollout_why why = rollout_why_target(
		&deployment->rollout, target->position);
	const struct target *state = &deployment->targets[target->position];
	char message[256];
	struct event_record record = { .event = why.event,
		.status = state->events[state->step],
		.started_ms = target->event_started_ms,
		.ended_ms = carrying->now_ms,
		.error_code = 5,
		.message = message };

	if (record.status != EVENT_STATUS_FAILED && record.status != EVENT_STATUS_SKIPPED)
		return;
	(void)snprintf(message, sizeof(message), "%s%s%s", why.text, *why.remedy ? ": " : "",
		why.remedy);
	put_event(carrying, target, &record);
}

static void on_target_state(
	const struct carrying *carrying, const struct rollout_action *action)
{
	struct deployment_target *target = move_target(carrying, action->target);

	switch (action->target_state) {
	case TARGET_PENDING:
	case TARGET_RUNNING:
		return;
	case TARGET_SENT:
		hold_others(carrying, target);
		return;
	case TARGET_FAILED:
		if (action->reason != REASON_EVENT_FAILED)
			note_end(carrying, target);
		break;
	case TARGET_SUCCEEDED:
	case TARGET_SKIPPED:
		break;
	}
	drop_deliveries(target);
	if (target->host->open != target || target->next_of_host)
		host_list_add(&carrying->deployment->owner->freed, target->host);
}

static void on_send(const struct carrying *carrying, const struct rollout_action *action)
{
	struct deployment_target *target = move_target(carrying, action->target);

	target->event_started_ms = 0;
	drop_deliveries(target);
	host_list_add(&carrying->deployment->owner->told, target->host);
}

static void on_withdraw(const struct carrying *carrying, const struct rollout_action *action)
{
	struct deployments_listener *listener = carrying->deployment->owner->listener;

	if (listener)
		listener->on_withdrawn(listener, &carrying->deployment->hosts[action->target]);
}

/* ---- the deployment itself */

static void on_phase(const struct carrying *carrying, const struct rollout_action *action)
{
	struct deployment_record *record = &carrying->deployment->record;

	deployment_changed(carrying->deployment);
	if (action->phase != PHASE_ROLLING)
		return;
	record->started_ms = carrying->now_ms;
	(void)snprintf(record->status, sizeof(record->status), "InProgress");
}

/* It was stranded, or is no more: which hosts had vanished is told by no action of their own.
 */
static void on_waits(const struct carrying *carrying)
{
	struct deployment *deployment = carrying->deployment;

	deployment_changed(deployment);
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		if (deployment->targets[i].vanished != deployment->hosts[i].stored_vanished)
			deployment_target_changed(deployment, i);
}

static void on_due(struct loop_timer *timer)
{
	struct deployment *deployment = container_of(timer, struct deployment, timer);
	struct deployments *owner = deployment->owner;
	uint64_t now_ms = deployments_advance(owner, core_clock_now_ms(owner->clock));

	store_set_actor(owner->store, "", now_ms);
	deployment->timer_ms = 0;
	if (deployment_apply(deployment, &(struct rollout_input){ .type = ON_TIMER }, NULL,
		    now_ms) < 0 ||
		deployment->timer_ms == 0)
		deployment_set_timer(
			deployment, rollout_deadline(&deployment->rollout), now_ms);
	deployments_settle(owner, now_ms);
}

void deployment_set_timer(struct deployment *deployment, uint64_t deadline_ms, uint64_t now_ms)
{
	struct error err = ERROR_NONE;

	if (deadline_ms == 0) {
		loop_timer_stop(&deployment->timer);
		deployment->timer_ms = 0;
		return;
	}
	/* One that comes too early is harmless, and every result moves the deadline. */
	if (deployment->timer_ms > 0 && deployment->timer_ms <= deadline_ms)
		return;
	deployment->timer_ms = deadline_ms;
	if (loop_timer_start(deployment->owner->loop, &deployment->timer,
		    deadline_ms > now_ms ? deadline_ms - now_ms : 0, on_due, &err) < 0)
		log_error("deployment %s: its deadlines will pass unnoticed: %s",
			deployment->record.id, err.text);
}

static void carry_out(const struct carrying *carrying, const struct rollout_action *action)
{
	switch (action->type) {
	case ACTION_SEND:
		on_send(carrying, action);
		return;
	case ACTION_WITHDRAW:
		on_withdraw(carrying, action);
		return;
	case ACTION_SHIFT_TRAFFIC:
		break; /* no lifecycle that is begun here has traffic */
	case ACTION_EVENT_STATUS:
		on_event_status(carrying, action);
		return;
	case ACTION_TARGET_STATE:
		on_target_state(carrying, action);
		return;
	case ACTION_PHASE:
		on_phase(carrying, action);
		return;
	case ACTION_WAITS:
		on_waits(carrying);
		return;
	case ACTION_START_ROLLBACK:
		carrying->deployment->wants_rollback = true;
		return;
	case ACTION_DEADLINE:
		deployment_set_timer(
			carrying->deployment, action->deadline_ms, carrying->now_ms);
		return;
	}
	assert(!"an action that nobody carries out");
}

void deployment_act(struct deployment *deployment, const struct rollout_actions *actions,
	const struct event_record *record, uint64_t now_ms)
{
	const struct carrying carrying = { deployment, record, now_ms };

	for (size_t i = 0; i < actions->n; i++)
		carry_out(&carrying, &actions->items[i]);
	deployment_touch(deployment);
}
