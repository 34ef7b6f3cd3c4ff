/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/rollout_internal.h"

#define MINUTES(n) ((uint64_t)(n)*60 * 1000)

static const struct edge {
	enum rollout_phase from;
	enum rollout_turn on;
	enum rollout_phase to;
} edges[] = {
	/* clang-format off */
	{ PHASE_CREATED,  ROLLOUT_STARTS,      PHASE_ROLLING },
	{ PHASE_CREATED,  ROLLOUT_REFUSED,     PHASE_FAILED },
	{ PHASE_CREATED,  ROLLOUT_STOPS,       PHASE_STOPPED },
	{ PHASE_CREATED,  ROLLOUT_TIMES_OUT,   PHASE_FAILED },
	{ PHASE_ROLLING,  ROLLOUT_BREAKS,      PHASE_DRAINING },
	{ PHASE_ROLLING,  ROLLOUT_STOPS,       PHASE_STOPPING },
	{ PHASE_ROLLING,  ROLLOUT_DRAINED,     PHASE_SUCCEEDED },
	{ PHASE_ROLLING,  ROLLOUT_FALLS_SHORT, PHASE_FAILED },
	{ PHASE_ROLLING,  ROLLOUT_TIMES_OUT,   PHASE_FAILED },
	{ PHASE_DRAINING, ROLLOUT_STOPS,       PHASE_DRAINING }, /* failed already; now it hurries */
	{ PHASE_DRAINING, ROLLOUT_DRAINED,     PHASE_FAILED },
	{ PHASE_DRAINING, ROLLOUT_FALLS_SHORT, PHASE_FAILED },
	{ PHASE_DRAINING, ROLLOUT_TIMES_OUT,   PHASE_FAILED },
	{ PHASE_STOPPING, ROLLOUT_DRAINED,     PHASE_STOPPED },
	{ PHASE_STOPPING, ROLLOUT_FALLS_SHORT, PHASE_STOPPED },
	{ PHASE_STOPPING, ROLLOUT_TIMES_OUT,   PHASE_STOPPED },
	/* clang-format on */
};

int rollout_next(enum rollout_phase from, enum rollout_turn turn)
{
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
		if (edges[i].from == from && edges[i].on == turn)
			return (int)edges[i].to;
	return -EPROTO;
}

bool rollout_is_over(const struct rollout *rollout)
{
	return rollout->phase >= PHASE_SUCCEEDED;
}

struct rollout_config rollout_config_default(void)
{
	return (struct rollout_config){
		.minimum = MINIMUM_ONE_AT_A_TIME,
		.vanish_percent = 25,
		.vanish_window_ms = MINUTES(3), /* AWS's agents fall silent that far apart */
		.start_timeout_ms = MINUTES(4),
		.event_timeout_ms = MINUTES(61), /* an event's scripts may take an hour */
		.gone_timeout_ms = MINUTES(5),
		.traffic_timeout_ms = MINUTES(60),
		.deployment_timeout_ms = MINUTES(12 * 60),
	};
}

void rollout_actions_done(struct rollout_actions *actions)
{
	if (!actions)
		return;
	free(actions->items);
	*actions = (struct rollout_actions){ 0 };
}

void turn_emit(struct turn *turn, struct rollout_action action)
{
	xgrow(&turn->out->items, &turn->out->cap, turn->out->n);
	turn->out->items[turn->out->n++] = action;
}

void rollout_open(struct rollout *rollout)
{
	assert(rollout->n_targets < UINT32_MAX);
	rollout->order = NULL;
	rollout->heap = NULL;
	rollout_order_make(rollout);
	rollout_count_all(rollout);
	rollout_late_make(rollout);
	rollout_deadline_make(rollout);
	rollout->told_ms = 0;
}

void rollout_done(struct rollout *rollout)
{
	if (!rollout)
		return;
	free(rollout->order);
	free(rollout->heap);
	rollout->order = NULL;
	rollout->heap = NULL;
}

/* ---- the deployment's own turns */

static bool wants_rollback(const struct rollout *rollout)
{
	const struct rollout_config *config = &rollout->config;

	if (config->is_rollback || (rollout->n_touched == 0 && !config->rollback_like_aws))
		return false;
	switch (rollout->stop_rollback) {
	case STOP_ROLLBACK:
		return true;
	case STOP_NO_ROLLBACK:
		return false;
	case STOP_ROLLBACK_AS_CONFIGURED:
		break;
	}
	return rollout->phase == PHASE_STOPPED ? config->rollback_on_stop
					       : config->rollback_on_failure;
}

/* The only place where the phase changes. The first verdict keeps its reason. */
static void turn_rollout(struct turn *turn, enum rollout_turn to, enum rollout_reason reason)
{
	struct rollout *rollout = turn->rollout;
	int next = rollout_next(rollout->phase, to);

	assert(next >= 0);
	if (rollout->phase == (enum rollout_phase)next)
		return;
	rollout->phase = next;
	if (rollout->reason == REASON_NONE)
		rollout->reason = reason;
	turn_emit(
		turn, (struct rollout_action){
			      .type = ACTION_PHASE, .phase = next, .reason = rollout->reason });
	if ((next == PHASE_FAILED || next == PHASE_STOPPED) && wants_rollback(rollout))
		turn_emit(turn, (struct rollout_action){ .type = ACTION_START_ROLLBACK });
}

static void skip_pending(struct turn *turn, enum rollout_reason reason)
{
	for (uint32_t i = 0; i < turn->rollout->n_targets; i++)
		if (turn->rollout->targets[i].state == TARGET_PENDING)
			target_skip(turn, i, reason);
}

static void refuse(struct turn *turn, enum rollout_reason reason)
{
	skip_pending(turn, reason);
	turn_rollout(turn, ROLLOUT_REFUSED, reason);
}

static int on_start(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;
	struct rollout_health health = rollout_health(rollout);

	if (rollout->phase != PHASE_CREATED)
		return -ESTALE;
	if (rollout->n_targets == 0 && !rollout->config.only_outdated)
		refuse(turn, REASON_NO_INSTANCES);
	else if (rollout->n_targets > 0 && rollout->n_absent == rollout->n_targets)
		refuse(turn, REASON_NO_HOST_PRESENT);
	else if (rollout->n_targets > 0 && health.n_allowed == 0)
		refuse(turn, REASON_HEALTH_CONSTRAINTS_INVALID);
	else
		turn_rollout(turn, ROLLOUT_STARTS, REASON_NONE);
	return 0;
}

static int on_stop(struct turn *turn, enum stop_rollback rollback)
{
	struct rollout *rollout = turn->rollout;

	if (rollout_is_over(rollout) || rollout->halted)
		return -ESTALE;
	rollout->halted = true;
	rollout->stop_rollback = rollback;
	if (rollout->stranded)
		rollout_unstrand(turn);
	skip_pending(turn, REASON_MANUAL_STOP);
	for (uint32_t i = 0; i < rollout->n_targets; i++)
		target_halt(turn, i);
	turn_rollout(turn, ROLLOUT_STOPS, REASON_MANUAL_STOP);
	return 0;
}

static int on_pause(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	if (rollout->phase > PHASE_ROLLING || rollout->paused)
		return -ESTALE;
	rollout->paused = true;
	turn_emit(
		turn, (struct rollout_action){ .type = ACTION_WAITS, .reason = REASON_PAUSED });
	return 0;
}

static int on_resume(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	if (rollout->phase > PHASE_ROLLING || (!rollout->paused && !rollout->stranded))
		return -ESTALE;
	rollout->paused = false;
	if (rollout->stranded)
		rollout_unstrand(turn);
	else
		turn_emit(turn,
			(struct rollout_action){ .type = ACTION_WAITS, .reason = REASON_NONE });
	return 0;
}

static void time_out(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	skip_pending(turn, REASON_TIMEOUT);
	for (uint32_t i = 0; i < rollout->n_targets; i++)
		if (target_is_under_way(&rollout->targets[i]))
			target_abandon(turn, i, REASON_TIMEOUT);
	turn_rollout(turn, ROLLOUT_TIMES_OUT, REASON_TIMEOUT);
}

static int on_timer(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;
	uint32_t first = rollout_deadline_first(rollout);

	if (rollout_is_over(rollout) || rollout_deadline(rollout) > turn->now_ms)
		return -ESTALE;
	if (rollout_end_ms(rollout) <= turn->now_ms) {
		time_out(turn);
		return 0;
	}
	while (first != UINT32_MAX && rollout->targets[first].deadline_ms <= turn->now_ms) {
		target_expire(turn, first);
		first = rollout_deadline_first(rollout);
	}
	return 0;
}

static int on_event(struct turn *turn, const struct rollout_input *input)
{
	struct rollout *rollout = turn->rollout;
	const struct target *target = &rollout->targets[input->target];

	if (!target_is_under_way(target) || target_event_of(rollout, target) != input->event)
		return -ESTALE;
	if (input->type == ON_EVENT_STARTED && target->state == TARGET_RUNNING)
		return -ESTALE;
	/* Who speaks is there; traffic is reported by ourselves. */
	if (!target_event_is_traffic(input->event))
		(void)host_back(turn, input->target);
	if (input->type == ON_EVENT_STARTED)
		target_started(turn, input->target);
	else if (input->type == ON_EVENT_FAILED)
		target_failed(turn, input->target);
	else
		target_succeeded(turn, input->target);
	return 0;
}

static int take_input(struct turn *turn, const struct rollout_input *input)
{
	switch (input->type) {
	case ON_START:
		return on_start(turn);
	case ON_EVENT_STARTED:
	case ON_EVENT_SUCCEEDED:
	case ON_EVENT_FAILED:
	case ON_EVENT_SKIPPED:
		return on_event(turn, input);
	case ON_HOST_GONE:
		return host_gone(turn, input->target);
	case ON_HOST_BACK:
		return host_back(turn, input->target);
	case ON_HOST_HELD:
	case ON_HOST_FREE:
		return host_held(turn, input->target, input->type == ON_HOST_HELD);
	case ON_PAUSE:
		return on_pause(turn);
	case ON_RESUME:
		return on_resume(turn);
	case ON_STOP:
		return on_stop(turn, input->rollback);
	case ON_TIMER:
		return on_timer(turn);
	}
	__builtin_unreachable();
}

/* ---- what follows from it */

/* Gone hosts that nobody waits for must not break a rollout that only waits for the network. */
static void judge(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;

	if (rollout->phase != PHASE_ROLLING || rollout->stranded || !rollout_is_broken(rollout))
		return;
	skip_pending(turn, REASON_HEALTH_CONSTRAINTS);
	turn_rollout(turn, ROLLOUT_BREAKS, REASON_HEALTH_CONSTRAINTS);
}

static void refill(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;
	struct rollout_health health = rollout_health(rollout);

	if (rollout->phase != PHASE_ROLLING || rollout->paused || rollout->stranded)
		return;
	for (; rollout->n_ready > 0 && health.n_under_way < health.n_allowed;
		health.n_under_way++)
		target_begin(turn, rollout_order_next(rollout));
}

static bool is_enough(const struct rollout *rollout, struct rollout_health health)
{
	if (rollout->n_targets == 0)
		return true;
	return rollout->n_state[TARGET_SUCCEEDED] > 0 &&
	       rollout->n_state[TARGET_SUCCEEDED] + rollout->config.n_bystanders >=
		       health.minimum;
}

static void end_if_drained(struct turn *turn)
{
	struct rollout *rollout = turn->rollout;
	struct rollout_health health = rollout_health(rollout);
	bool enough = is_enough(rollout, health);

	if (rollout->phase == PHASE_CREATED || rollout_is_over(rollout) ||
		health.n_under_way > 0)
		return;
	if (rollout->n_state[TARGET_PENDING] > rollout->n_absent ||
		(rollout->stranded && rollout->n_absent > 0))
		return;
	skip_pending(turn, REASON_HOST_GONE);
	turn_rollout(turn, enough ? ROLLOUT_DRAINED : ROLLOUT_FALLS_SHORT,
		enough ? REASON_NONE : REASON_HEALTH_CONSTRAINTS);
}

static void tell_deadline(struct turn *turn)
{
	uint64_t deadline = rollout_deadline(turn->rollout);

	if (deadline == turn->rollout->told_ms)
		return;
	turn->rollout->told_ms = deadline;
	turn_emit(turn,
		(struct rollout_action){ .type = ACTION_DEADLINE, .deadline_ms = deadline });
}

int rollout_apply(struct rollout *rollout, const struct rollout_input *input, uint64_t now_ms,
	struct rollout_actions *out)
{
	struct turn turn = { rollout, now_ms, out };
	int r;

	assert(input->type < ON_EVENT_STARTED || input->type > ON_HOST_FREE ||
		input->target < rollout->n_targets);
	r = take_input(&turn, input);
	if (r < 0)
		return r;
	judge(&turn);
	refill(&turn);
	end_if_drained(&turn);
	tell_deadline(&turn);
	return 0;
}
