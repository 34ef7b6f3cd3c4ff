/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "simulation.h"

/*
 * Random rollouts, each from a seed of its own: `rollout --seed N` runs one of them alone, and
 * --large makes it one of the large ones. By default a tenth of all is run; --full, or
 * DROVER_FULL=1, runs all of them.
 */
struct family {
	const char *name;
	uint64_t first_seed;
	uint64_t n; /* of them in the long form */
	uint32_t max_hosts;
};

static const struct family families[] = {
	{ "rollouts of up to 30 hosts", 1, 100000, 30 },
	{ "rollouts of up to 500 hosts", 1000000, 2000, 500 },
};

/* The time that a simulation of 100,000 hosts may take, a quarter of it on a quiet machine. */
enum { LARGEST_HOSTS = 100000, LARGEST_LIMIT_MS = 5000 };

static void fail(const char *what, uint64_t seed)
{
	printf("not ok - seed %llu: %s\n", (unsigned long long)seed, what);
	exit(EXIT_FAILURE);
}

/* How much of it was exercised: a family that never strands or succeeds tests little. */
struct tally {
	uint64_t n_inputs;
	uint64_t n_restarts;
	uint64_t n_stranded;
	uint64_t n_succeeded;
};

static void run_one(uint64_t seed, uint32_t max_hosts, struct tally *tally)
{
	struct simulation_options options = { .seed = seed, .max_hosts = max_hosts };
	const struct simulation_result plain = simulate(&options);
	struct simulation_result again;

	options.restarts = RESTARTS_UNNOTICED;
	again = simulate(&options);
	if (plain.trace != again.trace)
		fail("a restart changed what was done", seed);
	options.restarts = RESTARTS_REAL;
	(void)simulate(&options);
	tally->n_inputs += plain.n_inputs;
	tally->n_restarts += again.n_restarts;
	tally->n_stranded += plain.stranded;
	tally->n_succeeded += plain.succeeded;
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value && *value != '0';
}

/* Each step takes many times as long where memory is watched. */
static uint64_t share_of(uint64_t n, bool full)
{
	if (is_set("DROVER_VALGRIND"))
		return n / 2000;
	if (is_set("DROVER_ASAN"))
		n /= 10;
	return full ? n : n / 10;
}

static void run_family(const struct family *family, bool full)
{
	uint64_t n = share_of(family->n, full);
	struct tally tally = { 0 };

	for (uint64_t i = 0; i < n; i++)
		run_one(family->first_seed + i, family->max_hosts, &tally);
	if (n > 0 && (tally.n_stranded == 0 || tally.n_succeeded == 0 ||
			     tally.n_succeeded == n || tally.n_restarts == 0))
		fail("the rollouts of this family are all alike", family->first_seed);
	printf("ok - %llu %s keep every promise (seeds from %llu; %llu succeeded, %llu "
	       "stranded, %llu inputs, %llu restarts)\n",
		(unsigned long long)n, family->name, (unsigned long long)family->first_seed,
		(unsigned long long)tally.n_succeeded, (unsigned long long)tally.n_stranded,
		(unsigned long long)tally.n_inputs, (unsigned long long)tally.n_restarts);
	(void)fflush(stdout);
}

static void run_largest(void)
{
	const struct simulation_options options = {
		.seed = 1, .max_hosts = 1, .n_hosts = LARGEST_HOSTS, .is_calm = true
	};
	uint64_t began_ms = time_boot_ms();
	struct simulation_result result = simulate(&options);
	uint64_t took_ms = time_boot_ms() - began_ms;

	if (!result.succeeded)
		fail("a rollout without failures failed", options.seed);
	if (took_ms > LARGEST_LIMIT_MS && !is_set("DROVER_VALGRIND") && !is_set("DROVER_ASAN"))
		fail("a rollout over 100,000 hosts took longer than 5 s to simulate",
			options.seed);
	printf("ok - %d hosts are rolled over in %llu ms (%llu inputs)\n", LARGEST_HOSTS,
		(unsigned long long)took_ms, (unsigned long long)result.n_inputs);
}

static int run_alone(uint64_t seed, const struct family *family)
{
	struct tally tally = { 0 };

	run_one(seed, family->max_hosts, &tally);
	printf("1..1\nok - seed %llu: %llu inputs, %s\n", (unsigned long long)seed,
		(unsigned long long)tally.n_inputs,
		tally.n_succeeded > 0 ? "succeeded" : "did not succeed");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "full", no_argument, NULL, 'f' },
		{ "seed", required_argument, NULL, 's' }, { "large", no_argument, NULL, 'l' },
		{ 0 } };
	bool full = is_set("DROVER_FULL");
	const struct family *alone = &families[0];
	const char *seed = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 'f')
			full = true;
		if (c == 's')
			seed = optarg;
		if (c == 'l')
			alone = &families[1];
	}
	if (seed)
		return run_alone(strtoull(seed, NULL, 10), alone);
	printf("1..%zu\n", ARRAY_SIZE(families) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		run_family(&families[i], full);
	run_largest();
	return EXIT_SUCCESS;
}
