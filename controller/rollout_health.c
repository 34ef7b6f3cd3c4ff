/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_health.h"

const struct minimum_healthy MINIMUM_ONE_AT_A_TIME = { MINIMUM_MOST_CONCURRENCY, 1, true };
const struct minimum_healthy MINIMUM_HALF_AT_A_TIME = { MINIMUM_FLEET_PERCENT, 50, true };
const struct minimum_healthy MINIMUM_ALL_AT_ONCE = { MINIMUM_HOST_COUNT, 0, true };

uint32_t minimum_healthy_hosts(const struct minimum_healthy *minimum, uint32_t n_hosts)
{
	if (minimum->predefined && n_hosts <= 1)
		return 0;
	switch (minimum->type) {
	case MINIMUM_HOST_COUNT:
		return minimum->value;
	case MINIMUM_FLEET_PERCENT:
		return (uint32_t)(((uint64_t)minimum->value * n_hosts + 99) / 100);
	case MINIMUM_MOST_CONCURRENCY:
		return n_hosts > minimum->value ? n_hosts - minimum->value : 0;
	}
	__builtin_unreachable();
}

uint32_t minimum_healthy_spare(uint32_t n_hosts, uint32_t minimum)
{
	return n_hosts > minimum ? n_hosts - minimum : 0;
}
