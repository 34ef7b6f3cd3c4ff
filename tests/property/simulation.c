/* SPDX-License-Identifier: Apache-2.0 */
#include "simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agenda.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/rollout_text.h"
#include "controller/rollout_why.h"
#include "random.h"

/* What a host will say next; when stands in the agenda. */
struct host {
	enum rollout_input_type says;
	enum target_event event;
	bool is_waiting; /* its time came while it was gone */
};

struct simulation {
	uint64_t seed;
	struct random random;
	struct random restarts;
	uint32_t percent_restarts; /* of the inputs */
	bool restarts_are_real;
	struct rollout rollout;
	struct target *targets;
	struct host *hosts;
	struct agenda agenda;
	uint8_t *ended; /* terminal states said, by host */
	struct rollout_actions actions;
	uint64_t now_ms;
	uint64_t chaos_ms;
	uint32_t percent_failing;
	uint32_t percent_silent;
	unsigned n_over;
	struct simulation_result result;
};

#define CHECK(sim, condition)                                                                  \
	do {                                                                                   \
		if (!(condition))                                                              \
			give_up(sim, #condition, __LINE__);                                    \
	} while (0)

__attribute__((noreturn)) static void give_up(
	const struct simulation *sim, const char *condition, int line)
{
	printf("not ok - seed %llu, %u hosts, input %llu: simulation.c:%d: %s\n",
		(unsigned long long)sim->seed, sim->rollout.n_targets,
		(unsigned long long)sim->result.n_inputs, line, condition);
	(void)fflush(stdout);
	exit(EXIT_FAILURE);
}

static struct rollout_config random_config(struct random *random, uint64_t seed, uint32_t n)
{
	struct rollout_config config = rollout_config_default();
	const struct minimum_healthy minimums[] = { MINIMUM_ONE_AT_A_TIME,
		MINIMUM_HALF_AT_A_TIME, MINIMUM_ALL_AT_ONCE,
		{ MINIMUM_HOST_COUNT, below(random, n + 1), false },
		{ MINIMUM_FLEET_PERCENT, below(random, 100), false } };

	config.minimum = minimums[below(random, ARRAY_SIZE(minimums))];
	config.lifecycle = chance(random, 20) ? LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER
					      : LIFECYCLE_IN_PLACE;
	config.unreachable = chance(random, 30) ? UNREACHABLE_SKIP : UNREACHABLE_FAIL;
	config.ignore_application_stop_failures = chance(random, 50);
	config.rollback_on_failure = chance(random, 50);
	config.is_rollback = chance(random, 20);
	config.n_bystanders = chance(random, 20) ? below(random, 5) : 0;
	config.vanish_percent = chance(random, 70) ? 25 : 0;
	config.seed = seed;
	return config;
}

static void calm_down(struct simulation *sim)
{
	sim->percent_failing = 0;
	sim->percent_silent = 0;
	sim->chaos_ms = UINT64_MAX;
	sim->rollout.config = rollout_config_default();
	sim->rollout.config.minimum = MINIMUM_HALF_AT_A_TIME;
	for (uint32_t i = 0; i < sim->rollout.n_targets; i++)
		sim->targets[i].gone = false;
}

static void make_hosts(struct simulation *sim, uint32_t n)
{
	sim->targets = xcalloc(n, sizeof(*sim->targets));
	sim->hosts = xcalloc(n, sizeof(*sim->hosts));
	sim->ended = xcalloc(n, 1);
	agenda_init(&sim->agenda, n);
	for (uint32_t i = 0; i < n; i++) {
		sim->targets[i].history.healthy = chance(&sim->random, 70);
		sim->targets[i].history.revision = below(&sim->random, 3);
		sim->targets[i].gone = chance(&sim->random, 3);
	}
}

static void simulation_init(struct simulation *sim, const struct simulation_options *options)
{
	static const uint32_t percents[] = { 0, 1, 5, 30 };
	/* Each takes as long as there are hosts: every input of small ones, some of large. */
	static const uint32_t restarts[] = { 3, 30, 100 };
	static const uint32_t few_restarts[] = { 1, 3, 10 };
	uint32_t n;

	memset(sim, 0, sizeof(*sim));
	sim->seed = options->seed;
	sim->random.state = options->seed;
	sim->restarts.state = ~options->seed;
	if (options->restarts != RESTARTS_NONE)
		sim->percent_restarts = options->max_hosts <= 30
						? restarts[below(&sim->restarts, 3)]
						: few_restarts[below(&sim->restarts, 3)];
	sim->restarts_are_real = options->restarts == RESTARTS_REAL;
	sim->now_ms = 1000000;
	n = 1 + below(&sim->random, options->max_hosts);
	if (options->n_hosts > 0)
		n = options->n_hosts;
	make_hosts(sim, n);
	sim->percent_failing = percents[below(&sim->random, 4)];
	sim->percent_silent = percents[below(&sim->random, 3)];
	sim->chaos_ms = chance(&sim->random, 60) ? sim->now_ms : UINT64_MAX;
	sim->rollout = (struct rollout){ .config = random_config(
						 &sim->random, options->seed, n),
		.targets = sim->targets,
		.n_targets = n,
		.created_ms = sim->now_ms };
	if (options->is_calm)
		calm_down(sim);
	rollout_open(&sim->rollout);
}

static void simulation_done(struct simulation *sim)
{
	rollout_done(&sim->rollout);
	rollout_actions_done(&sim->actions);
	free(sim->targets);
	free(sim->hosts);
	agenda_done(&sim->agenda);
	free(sim->ended);
}

/* A target as its row holds it. */
static struct target stored_target(const struct target *target)
{
	struct target stored = *target;

	stored.deadline_ms = 0;
	stored.rank = UINT32_MAX;
	stored.heap_at = 0;
	return stored;
}

/* All that is derived is forgotten, and what is stored must be enough. */
static void reopen(struct simulation *sim)
{
	cleanup_with(freep) char *text = rollout_write(&sim->rollout);
	struct error err = ERROR_NONE;

	for (uint32_t i = 0; i < sim->rollout.n_targets; i++)
		sim->targets[i] = stored_target(&sim->targets[i]);
	rollout_done(&sim->rollout);
	sim->rollout = (struct rollout){ .targets = sim->targets,
		.n_targets = sim->rollout.n_targets };
	CHECK(sim, rollout_read(&sim->rollout, text, &err) == 0);
	rollout_open(&sim->rollout);
	sim->result.n_restarts++;
}

static void restart_unnoticed(struct simulation *sim)
{
	const struct rollout old = sim->rollout;
	const uint64_t deadline_ms = rollout_deadline(&old);

	reopen(sim);
	CHECK(sim, rollout_deadline(&sim->rollout) == deadline_ms);
	CHECK(sim, memcmp(sim->rollout.n_state, old.n_state, sizeof(old.n_state)) == 0);
	CHECK(sim, sim->rollout.n_ready == old.n_ready);
	CHECK(sim, sim->rollout.n_touched == old.n_touched);
	CHECK(sim, sim->rollout.n_vanished == old.n_vanished);
}

static void answer(struct simulation *sim, uint32_t i, enum target_event event)
{
	struct host *host = &sim->hosts[i];

	*host = (struct host){ .event = event, .says = ON_EVENT_STARTED };
	agenda_set(&sim->agenda, i, 0);
	if (chance(&sim->random, sim->percent_silent))
		return;
	agenda_set(&sim->agenda, i,
		sim->now_ms + 1 + below(&sim->random, chance(&sim->random, 2) ? 400000 : 5000));
	if (target_event_is_traffic(event))
		host->says = ON_EVENT_SUCCEEDED;
	else if (chance(&sim->random, 10))
		host->says = ON_EVENT_SKIPPED;
}

static void finish_event(struct simulation *sim, uint32_t i)
{
	struct host *host = &sim->hosts[i];

	if (host->says != ON_EVENT_STARTED || chance(&sim->random, sim->percent_silent)) {
		agenda_set(&sim->agenda, i, 0);
		return;
	}
	host->says = chance(&sim->random, sim->percent_failing) ? ON_EVENT_FAILED
								: ON_EVENT_SUCCEEDED;
	agenda_set(&sim->agenda, i, sim->now_ms + 1 + below(&sim->random, 20000));
}

static void remember(struct simulation *sim, const struct rollout_action *action)
{
	const uint64_t facts[] = { action->type, action->target, action->event,
		action->event_status, action->target_state, action->phase, action->reason,
		sim->now_ms };

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		sim->result.trace = (sim->result.trace ^ facts[i]) * 0x100000001b3;
}

/* Counted anew from the targets, not taken from the counters that are to be checked. */
static void check_health(struct simulation *sim)
{
	const struct rollout_config *config = &sim->rollout.config;
	uint32_t n = config->n_bystanders;
	uint32_t failed = 0;
	uint32_t under_way = 0;
	uint32_t minimum;

	for (uint32_t i = 0; i < sim->rollout.n_targets; i++) {
		const struct target *target = &sim->targets[i];
		bool skips = config->unreachable == UNREACHABLE_SKIP;

		if (skips && target->state == TARGET_PENDING && target->gone)
			continue;
		if (skips && target->state == TARGET_FAILED &&
			(target->reason == REASON_HOST_GONE ||
				target->reason == REASON_AGENT_SILENT))
			continue;
		n++;
		failed += target->state == TARGET_FAILED;
		under_way += target->state == TARGET_SENT || target->state == TARGET_RUNNING;
	}
	minimum = minimum_healthy_hosts(&config->minimum, n);
	if (config->is_rollback && minimum >= n)
		minimum = n - 1;
	CHECK(sim, (uint64_t)minimum + failed + under_way <= n);
}

static void obey(struct simulation *sim, const struct rollout_action *action, bool *begins)
{
	switch (action->type) {
	case ACTION_SEND:
	case ACTION_SHIFT_TRAFFIC:
		CHECK(sim, sim->ended[action->target] == 0);
		*begins = *begins || action->event == rollout_lifecycle_at(
							      sim->rollout.config.lifecycle, 0);
		answer(sim, action->target, action->event);
		break;
	case ACTION_TARGET_STATE:
		if (action->target_state >= TARGET_SUCCEEDED)
			sim->ended[action->target]++;
		break;
	case ACTION_PHASE:
		sim->n_over += action->phase >= PHASE_SUCCEEDED;
		break;
	case ACTION_DEADLINE:
		CHECK(sim, action->deadline_ms == 0 || action->deadline_ms >= sim->now_ms);
		return; /* told once more after a restart: no part of the trace */
	case ACTION_WAITS:
		sim->result.stranded = sim->result.stranded ||
				       action->reason == REASON_STRANDED;
		break;
	case ACTION_WITHDRAW:
	case ACTION_EVENT_STATUS:
	case ACTION_START_ROLLBACK:
		break;
	}
	remember(sim, action);
}

static void apply(struct simulation *sim, struct rollout_input input)
{
	bool begins = false;

	sim->actions.n = 0;
	sim->result.n_inputs++;
	if (rollout_apply(&sim->rollout, &input, sim->now_ms, &sim->actions) < 0) {
		CHECK(sim, sim->actions.n == 0);
		return;
	}
	for (size_t i = 0; i < sim->actions.n; i++)
		obey(sim, &sim->actions.items[i], &begins);
	/* Counting takes as long as there are hosts; of very many it is done now and then. */
	if (begins && sim->result.n_inputs % (1 + sim->rollout.n_targets / 1000) == 0)
		check_health(sim);
}

/* As deployments_load() does it. */
static void restart_really(struct simulation *sim)
{
	reopen(sim);
	sim->rollout.grace_ms = sim->now_ms;
	rollout_done(&sim->rollout);
	rollout_open(&sim->rollout);
	for (uint32_t i = 0; i < sim->rollout.n_targets; i++)
		if (sim->targets[i].gone)
			apply(sim, (struct rollout_input){ .type = ON_HOST_BACK, .target = i });
}

static void give(struct simulation *sim, struct rollout_input input)
{
	if (sim->percent_restarts > 0 && chance(&sim->restarts, sim->percent_restarts) &&
		!rollout_is_over(&sim->rollout)) {
		if (sim->restarts_are_real)
			restart_really(sim);
		else
			restart_unnoticed(sim);
	}
	apply(sim, input);
	/* One that was gone when its time came speaks once it is back. */
	if (input.type == ON_HOST_BACK && sim->hosts[input.target].is_waiting) {
		sim->hosts[input.target].is_waiting = false;
		agenda_set(&sim->agenda, input.target, sim->now_ms + 1);
	}
}

/* Whole racks go and come back, people press buttons, results come twice. */
static void make_chaos(struct simulation *sim)
{
	struct random *random = &sim->random;
	uint32_t n = sim->rollout.n_targets;
	uint32_t first = below(random, n);
	uint32_t many = chance(random, 20) ? 1 + below(random, n) : 1;
	enum rollout_input_type type = ON_HOST_GONE + below(random, 4);

	sim->chaos_ms = sim->now_ms + 1 + below(random, 200000);
	if (chance(random, 10))
		give(sim, (struct rollout_input){ .type = ON_PAUSE });
	if (chance(random, 15))
		give(sim, (struct rollout_input){ .type = ON_RESUME });
	if (chance(random, 2))
		give(sim, (struct rollout_input){
				  .type = ON_STOP, .rollback = below(random, 3) });
	if (chance(random, 20))
		give(sim, (struct rollout_input){ .type = ON_EVENT_STARTED + below(random, 4),
				  .target = first,
				  .event = below(random, N_TARGET_EVENTS) });
	for (uint32_t i = first; i < n && i < first + many; i++)
		give(sim, (struct rollout_input){ .type = type, .target = i });
}

static void advance(struct simulation *sim, uint64_t to_ms)
{
	if (to_ms > sim->now_ms)
		sim->now_ms = to_ms;
}

static void speak(struct simulation *sim, uint32_t i)
{
	const struct host said = sim->hosts[i];

	if (sim->targets[i].gone) {
		sim->hosts[i].is_waiting = true;
		agenda_set(&sim->agenda, i, 0);
		return;
	}
	finish_event(sim, i);
	give(sim, (struct rollout_input){ said.says, i, said.event, 0 });
}

static void step(struct simulation *sim)
{
	uint32_t i = 0;
	uint64_t host_ms = agenda_first(&sim->agenda, &i);
	uint64_t timer_ms = rollout_deadline(&sim->rollout);

	CHECK(sim, timer_ms > 0);
	if (timer_ms <= host_ms && timer_ms <= sim->chaos_ms) {
		advance(sim, timer_ms);
		give(sim, (struct rollout_input){ .type = ON_TIMER });
		CHECK(sim, rollout_is_over(&sim->rollout) ||
				   rollout_deadline(&sim->rollout) > sim->now_ms);
	} else if (host_ms <= sim->chaos_ms) {
		advance(sim, host_ms);
		speak(sim, i);
	} else {
		advance(sim, sim->chaos_ms);
		make_chaos(sim);
	}
}

/* One who waits has a reason, and a deadline; an end has no waiting hosts. */
static void check_reasons(struct simulation *sim)
{
	struct rollout_why why = rollout_why(&sim->rollout);

	CHECK(sim, why.reason != REASON_NONE || sim->rollout.phase == PHASE_SUCCEEDED);
	CHECK(sim, (why.deadline_ms > 0) == !rollout_is_over(&sim->rollout));
	for (uint32_t i = 0; i < sim->rollout.n_targets; i++) {
		why = rollout_why_target(&sim->rollout, i);
		CHECK(sim, (why.reason == REASON_NONE) ==
				   (sim->targets[i].state == TARGET_SUCCEEDED));
		CHECK(sim, (why.deadline_ms > 0) == (sim->targets[i].state < TARGET_SUCCEEDED));
		CHECK(sim, why.owner != OWNER_NOBODY || why.reason == REASON_NONE);
	}
}

static void check_end(struct simulation *sim)
{
	const struct rollout *rollout = &sim->rollout;

	CHECK(sim, rollout_is_over(rollout));
	CHECK(sim, sim->n_over == 1);
	CHECK(sim, rollout->n_state[TARGET_SUCCEEDED] + rollout->n_state[TARGET_FAILED] +
				   rollout->n_state[TARGET_SKIPPED] ==
			   rollout->n_targets);
	for (uint32_t i = 0; i < rollout->n_targets; i++) {
		CHECK(sim, sim->ended[i] == 1);
		for (size_t k = 0; k < rollout_lifecycle_length(rollout->config.lifecycle); k++)
			CHECK(sim, sim->targets[i].events[k] >= EVENT_STATUS_SUCCEEDED);
	}
	check_reasons(sim);
}

struct simulation_result simulate(const struct simulation_options *options)
{
	struct simulation sim;

	simulation_init(&sim, options);
	apply(&sim, (struct rollout_input){ .type = ON_START });
	for (uint64_t n = 0; !rollout_is_over(&sim.rollout); n++) {
		CHECK(&sim, n < 10000 + 100 * (uint64_t)sim.rollout.n_targets);
		step(&sim);
		if (n % 64 == 0 && !options->is_calm)
			check_reasons(&sim);
	}
	check_end(&sim);
	sim.result.succeeded = sim.rollout.phase == PHASE_SUCCEEDED;
	simulation_done(&sim);
	return sim.result;
}
