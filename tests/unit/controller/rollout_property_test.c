/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/rollout_why.h"

/*
 * Random rollouts over random hosts, a virtual clock between them. Every input is followed by
 * every check; a failure names the seed, and DROVER_SEED runs that one alone.
 */

struct random {
	uint64_t state;
};

static uint64_t draw(struct random *random)
{
	uint64_t x = random->state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint32_t below(struct random *random, uint32_t n)
{
	return (uint32_t)(draw(random) % n);
}

static bool chance(struct random *random, uint32_t percent)
{
	return below(random, 100) < percent;
}

/* What a host will say next, and when; 0: nothing. */
struct host {
	uint64_t at_ms;
	enum rollout_input_type says;
	enum target_event event;
};

struct simulation {
	uint64_t seed;
	struct random random;
	struct random restarts;
	bool restarting; /* the controller dies between any two inputs */
	struct rollout rollout;
	struct target *targets;
	struct host *hosts;
	uint8_t *ended; /* terminal states said, by host */
	struct rollout_actions actions;
	uint64_t now_ms;
	uint64_t chaos_ms;
	uint32_t percent_failing;
	uint32_t percent_silent;
	uint64_t trace;
	unsigned n_over;
};

/* check writes down where every assertion of its own stands, which takes far longer than this.
 */
#define CHECK(sim, condition)                                                                  \
	do {                                                                                   \
		if (!(condition))                                                              \
			ck_abort_msg("DROVER_SEED=%llu: " #condition,                          \
				(unsigned long long)(sim)->seed);                              \
	} while (0)

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

static void simulation_init(
	struct simulation *sim, uint64_t seed, uint32_t max, bool restarting)
{
	static const uint32_t percents[] = { 0, 1, 5, 30 };
	uint32_t n;

	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	sim->random.state = seed;
	sim->restarts.state = ~seed;
	sim->restarting = restarting;
	sim->now_ms = 1000000;
	n = 1 + below(&sim->random, max);
	sim->targets = xcalloc(n, sizeof(*sim->targets));
	sim->hosts = xcalloc(n, sizeof(*sim->hosts));
	sim->ended = xcalloc(n, 1);
	sim->percent_failing = percents[below(&sim->random, 4)];
	sim->percent_silent = percents[below(&sim->random, 3)];
	sim->chaos_ms = chance(&sim->random, 60) ? sim->now_ms : UINT64_MAX;
	for (uint32_t i = 0; i < n; i++) {
		sim->targets[i].history.healthy = chance(&sim->random, 70);
		sim->targets[i].history.revision = below(&sim->random, 3);
		sim->targets[i].gone = chance(&sim->random, 3);
	}
	sim->rollout = (struct rollout){ .config = random_config(&sim->random, seed, n),
		.targets = sim->targets,
		.n_targets = n,
		.created_ms = sim->now_ms };
	rollout_open(&sim->rollout);
}

static void simulation_done(struct simulation *sim)
{
	rollout_done(&sim->rollout);
	rollout_actions_done(&sim->actions);
	free(sim->targets);
	free(sim->hosts);
	free(sim->ended);
}

/* All that is derived is forgotten, and what is stored must be enough. */
static void restart(struct simulation *sim)
{
	const struct rollout old = sim->rollout;
	const uint64_t deadline_ms = rollout_deadline(&old);

	for (uint32_t i = 0; i < old.n_targets; i++) {
		sim->targets[i].deadline_ms = 0;
		sim->targets[i].rank = 0;
		sim->targets[i].heap_at = 0;
	}
	rollout_done(&sim->rollout);
	sim->rollout = (struct rollout){ .config = old.config,
		.phase = old.phase,
		.reason = old.reason,
		.paused = old.paused,
		.stranded = old.stranded,
		.halted = old.halted,
		.stop_rollback = old.stop_rollback,
		.created_ms = old.created_ms,
		.grace_ms = old.grace_ms,
		.targets = old.targets,
		.n_targets = old.n_targets };
	rollout_open(&sim->rollout);
	CHECK(sim, rollout_deadline(&sim->rollout) == deadline_ms);
	CHECK(sim, memcmp(sim->rollout.n_state, old.n_state, sizeof(old.n_state)) == 0);
}

static void answer(struct simulation *sim, uint32_t i, enum target_event event)
{
	struct host *host = &sim->hosts[i];

	*host = (struct host){ .event = event, .says = ON_EVENT_STARTED };
	if (chance(&sim->random, sim->percent_silent))
		return;
	host->at_ms = sim->now_ms + 1 +
		      below(&sim->random, chance(&sim->random, 2) ? 400000 : 5000);
	if (target_event_is_traffic(event))
		host->says = ON_EVENT_SUCCEEDED;
	else if (chance(&sim->random, 10))
		host->says = ON_EVENT_SKIPPED;
}

static void finish_event(struct simulation *sim, uint32_t i)
{
	struct host *host = &sim->hosts[i];

	if (host->says != ON_EVENT_STARTED || chance(&sim->random, sim->percent_silent)) {
		host->at_ms = 0;
		return;
	}
	host->says = chance(&sim->random, sim->percent_failing) ? ON_EVENT_FAILED
								: ON_EVENT_SUCCEEDED;
	host->at_ms = sim->now_ms + 1 + below(&sim->random, 20000);
}

static void remember(struct simulation *sim, const struct rollout_action *action)
{
	const uint64_t facts[] = { action->type, action->target, action->event,
		action->event_status, action->target_state, action->phase, action->reason,
		sim->now_ms };

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++)
		sim->trace = (sim->trace ^ facts[i]) * 0x100000001b3;
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
			target->reason == REASON_HOST_GONE)
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
	case ACTION_WITHDRAW:
	case ACTION_EVENT_STATUS:
	case ACTION_WAITS:
	case ACTION_START_ROLLBACK:
		break;
	}
	remember(sim, action);
}

static void give(struct simulation *sim, struct rollout_input input)
{
	bool begins = false;

	if (sim->restarting && chance(&sim->restarts, 10))
		restart(sim);
	sim->actions.n = 0;
	if (rollout_apply(&sim->rollout, &input, sim->now_ms, &sim->actions) < 0) {
		CHECK(sim, sim->actions.n == 0);
		return;
	}
	for (size_t i = 0; i < sim->actions.n; i++)
		obey(sim, &sim->actions.items[i], &begins);
	if (begins)
		check_health(sim);
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

/* The host that speaks next, or n. */
static uint32_t next_host(const struct simulation *sim)
{
	uint32_t next = sim->rollout.n_targets;

	for (uint32_t i = 0; i < sim->rollout.n_targets; i++)
		if (sim->hosts[i].at_ms > 0 && !sim->targets[i].gone &&
			(next == sim->rollout.n_targets ||
				sim->hosts[i].at_ms < sim->hosts[next].at_ms))
			next = i;
	return next;
}

static void advance(struct simulation *sim, uint64_t to_ms)
{
	if (to_ms > sim->now_ms)
		sim->now_ms = to_ms;
}

static void step(struct simulation *sim)
{
	uint32_t i = next_host(sim);
	uint64_t host_ms = i < sim->rollout.n_targets ? sim->hosts[i].at_ms : UINT64_MAX;
	uint64_t timer_ms = rollout_deadline(&sim->rollout);
	struct host said;

	CHECK(sim, timer_ms > 0);
	if (timer_ms <= host_ms && timer_ms <= sim->chaos_ms) {
		advance(sim, timer_ms);
		give(sim, (struct rollout_input){ .type = ON_TIMER });
		CHECK(sim, rollout_is_over(&sim->rollout) ||
				   rollout_deadline(&sim->rollout) > sim->now_ms);
	} else if (host_ms <= sim->chaos_ms) {
		said = sim->hosts[i];
		advance(sim, host_ms);
		finish_event(sim, i);
		give(sim, (struct rollout_input){ said.says, i, said.event, 0 });
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

static uint64_t simulate(uint64_t seed, uint32_t max, bool restarting)
{
	struct simulation sim;
	uint64_t trace;

	simulation_init(&sim, seed, max, restarting);
	give(&sim, (struct rollout_input){ .type = ON_START });
	for (unsigned n = 0; !rollout_is_over(&sim.rollout); n++) {
		CHECK(&sim, n < 10000 + 100 * max);
		step(&sim);
		if (n % 64 == 0)
			check_reasons(&sim);
	}
	check_end(&sim);
	trace = sim.trace;
	simulation_done(&sim);
	return trace;
}

static void simulate_many(uint64_t first, uint64_t n, uint32_t max)
{
	const char *one = getenv("DROVER_SEED");

	/* Each step takes fifty times as long there. */
	if (getenv("DROVER_VALGRIND"))
		n /= 40;
	if (one) {
		first = strtoull(one, NULL, 10);
		n = 1;
	}
	for (uint64_t seed = first; seed < first + n; seed++)
		ck_assert_msg(simulate(seed, max, false) == simulate(seed, max, true),
			"DROVER_SEED=%llu: a restart changed what was done",
			(unsigned long long)seed);
}

START_TEST(twenty_thousand_small_rollouts_keep_every_promise)
{
	simulate_many(1, 20000, 30);
}
END_TEST

START_TEST(large_rollouts_keep_every_promise)
{
	simulate_many(1000000, 40, 500);
}
END_TEST

/* Every host answers at once, in the order of the commands. */
START_TEST(a_hundred_thousand_hosts_are_rolled_over)
{
	enum { HOSTS = 100000 };
	struct target *targets = xcalloc(HOSTS, sizeof(*targets));
	struct rollout_actions actions = { 0 };
	struct rollout rollout = { .config = rollout_config_default(),
		.targets = targets,
		.n_targets = HOSTS,
		.created_ms = 1000 };
	struct rollout_input input = { .type = ON_START };

	rollout.config.minimum = MINIMUM_HALF_AT_A_TIME;
	rollout_open(&rollout);
	ck_assert_int_eq(rollout_apply(&rollout, &input, 1000, &actions), 0);
	for (size_t i = 0; i < actions.n; i++) {
		if (actions.items[i].type != ACTION_SEND)
			continue;
		input.target = actions.items[i].target;
		input.event = actions.items[i].event;
		input.type = ON_EVENT_STARTED;
		(void)rollout_apply(&rollout, &input, 1000 + i, &actions);
		input.type = ON_EVENT_SUCCEEDED;
		(void)rollout_apply(&rollout, &input, 1000 + i, &actions);
	}
	ck_assert_int_eq(rollout.phase, PHASE_SUCCEEDED);
	ck_assert_uint_eq(rollout.n_state[TARGET_SUCCEEDED], HOSTS);
	rollout_done(&rollout);
	rollout_actions_done(&actions);
	free(targets);
}
END_TEST

TESTS("rollout_property", twenty_thousand_small_rollouts_keep_every_promise,
	large_rollouts_keep_every_promise, a_hundred_thousand_hosts_are_rolled_over)
