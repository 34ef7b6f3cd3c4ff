/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* SplitMix64: the same numbers on every machine, from any seed. */
struct random {
	uint64_t state;
};

static inline uint64_t draw(struct random *random)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static inline uint32_t below(struct random *random, uint32_t n)
{
	return (uint32_t)(draw(random) % n);
}

static inline bool chance(struct random *random, uint32_t percent)
{
	return below(random, 100) < percent;
}
