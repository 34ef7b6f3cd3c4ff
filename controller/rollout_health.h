/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Minimum healthy hosts. With N hosts of which M must stay healthy, F of them failed:
 *
 *   refused      N - M <= 0
 *   at once      N - M - F
 *   stop         F >= N - M while there are hosts not yet attempted
 *   success      every host attempted, and max(1, M) healthy
 *
 * The formulas count every host, whatever its history: that decides the order and nothing else.
 */
enum minimum_type {
	MINIMUM_HOST_COUNT,       /* value hosts */
	MINIMUM_FLEET_PERCENT,    /* value percent of N, rounded up; 0 to 99 */
	MINIMUM_MOST_CONCURRENCY, /* all but value: OneAtATime has 1, and nobody else may */
};

struct minimum_healthy {
	enum minimum_type type;
	uint32_t value;
	/* One of CodeDeploy's own three: a single host is then never refused. */
	bool predefined;
};

extern const struct minimum_healthy MINIMUM_ONE_AT_A_TIME;
extern const struct minimum_healthy MINIMUM_HALF_AT_A_TIME;
extern const struct minimum_healthy MINIMUM_ALL_AT_ONCE;

/* M, which may exceed N. */
uint32_t minimum_healthy_hosts(const struct minimum_healthy *minimum, uint32_t n_hosts);

/* N - M, or 0 where that is negative: the deployment is refused. */
uint32_t minimum_healthy_spare(uint32_t n_hosts, uint32_t minimum);
