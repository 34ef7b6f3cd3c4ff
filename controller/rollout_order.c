/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

struct place {
	unsigned class;
	uint64_t random;
	uint32_t target;
};

/* Unhealthy hosts; then those of unknown, old, current revision. */
static unsigned class_of(const struct host_history *history)
{
	return history->healthy ? 1 + (unsigned)history->revision : 0;
}

/* SplitMix64's finisher: the same on every machine, unlike rand(). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static int compare(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->random != b->random)
		return a->random < b->random ? -1 : 1;
	return a->target < b->target ? -1 : a->target > b->target;
}

void rollout_order_make(struct rollout *rollout)
{
	struct place *places = xcalloc((size_t)rollout->n_targets + 1, sizeof(*places));

	for (uint32_t i = 0; i < rollout->n_targets; i++)
		places[i] = (struct place){ class_of(&rollout->targets[i].history),
			mix(mix(rollout->config.seed) ^ i), i };
	qsort(places, rollout->n_targets, sizeof(*places), compare);
	rollout->order = xcalloc((size_t)rollout->n_targets + 1, sizeof(*rollout->order));
	for (uint32_t rank = 0; rank < rollout->n_targets; rank++) {
		rollout->order[rank] = places[rank].target;
		rollout->targets[places[rank].target].rank = rank;
	}
	rollout->cursor = 0;
	free(places);
}

uint32_t rollout_order_next(struct rollout *rollout)
{
	assert(rollout->n_ready > 0);
	while (!target_is_ready(rollout, &rollout->targets[rollout->order[rollout->cursor]]))
		rollout->cursor++;
	return rollout->order[rollout->cursor];
}
