/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"

/*
 * Hosts come and go. One that goes is a failed host; many that go at once are a fault between
 * us and them, and to fail the rollout and turn back the living would make it worse.
 */

static bool is_over_share(const struct rollout *rollout, uint64_t n)
{
	return rollout->config.vanish_percent > 0 && n >= 2 &&
	       n * 100 > (uint64_t)rollout->config.vanish_percent * rollout->n_targets;
}

/*
 * ---- who vanished lately: a list in the order of their going, so that neither one that goes
 * nor one that comes back costs more for a hundred thousand hosts
 */

static void append_late(struct rollout *rollout, uint32_t i)
{
	struct target *target = &rollout->targets[i];

	target->is_late = true;
	target->vanished_before = rollout->last_late;
	target->vanished_after = 0;
	if (rollout->last_late > 0)
		rollout->targets[rollout->last_late - 1].vanished_after = i + 1;
	else
		rollout->first_late = i + 1;
	rollout->last_late = i + 1;
	rollout->n_late++;
}

static void drop_late(struct rollout *rollout, uint32_t i)
{
	struct target *target = &rollout->targets[i];

	if (!target->is_late)
		return;
	target->is_late = false;
	if (target->vanished_before > 0)
		rollout->targets[target->vanished_before - 1].vanished_after =
			target->vanished_after;
	else
		rollout->first_late = target->vanished_after;
	if (target->vanished_after > 0)
		rollout->targets[target->vanished_after - 1].vanished_before =
			target->vanished_before;
	else
		rollout->last_late = target->vanished_before;
	rollout->n_late--;
}

/* Those that are gone for longer than the window are on their own. */
static void forget_late(const struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	while (rollout->first_late > 0 &&
		rollout->targets[rollout->first_late - 1].gone_since_ms +
				rollout->config.vanish_window_ms <
			turn->now_ms)
		drop_late(rollout, rollout->first_late - 1);
}

struct going {
	uint64_t since_ms;
	uint32_t target;
};

static int compare_going(const void *left, const void *right)
{
	const struct going *a = left;
	const struct going *b = right;

	if (a->since_ms != b->since_ms)
		return a->since_ms < b->since_ms ? -1 : 1;
	return a->target < b->target ? -1 : a->target > b->target;
}

void rollout_late_make(struct rollout *rollout)
{
	struct going *going = xcalloc((size_t)rollout->n_targets + 1, sizeof(*going));
	size_t n = 0;

	rollout->first_late = rollout->last_late = rollout->n_late = 0;
	for (uint32_t i = 0; i < rollout->n_targets; i++) {
		const struct target *target = &rollout->targets[i];

		rollout->targets[i].is_late = false;
		if (target->gone && target->gone_since_ms > rollout->grace_ms)
			going[n++] = (struct going){ target->gone_since_ms, i };
	}
	qsort(going, n, sizeof(*going), compare_going);
	for (size_t k = 0; k < n; k++)
		append_late(rollout, going[k].target);
	free(going);
}

/* ---- stranding */

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

	for (uint32_t at = rollout->first_late; at > 0;
		at = rollout->targets[at - 1].vanished_after)
		mark(rollout, &rollout->targets[at - 1], true);
	rollout->stranded = true;
	rollout_deadline_make(rollout);
	say_wait(turn, REASON_STRANDED);
}

static void strand_if_many(struct turn *turn)
{
	const struct rollout *rollout = turn->rollout;

	if (rollout->phase != PHASE_ROLLING || rollout->stranded)
		return;
	forget_late(turn);
	if (is_over_share(rollout, rollout->n_late))
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
	rollout_late_make(rollout);
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
	if (target->gone_since_ms > rollout->grace_ms)
		append_late(rollout, i);
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
	drop_late(rollout, i);
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
