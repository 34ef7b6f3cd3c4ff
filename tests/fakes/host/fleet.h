/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "call.h"
#include "endpoint.h"
#include "reactor.h"
#include "record.h"
#include "scenario.h"
#include "specification.h"

struct error;
struct host;
struct scenario;

struct fleet_options {
	const char *url, *ca_path, *hosts_path, *scenario_path, *record_path, *region;
	const char *source;       /* address of the first host, counting up; NULL: any */
	unsigned shard, n_shards; /* every n-th host of the file */
	unsigned seconds;         /* 0: until a signal */
};

/* All hosts of this process and what they share. */
struct fleet {
	const struct fleet_options *options;
	struct reactor *reactor;
	struct endpoint endpoint;
	struct scenario *scenario;
	struct record record;
	struct specifications specifications;
	struct host *hosts;
	size_t n_hosts;
	unsigned seed; /* of rand_r() */
	uint64_t began_us;

	struct fleet_counts {
		uint64_t polls, commands, redelivered, succeeded, failed, refused, repeated;
		uint64_t crashes, unsigned_specifications;
	} counts;
	struct durations durations[N_OPERATIONS];
};

/* Runs until SIGTERM, SIGINT or the end of its time; prints a summary. SIGHUP reads the
 * scenario anew. Returns 0 or a negative errno. */
int fleet_run(const struct fleet_options *options, struct error *err);

/* Drawn from the scenario's seed. */
uint64_t fleet_draw_us(struct fleet *fleet, const struct span *span);
