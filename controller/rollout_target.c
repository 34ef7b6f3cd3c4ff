/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include <assert.h>
#include <errno.h>

#include "base/cleanup.h"

static const struct edge {
	enum target_state from;
	enum target_turn on;
	enum target_state to;
} edges[] = {
	/* clang-format off */
	{ TARGET_PENDING, TURN_BEGIN,   TARGET_SENT },
	{ TARGET_PENDING, TURN_TRAFFIC, TARGET_RUNNING },
	{ TARGET_PENDING, TURN_SKIP,    TARGET_SKIPPED },
	{ TARGET_SENT,    TURN_TAKEN,   TARGET_RUNNING },
	{ TARGET_SENT,    TURN_NEXT,    TARGET_SENT },     /* nothing to run: never taken */
	{ TARGET_SENT,    TURN_TRAFFIC, TARGET_RUNNING },
	{ TARGET_SENT,    TURN_LAST,    TARGET_SUCCEEDED },
	{ TARGET_SENT,    TURN_FAIL,    TARGET_FAILED },
	{ TARGET_SENT,    TURN_SKIP,    TARGET_SKIPPED },  /* withdrawn before anything began */
	{ TARGET_RUNNING, TURN_NEXT,    TARGET_SENT },
	{ TARGET_RUNNING, TURN_TRAFFIC, TARGET_RUNNING },
	{ TARGET_RUNNING, TURN_LAST,    TARGET_SUCCEEDED },
	{ TARGET_RUNNING, TURN_FAIL,    TARGET_FAILED },
	/* clang-format on */
};

int target_next(enum target_state from, enum target_turn turn)
{
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
		if (edges[i].from == from && edges[i].on == turn)
			return (int)edges[i].to;
	return -EPROTO;
}

static size_t length(const struct turn *turn)
{
	return rollout_lifecycle_length(turn->rollout->config.lifecycle);
}

enum target_event target_event_of(const struct rollout *rollout, const struct target *target)
{
	return rollout_lifecycle_at(rollout->config.lifecycle, target->step);
}

static void say_event(struct turn *turn, uint32_t i, size_t step, enum event_status status)
{
	struct rollout *rollout = turn->rollout;

	if (rollout->targets[i].events[step] == status)
		return;
	rollout->targets[i].events[step] = (uint8_t)status;
	turn_emit(turn, (struct rollout_action){ .type = ACTION_EVENT_STATUS,
				.target = i,
				.event = rollout_lifecycle_at(rollout->config.lifecycle, step),
				.event_status = status });
}

/* The only place where a target's state changes. */
static void turn_target(
	struct turn *turn, uint32_t i, enum target_turn to, enum rollout_reason reason)
{
	struct target *target = &turn->rollout->targets[i];
	int next = target_next(target->state, to);
	bool said;

	assert(next >= 0);
	said = target->state == (enum target_state)next;
	rollout_count(turn->rollout, target, -1);
	target->state = next;
	target->reason = reason;
	target->since_ms = turn->now_ms;
	target->touched = target->touched || next == TARGET_RUNNING;
	rollout_count(turn->rollout, target, 1);
	rollout_deadline_update(turn->rollout, i);
	if (!said)
		turn_emit(turn, (struct rollout_action){ .type = ACTION_TARGET_STATE,
					.target = i,
					.target_state = target->state,
					.reason = reason });
}

/* The events from `step` on will not run any more. */
static void skip_events(struct turn *turn, uint32_t i, size_t step)
{
	for (; step < length(turn); step++)
		say_event(turn, i, step, EVENT_STATUS_SKIPPED);
}

static void offer(struct turn *turn, uint32_t i, enum target_turn to)
{
	struct target *target = &turn->rollout->targets[i];
	enum target_event event = target_event_of(turn->rollout, target);
	bool traffic = target_event_is_traffic(event);

	turn_target(turn, i, traffic ? TURN_TRAFFIC : to, REASON_NONE);
	if (traffic)
		say_event(turn, i, target->step, EVENT_STATUS_IN_PROGRESS);
	turn_emit(turn,
		(struct rollout_action){ .type = traffic ? ACTION_SHIFT_TRAFFIC : ACTION_SEND,
			.target = i,
			.event = event });
}

static void fail(struct turn *turn, uint32_t i, enum rollout_reason reason)
{
	skip_events(turn, i, turn->rollout->targets[i].step + 1);
	turn_target(turn, i, TURN_FAIL, reason);
}

void target_begin(struct turn *turn, uint32_t i)
{
	offer(turn, i, TURN_BEGIN);
}

void target_started(struct turn *turn, uint32_t i)
{
	turn_target(turn, i, TURN_TAKEN, REASON_NONE);
	say_event(turn, i, turn->rollout->targets[i].step, EVENT_STATUS_IN_PROGRESS);
}

static void go_on(struct turn *turn, uint32_t i)
{
	struct target *target = &turn->rollout->targets[i];

	if (target->step + 1U == length(turn)) {
		turn_target(turn, i, TURN_LAST, REASON_NONE);
	} else if (turn->rollout->halted) {
		fail(turn, i, REASON_MANUAL_STOP);
	} else {
		target->step++;
		offer(turn, i, TURN_NEXT);
	}
}

/* A result may come for a command whose taking was never told: it was run all the same. */
static void note_result(struct turn *turn, uint32_t i, enum event_status status)
{
	struct target *target = &turn->rollout->targets[i];

	rollout_count(turn->rollout, target, -1);
	target->touched = true;
	rollout_count(turn->rollout, target, 1);
	say_event(turn, i, target->step, status);
}

void target_succeeded(struct turn *turn, uint32_t i)
{
	note_result(turn, i, EVENT_STATUS_SUCCEEDED);
	go_on(turn, i);
}

void target_failed(struct turn *turn, uint32_t i)
{
	const struct rollout *rollout = turn->rollout;
	enum target_event event = target_event_of(rollout, &rollout->targets[i]);

	note_result(turn, i, EVENT_STATUS_FAILED);
	if (rollout->config.ignore_application_stop_failures &&
		target_event_is_forgivable(event))
		go_on(turn, i);
	else
		fail(turn, i, REASON_EVENT_FAILED);
}

void target_skip(struct turn *turn, uint32_t i, enum rollout_reason reason)
{
	skip_events(turn, i, turn->rollout->targets[i].step);
	turn_target(turn, i, TURN_SKIP, reason);
}

static void withdraw(struct turn *turn, uint32_t i)
{
	turn_emit(turn,
		(struct rollout_action){ .type = ACTION_WITHDRAW,
			.target = i,
			.event = target_event_of(turn->rollout, &turn->rollout->targets[i]) });
}

void target_abandon(struct turn *turn, uint32_t i, enum rollout_reason reason)
{
	struct target *target = &turn->rollout->targets[i];

	withdraw(turn, i);
	/* AWS shows an event that no agent ever took as Skipped. */
	say_event(turn, i, target->step,
		target->state == TARGET_RUNNING ? EVENT_STATUS_FAILED : EVENT_STATUS_SKIPPED);
	fail(turn, i, reason);
}

void target_halt(struct turn *turn, uint32_t i)
{
	struct target *target = &turn->rollout->targets[i];

	if (target->state != TARGET_SENT)
		return;
	if (target->touched) {
		target_abandon(turn, i, REASON_MANUAL_STOP);
	} else {
		withdraw(turn, i);
		target_skip(turn, i, REASON_MANUAL_STOP);
	}
}

void target_expire(struct turn *turn, uint32_t i)
{
	const struct target *target = &turn->rollout->targets[i];
	enum rollout_reason reason = REASON_EVENT_TIMED_OUT;

	if (target_event_is_traffic(target_event_of(turn->rollout, target)))
		reason = REASON_TRAFFIC_TIMED_OUT;
	else if (target->gone)
		reason = REASON_HOST_GONE;
	else if (target->state == TARGET_SENT)
		reason = REASON_AGENT_SILENT;
	target_abandon(turn, i, reason);
}
