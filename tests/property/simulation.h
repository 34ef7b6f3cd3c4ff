/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * One random rollout over random hosts, a virtual clock between its inputs. Hosts answer, fail,
 * fall silent, vanish and come back; people stop, pause and resume; and the controller may be
 * restarted between any two inputs, going on from what is marked as stored. Every input is
 * followed by checks; one that does not hold ends the program and names the seed.
 */
enum restarts {
	RESTARTS_NONE,
	/* All that is not stored is forgotten; no time passes, so the trace must not change. */
	RESTARTS_UNNOTICED,
	/* As the controller does it: every host counts as present, and its clock begins anew.
	 */
	RESTARTS_REAL,
};

struct simulation_options {
	uint64_t seed;
	uint32_t max_hosts;
	uint32_t n_hosts; /* exactly so many; 0: any number up to max_hosts */
	enum restarts restarts;
	bool is_calm; /* every host is there and answers: for measuring */
};

struct simulation_result {
	uint64_t trace; /* of all that was decided, and when */
	uint64_t n_inputs;
	uint32_t n_restarts;
	bool stranded; /* at any time */
	bool succeeded;
};

struct simulation_result simulate(const struct simulation_options *options);
