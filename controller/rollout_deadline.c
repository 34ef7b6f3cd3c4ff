/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include "base/alloc.h"

/* A binary heap of the targets that have a deadline, the first one on top. */

static uint64_t latest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t running_deadline(const struct rollout *rollout, const struct target *target)
{
	const struct rollout_config *config = &rollout->config;
	uint64_t since = latest(target->since_ms, rollout->grace_ms);
	uint64_t gone_since = latest(target->gone_since_ms, rollout->grace_ms);

	if (target_event_is_traffic(target_event_of(rollout, target)))
		return target->since_ms + config->traffic_timeout_ms;
	if (!target->gone)
		return since + config->event_timeout_ms;
	if (rollout->stranded)
		return 0;
	return earliest(since + config->event_timeout_ms, gone_since + config->gone_timeout_ms);
}

uint64_t target_deadline(const struct rollout *rollout, const struct target *target)
{
	switch (target->state) {
	case TARGET_SENT:
		if (target->gone && rollout->stranded)
			return 0;
		return latest(target->since_ms, rollout->grace_ms) +
		       rollout->config.start_timeout_ms;
	case TARGET_RUNNING:
		return running_deadline(rollout, target);
	case TARGET_PENDING:
	case TARGET_SUCCEEDED:
	case TARGET_FAILED:
	case TARGET_SKIPPED:
		return 0;
	}
	__builtin_unreachable();
}

/* Equal deadlines by index, so that a restart changes nothing. */
static bool is_before(const struct rollout *rollout, uint32_t a, uint32_t b)
{
	uint64_t left = rollout->targets[a].deadline_ms;
	uint64_t right = rollout->targets[b].deadline_ms;

	return left < right || (left == right && a < b);
}

static void place(struct rollout *rollout, uint32_t at, uint32_t i)
{
	rollout->heap[at] = i;
	rollout->targets[i].heap_at = at + 1;
}

static uint32_t sift_up(struct rollout *rollout, uint32_t at, uint32_t i)
{
	while (at > 0 && is_before(rollout, i, rollout->heap[(at - 1) / 2])) {
		place(rollout, at, rollout->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	return at;
}

static uint32_t sift_down(struct rollout *rollout, uint32_t at, uint32_t i)
{
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < rollout->heap_n &&
			is_before(rollout, rollout->heap[child + 1], rollout->heap[child]))
			child++;
		if (child >= rollout->heap_n || !is_before(rollout, rollout->heap[child], i))
			return at;
		place(rollout, at, rollout->heap[child]);
		at = child;
	}
}

static void settle(struct rollout *rollout, uint32_t at, uint32_t i)
{
	at = sift_up(rollout, at, i);
	place(rollout, sift_down(rollout, at, i), i);
}

static void leave(struct rollout *rollout, uint32_t i)
{
	uint32_t at = rollout->targets[i].heap_at - 1;
	uint32_t last = rollout->heap[--rollout->heap_n];

	rollout->targets[i].heap_at = 0;
	if (last != i)
		settle(rollout, at, last);
}

void rollout_deadline_update(struct rollout *rollout, uint32_t i)
{
	struct target *target = &rollout->targets[i];

	target->deadline_ms = target_deadline(rollout, target);
	if (target->deadline_ms == 0) {
		if (target->heap_at > 0)
			leave(rollout, i);
	} else {
		settle(rollout, target->heap_at > 0 ? target->heap_at - 1 : rollout->heap_n++,
			i);
	}
}

void rollout_deadline_make(struct rollout *rollout)
{
	if (!rollout->heap)
		rollout->heap = xcalloc((size_t)rollout->n_targets + 1, sizeof(*rollout->heap));
	rollout->heap_n = 0;
	for (uint32_t i = 0; i < rollout->n_targets; i++) {
		rollout->targets[i].heap_at = 0;
		rollout_deadline_update(rollout, i);
	}
}

uint32_t rollout_deadline_first(const struct rollout *rollout)
{
	return rollout->heap_n > 0 ? rollout->heap[0] : UINT32_MAX;
}

uint64_t rollout_end_ms(const struct rollout *rollout)
{
	return rollout->created_ms + rollout->config.deployment_timeout_ms;
}

uint64_t rollout_deadline(const struct rollout *rollout)
{
	uint64_t end = rollout_end_ms(rollout);

	if (rollout_is_over(rollout))
		return 0;
	if (rollout->heap_n == 0)
		return end;
	return earliest(end, rollout->targets[rollout->heap[0]].deadline_ms);
}
