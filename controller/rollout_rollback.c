/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout.h"

#include "base/alloc.h"

bool rollout_selects(const struct rollout_config *config, const struct host_history *history)
{
	return !config->only_outdated || history->revision != REVISION_CURRENT;
}

static struct host_history after_success(const struct target *target)
{
	if (target->state == TARGET_SUCCEEDED)
		return (struct host_history){ true, REVISION_CURRENT };
	/* The group has a newer revision now, and whether this host has any whole one is open.
	 */
	return (struct host_history){ false, target->history.revision == REVISION_CURRENT
						     ? REVISION_UNKNOWN
						     : target->history.revision };
}

struct host_history rollout_after(const struct rollout *rollout, uint32_t target)
{
	const struct target *ended = &rollout->targets[target];
	struct host_history history = ended->history;

	if (rollout->phase == PHASE_SUCCEEDED)
		return after_success(ended);
	if (ended->state == TARGET_SUCCEEDED)
		history.healthy = true;
	else if (ended->state == TARGET_FAILED)
		history.healthy = false;
	return history;
}

static void take_target(
	const struct rollout *rollout, uint32_t i, struct target *targets, uint32_t n)
{
	targets[n] = (struct target){ .history = rollout_after(rollout, i),
		.gone = rollout->targets[i].gone,
		.gone_since_ms = rollout->targets[i].gone_since_ms,
		.held = rollout->targets[i].held };
}

uint32_t rollout_rollback(const struct rollout *rollout, struct rollout_config *ret_config,
	uint32_t **ret_hosts, struct target **ret_targets)
{
	bool like_aws = rollout->config.rollback_like_aws;
	struct rollout_config config = rollout->config;
	uint32_t *hosts = xcalloc((size_t)rollout->n_targets + 1, sizeof(*hosts));
	struct target *targets = xcalloc((size_t)rollout->n_targets + 1, sizeof(*targets));
	uint32_t n = 0;

	for (uint32_t i = 0; i < rollout->n_targets; i++) {
		if (like_aws || rollout->targets[i].touched) {
			hosts[n] = i;
			take_target(rollout, i, targets, n++);
		} else if (!rollout->targets[i].gone) {
			config.n_bystanders++;
		}
	}
	config.is_rollback = true;
	config.only_outdated = false;
	if (!like_aws) {
		config.unreachable = UNREACHABLE_SKIP;
		config.ignore_application_stop_failures = true;
	}
	*ret_config = config;
	*ret_hosts = hosts;
	*ret_targets = targets;
	return n;
}
