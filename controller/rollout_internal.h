/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/rollout.h"

/* What the sources of the rollout share among themselves. */

/* One rollout_apply(). */
struct turn {
	struct rollout *rollout;
	uint64_t now_ms;
	struct rollout_actions *out;
};

void turn_emit(struct turn *turn, struct rollout_action action);

/* ---- rollout_order.c */

void rollout_order_make(struct rollout *rollout);
/* The ready target whose turn it is; there must be one. */
uint32_t rollout_order_next(struct rollout *rollout);

/* ---- rollout_count.c */

bool target_is_ready(const struct rollout *rollout, const struct target *target);
bool target_is_under_way(const struct target *target);
/* Around every change of a target: -1 before it, +1 after it. */
void rollout_count(struct rollout *rollout, const struct target *target, int sign);
void rollout_count_all(struct rollout *rollout);
bool rollout_is_broken(const struct rollout *rollout);

/* ---- rollout_deadline.c */

uint64_t target_deadline(const struct rollout *rollout, const struct target *target);
/* After every change of a target that moves its deadline. */
void rollout_deadline_update(struct rollout *rollout, uint32_t i);
void rollout_deadline_make(struct rollout *rollout);
/* The target whose deadline is the first, or UINT32_MAX. */
uint32_t rollout_deadline_first(const struct rollout *rollout);
uint64_t rollout_end_ms(const struct rollout *rollout);

/* ---- rollout_target.c */

enum target_event target_event_of(const struct rollout *rollout, const struct target *target);
void target_begin(struct turn *turn, uint32_t i);
void target_started(struct turn *turn, uint32_t i);
void target_succeeded(struct turn *turn, uint32_t i);
void target_failed(struct turn *turn, uint32_t i);
void target_skip(struct turn *turn, uint32_t i, enum rollout_reason reason);
/* Ends a target that is under way, because of something else than its event's result. */
void target_abandon(struct turn *turn, uint32_t i, enum rollout_reason reason);
/* A command that was not taken yet is withdrawn; an event under way is let run. */
void target_halt(struct turn *turn, uint32_t i);
void target_expire(struct turn *turn, uint32_t i);

/* ---- rollout_presence.c */

int host_gone(struct turn *turn, uint32_t i);
int host_back(struct turn *turn, uint32_t i);
int host_held(struct turn *turn, uint32_t i, bool held);
void rollout_unstrand(struct turn *turn);
void rollout_late_make(struct rollout *rollout);
