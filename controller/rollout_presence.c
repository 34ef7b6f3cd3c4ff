/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include <errno.h>

/*
 * Hosts come and go. One that goes is a failed host; many that go at once are a fault between
 * us and them, and to fail the rollout and turn back the living would make it worse.
 */

static bool is_over_share(const struct rollout *rollout, uint64_t n)
{
	return rollout->config.vanish_percent > 0 && n >= 2 &&
	       n * 100 > (uint64_t)rollout->config.vanish_percent * rollout->n_targets;
}

static bool vanished_lately(const struct turn *turn, const struct target *target)
{
	return target->gone && target->gone_since_ms > turn->rollout->grace_ms &&
	       target->gone_since_ms + turn->rollout->config.vanish_window_ms >= turn->now_ms;
}

static void say_wait(struct turn *turn, enum rollout_reason reason)
{
	turn_emit(turn, (struct rollout_action){ .type = ACTION_WAITS, .reason = reason });
}

static void mark(struct rollout *rollout, struct target *target, bool vanished)
{
	rollout_count(rollout, target, -1);
	target->vanished = vanished;
	rollout_count(rollout, target, 1);
}

static void strand(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	for (uint32_t i = 0; i < rollout->n_targets; i++)
		if (vanished_lately(turn, &rollout->targets[i]))
			mark(rollout, &rollout->targets[i], true);
	rollout->stranded = true;
	rollout_deadline_make(rollout);
	say_wait(turn, REASON_STRANDED);
}

static void strand_if_many(struct turn *turn)
{
	const struct rollout *rollout = turn->rollout;
	uint64_t n = 0;

	if (rollout->phase != PHASE_ROLLING || rollout->stranded)
		return;
	for (uint32_t i = 0; i < rollout->n_targets; i++)
		n += vanished_lately(turn, &rollout->targets[i]);
	if (is_over_share(rollout, n))
		strand(turn);
}

/* Those still gone have as long as if they had gone now; they do not strand it once more. */
void rollout_unstrand(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	rollout->stranded = false;
	rollout->grace_ms = turn->now_ms;
	for (uint32_t i = 0; i < rollout->n_targets; i++)
		if (rollout->targets[i].vanished)
			mark(rollout, &rollout->targets[i], false);
	rollout_deadline_make(rollout);
	say_wait(turn, rollout->paused ? REASON_PAUSED : REASON_NONE);
}

int host_gone(struct turn *turn, uint32_t i)
{
	struct rollout *rollout = turn->rollout;
	struct target *target = &rollout->targets[i];

	if (target->gone)
		return -ESTALE;
	rollout_count(rollout, target, -1);
	target->gone = true;
	target->gone_since_ms = turn->now_ms;
	target->vanished = rollout->stranded;
	rollout_count(rollout, target, 1);
	rollout_deadline_update(rollout, i);
	strand_if_many(turn);
	return 0;
}

/* Its command is offered once more; its event's clock stood still while it was stranded. */
static bool begins_anew(const struct rollout *rollout, const struct target *target)
{
	if (target->state == TARGET_SENT)
		return true;
	return rollout->stranded && target->state == TARGET_RUNNING &&
	       !target_event_is_traffic(target_event_of(rollout, target));
}

int host_back(struct turn *turn, uint32_t i)
{
	struct rollout *rollout = turn->rollout;
	struct target *target = &rollout->targets[i];

	if (!target->gone)
		return -ESTALE;
	rollout_count(rollout, target, -1);
	target->gone = false;
	target->vanished = false;
	if (begins_anew(rollout, target))
		target->since_ms = turn->now_ms;
	rollout_count(rollout, target, 1);
	rollout_deadline_update(rollout, i);
	if (rollout->stranded && !is_over_share(rollout, rollout->n_vanished))
		rollout_unstrand(turn);
	return 0;
}

int host_held(struct turn *turn, uint32_t i, bool held)
{
	struct target *target = &turn->rollout->targets[i];

	if (target->held == held)
		return -ESTALE;
	rollout_count(turn->rollout, target, -1);
	target->held = held;
	rollout_count(turn->rollout, target, 1);
	return 0;
}
