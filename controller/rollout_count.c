/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include <string.h>

/*
 * What is counted is kept as targets change, so that a step costs the same over ten hosts and
 * over a hundred thousand.
 */

static bool skips(const struct rollout *rollout)
{
	return rollout->config.unreachable == UNREACHABLE_SKIP;
}

static bool is_absent(const struct rollout *rollout, const struct target *target)
{
	return skips(rollout) && target->state == TARGET_PENDING && target->gone;
}

/*
 * An agent that never takes its command is as good as gone: after a restart nobody knows yet
 * who is.
 */
static bool is_lost(const struct rollout *rollout, const struct target *target)
{
	return skips(rollout) && target->state == TARGET_FAILED &&
	       (target->reason == REASON_HOST_GONE || target->reason == REASON_AGENT_SILENT);
}

bool target_is_ready(const struct rollout *rollout, const struct target *target)
{
	return target->state == TARGET_PENDING && !target->held && !is_absent(rollout, target);
}

bool target_is_under_way(const struct target *target)
{
	return target->state == TARGET_SENT || target->state == TARGET_RUNNING;
}

void rollout_count(struct rollout *rollout, const struct target *target, int sign)
{
	uint32_t one = (uint32_t)sign;

	rollout->n_state[target->state] += one;
	if (target_is_ready(rollout, target))
		rollout->n_ready += one;
	if (is_absent(rollout, target))
		rollout->n_absent += one;
	if (is_lost(rollout, target))
		rollout->n_lost += one;
	if (target->vanished)
		rollout->n_vanished += one;
	if (target->touched)
		rollout->n_touched += one;
	if (sign > 0 && target->rank < rollout->cursor && target_is_ready(rollout, target))
		rollout->cursor = target->rank;
}

void rollout_count_all(struct rollout *rollout)
{
	memset(rollout->n_state, 0, sizeof(rollout->n_state));
	rollout->n_ready = rollout->n_absent = rollout->n_lost = 0;
	rollout->n_vanished = rollout->n_touched = 0;
	for (uint32_t i = 0; i < rollout->n_targets; i++)
		rollout_count(rollout, &rollout->targets[i], 1);
}

struct rollout_health rollout_health(const struct rollout *rollout)
{
	struct rollout_health health = { 0 };
	uint32_t spare;

	health.n_hosts = rollout->config.n_bystanders + rollout->n_targets - rollout->n_absent -
			 rollout->n_lost;
	health.minimum = minimum_healthy_hosts(&rollout->config.minimum, health.n_hosts);
	/* Refused for lack of hosts, a rollback would leave the bad revision where it is. */
	if (rollout->config.is_rollback && health.n_hosts > 0 &&
		health.minimum >= health.n_hosts)
		health.minimum = health.n_hosts - 1;
	health.n_failed = rollout->n_state[TARGET_FAILED] - rollout->n_lost;
	health.n_under_way = rollout->n_state[TARGET_SENT] + rollout->n_state[TARGET_RUNNING];
	spare = minimum_healthy_spare(health.n_hosts, health.minimum);
	health.n_allowed = spare > health.n_failed ? spare - health.n_failed : 0;
	return health;
}

bool rollout_is_broken(const struct rollout *rollout)
{
	return rollout_health(rollout).n_allowed == 0 &&
	       rollout->n_state[TARGET_PENDING] > rollout->n_absent;
}
