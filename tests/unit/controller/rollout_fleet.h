/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/rollout.h"
#include "unit.h"

#define SECONDS(n) ((uint64_t)(n)*1000)
#define MINUTES(n) ((uint64_t)(n)*60 * 1000)

/* A rollout, its hosts and what it asked for; the clock is the test's. */
struct fleet {
	struct rollout rollout;
	struct rollout_actions actions;
	uint64_t now_ms;
	uint32_t begun[16]; /* hosts in the order in which they were begun */
	uint32_t n_begun;
};

static inline void fleet_init(
	struct fleet *fleet, struct rollout_config config, struct target *targets, uint32_t n)
{
	memset(fleet, 0, sizeof(*fleet));
	fleet->now_ms = SECONDS(1000);
	fleet->rollout = (struct rollout){ .config = config,
		.targets = targets,
		.n_targets = n,
		.created_ms = fleet->now_ms };
	rollout_open(&fleet->rollout);
}

static inline void fleet_done(struct fleet *fleet)
{
	rollout_done(&fleet->rollout);
	rollout_actions_done(&fleet->actions);
}

static inline void note_begun(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->actions.n; i++) {
		const struct rollout_action *action = &fleet->actions.items[i];

		if ((action->type == ACTION_SEND || action->type == ACTION_SHIFT_TRAFFIC) &&
			fleet->rollout.targets[action->target].step == 0 &&
			fleet->n_begun < ARRAY_SIZE(fleet->begun) &&
			!fleet->rollout.targets[action->target].touched)
			fleet->begun[fleet->n_begun++] = action->target;
	}
}

static inline int give(struct fleet *fleet, struct rollout_input input)
{
	int r;

	fleet->actions.n = 0;
	fleet->now_ms += 10;
	r = rollout_apply(&fleet->rollout, &input, fleet->now_ms, &fleet->actions);
	note_begun(fleet);
	return r;
}

static inline int tell(struct fleet *fleet, enum rollout_input_type type)
{
	return give(fleet, (struct rollout_input){ .type = type });
}

static inline int tell_of(struct fleet *fleet, enum rollout_input_type type, uint32_t target)
{
	const struct target *of = &fleet->rollout.targets[target];

	return give(fleet, (struct rollout_input){ .type = type,
				   .target = target,
				   .event = rollout_lifecycle_at(
					   fleet->rollout.config.lifecycle, of->step) });
}

/* The host's current event begins and ends, until the host is through or `last` has failed. */
static inline void run_host(struct fleet *fleet, uint32_t i, bool fails_at_install)
{
	const struct target *target = &fleet->rollout.targets[i];
	enum target_event event;

	while (target->state == TARGET_SENT || target->state == TARGET_RUNNING) {
		event = rollout_lifecycle_at(fleet->rollout.config.lifecycle, target->step);
		(void)tell_of(fleet, ON_EVENT_STARTED, i);
		(void)tell_of(fleet,
			fails_at_install && event == TARGET_INSTALL ? ON_EVENT_FAILED
								    : ON_EVENT_SUCCEEDED,
			i);
	}
}

/* Lets time pass until the next deadline, and tells of it. */
static inline void wait_deadline(struct fleet *fleet)
{
	fleet->now_ms = rollout_deadline(&fleet->rollout);
	(void)tell(fleet, ON_TIMER);
}

static inline bool was_asked(const struct fleet *fleet, enum rollout_action_type type)
{
	for (size_t i = 0; i < fleet->actions.n; i++)
		if (fleet->actions.items[i].type == type)
			return true;
	return false;
}
