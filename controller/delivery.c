/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/delivery.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "controller/deployments.h"
#include "controller/identifier.h"
#include "controller/model.h"
#include "controller/store.h"

struct delivery *delivery_find(
	const struct host *host, const char *id, struct deployment_target **ret_target)
{
	for (struct deployment_target *target = host->open; target;
		target = target->next_of_host)
		for (size_t i = 0; i < target->n_deliveries; i++)
			if (strcmp(target->deliveries[i].id, id) == 0) {
				*ret_target = target;
				return &target->deliveries[i];
			}
	return NULL;
}

const struct delivery *delivery_of_command(const struct deployment_target *target)
{
	for (size_t i = 0; i < target->n_deliveries; i++)
		if (target->deliveries[i].is_acknowledged)
			return &target->deliveries[i];
	return NULL;
}

uint64_t delivery_due_ms(const struct deployment_target *target)
{
	size_t n = target->n_deliveries;
	unsigned doublings;

	if (delivery_of_command(target) || n >= DELIVERY_LIMIT)
		return UINT64_MAX;
	if (n == 0 || (target->host->is_ours && n <= DELIVERY_FREE))
		return 0;
	doublings = n - 1 < DELIVERY_DOUBLINGS ? (unsigned)n - 1 : DELIVERY_DOUBLINGS;
	return target->deliveries[n - 1].offered_ms + ((uint64_t)DELIVERY_WAIT_MS << doublings);
}

static bool is_offered(const struct deployment_target *target)
{
	return target->deployment->targets[target->position].state == TARGET_SENT;
}

struct deployment_target *delivery_next(
	const struct deployments *deployments, const struct host *host, uint64_t *ret_due_ms)
{
	struct deployment_target *first = NULL;

	for (struct deployment_target *target = deployments_command_for(deployments, host);
		target; target = target->next_of_host) {
		uint64_t due_ms = delivery_due_ms(target);

		if (!is_offered(target) || (first && due_ms >= *ret_due_ms))
			continue;
		first = target;
		*ret_due_ms = due_ms;
	}
	return first;
}

static void put(const struct deployment_target *target, const struct delivery *delivery,
	struct store *store, bool first)
{
	store_put_delivery(store, target->deployment->record.id, target->position,
		deployment_target_event(target), delivery, first);
}

const struct delivery *delivery_add(
	struct deployment_target *target, struct store *store, uint64_t now_ms)
{
	struct delivery *delivery;

	target->deliveries = xreallocarray(
		target->deliveries, target->n_deliveries + 1, sizeof(*target->deliveries));
	delivery = &target->deliveries[target->n_deliveries++];
	*delivery = (struct delivery){ .offered_ms = now_ms };
	identifier_make_uuid(delivery->id);
	put(target, delivery, store, target->n_deliveries == 1);
	return delivery;
}

void delivery_acknowledge(struct deployment_target *target, struct delivery *delivery,
	bool is_noop, struct store *store)
{
	assert(!delivery_of_command(target));
	delivery->is_acknowledged = true;
	delivery->is_noop = is_noop;
	put(target, delivery, store, false);
}
