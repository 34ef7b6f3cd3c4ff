/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "controller/rollout_why.h"
#include "rollout_fleet.h"

static struct rollout_config with_minimum(struct minimum_healthy minimum)
{
	struct rollout_config config = rollout_config_default();

	config.minimum = minimum;
	return config;
}

/* Results in order of attempt; a dot was never attempted. */
static const struct vector {
	uint32_t minimum;
	const char *results;
	enum rollout_phase phase;
	enum rollout_reason reason;
} vectors[] = {
	/* clang-format off */
	{ 0, "S",          PHASE_SUCCEEDED, REASON_NONE },
	{ 0, "F",          PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 1, "SF",         PHASE_SUCCEEDED, REASON_NONE },
	{ 1, "F.",         PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 0, "SF",         PHASE_SUCCEEDED, REASON_NONE },
	{ 0, "FF",         PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 2, "SSF",        PHASE_SUCCEEDED, REASON_NONE },
	{ 2, "SF.",        PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 1, "FSS",        PHASE_SUCCEEDED, REASON_NONE },
	{ 1, "SFF",        PHASE_SUCCEEDED, REASON_NONE },
	{ 1, "FF.",        PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 4, "SSSSF",      PHASE_SUCCEEDED, REASON_NONE },
	{ 4, "SSSF.",      PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 3, "FSSSS",      PHASE_SUCCEEDED, REASON_NONE },
	{ 3, "FSSSF",      PHASE_SUCCEEDED, REASON_NONE },
	{ 3, "SFF..",      PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 3, "SSSFF",      PHASE_SUCCEEDED, REASON_NONE },
	{ 8, "SSSSSSSSF",  PHASE_SUCCEEDED, REASON_NONE },
	{ 8, "SSSSF....",  PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 5, "FSSSSSSSS",  PHASE_SUCCEEDED, REASON_NONE },
	{ 5, "FFFSSSSSS",  PHASE_SUCCEEDED, REASON_NONE },
	{ 5, "FFFSSSSSF",  PHASE_SUCCEEDED, REASON_NONE },
	{ 5, "FFFF.....",  PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 6, "SSSFFSSSS",  PHASE_SUCCEEDED, REASON_NONE },
	{ 6, "SSSFFF...",  PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 6, "SSSSSSFFF",  PHASE_SUCCEEDED, REASON_NONE },
	{ 4, "SSSSFFFFF",  PHASE_SUCCEEDED, REASON_NONE },
	{ 4, "FFFFF....",  PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 9, "SSSSSSSSSF", PHASE_SUCCEEDED, REASON_NONE },
	{ 9, "F.........", PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 8, "FSSSSSSSSS", PHASE_SUCCEEDED, REASON_NONE },
	{ 8, "FSSSSSSSSF", PHASE_SUCCEEDED, REASON_NONE },
	{ 8, "SSFSSF....", PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 5, "SSSSSFFFFF", PHASE_SUCCEEDED, REASON_NONE },
	{ 5, "FFFFF.....", PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 5, "FFFFSSSSSS", PHASE_SUCCEEDED, REASON_NONE },
	{ 3, "FFFFFFF...", PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 3, "SSSSSSSFFF", PHASE_SUCCEEDED, REASON_NONE },
	{ 0, "FFFFFFFFFS", PHASE_SUCCEEDED, REASON_NONE },
	{ 0, "FFFFFFFFFF", PHASE_FAILED,    REASON_HEALTH_CONSTRAINTS },
	{ 10, "..........", PHASE_FAILED,   REASON_HEALTH_CONSTRAINTS_INVALID },
	/* clang-format on */
};

static uint32_t count(const char *results, char c)
{
	uint32_t n = 0;

	for (; *results; results++)
		n += *results == c;
	return n;
}

static void walk(const struct vector *vector)
{
	struct target targets[10] = { 0 };
	uint32_t n = (uint32_t)strlen(vector->results);
	struct fleet fleet;

	fleet_init(&fleet,
		with_minimum(
			(struct minimum_healthy){ MINIMUM_HOST_COUNT, vector->minimum, false }),
		targets, n);
	(void)tell(&fleet, ON_START);
	for (uint32_t i = 0; i < fleet.n_begun; i++)
		run_host(&fleet, fleet.begun[i], vector->results[i] == 'F');
	ck_assert_msg(fleet.rollout.phase == vector->phase &&
			      fleet.rollout.reason == vector->reason &&
			      fleet.n_begun == n - count(vector->results, '.'),
		"%s with a minimum of %u: phase %d, %u begun", vector->results, vector->minimum,
		fleet.rollout.phase, fleet.n_begun);
	ck_assert_uint_eq(fleet.rollout.n_state[TARGET_SUCCEEDED], count(vector->results, 'S'));
	ck_assert_uint_eq(fleet.rollout.n_state[TARGET_FAILED], count(vector->results, 'F'));
	ck_assert_uint_eq(fleet.rollout.n_state[TARGET_SKIPPED], count(vector->results, '.'));
	fleet_done(&fleet);
}

START_TEST(every_published_vector_ends_as_published)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++)
		walk(&vectors[i]);
}
END_TEST

START_TEST(a_result_is_refilled_at_once)
{
	struct target targets[10] = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, with_minimum(MINIMUM_HALF_AT_A_TIME), targets, 10);
	(void)tell(&fleet, ON_START);
	ck_assert_uint_eq(fleet.n_begun, 5);
	run_host(&fleet, fleet.begun[2], false);
	ck_assert_uint_eq(fleet.n_begun, 6);
	run_host(&fleet, fleet.begun[0], true);
	ck_assert_uint_eq(fleet.n_begun, 6);
	fleet_done(&fleet);
}
END_TEST

START_TEST(unhealthy_hosts_come_first_then_unknown_old_and_current_ones)
{
	struct target targets[] = {
		{ .history = { true, REVISION_CURRENT } },
		{ .history = { true, REVISION_OLD } },
		{ .history = { false, REVISION_CURRENT } },
		{ .history = { true, REVISION_UNKNOWN } },
	};
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), targets, 4);
	(void)tell(&fleet, ON_START);
	for (uint32_t i = 0; i < 4; i++)
		run_host(&fleet, fleet.begun[i], false);
	ck_assert_uint_eq(fleet.begun[0], 2);
	ck_assert_uint_eq(fleet.begun[1], 3);
	ck_assert_uint_eq(fleet.begun[2], 1);
	ck_assert_uint_eq(fleet.begun[3], 0);
	fleet_done(&fleet);
}
END_TEST

static void events_of_one_host(enum rollout_lifecycle lifecycle, char *ret, size_t size)
{
	struct rollout_config config = rollout_config_default();
	struct target target = { 0 };
	struct fleet fleet;

	config.lifecycle = lifecycle;
	fleet_init(&fleet, config, &target, 1);
	(void)tell(&fleet, ON_START);
	ret[0] = '\0';
	while (!rollout_is_over(&fleet.rollout)) {
		for (size_t i = 0; i < fleet.actions.n; i++) {
			const struct rollout_action *action = &fleet.actions.items[i];

			if (action->type == ACTION_SEND || action->type == ACTION_SHIFT_TRAFFIC)
				(void)snprintf(ret + strlen(ret), size - strlen(ret), "%s%s ",
					action->type == ACTION_SEND ? "" : "*",
					target_event_name(action->event));
		}
		ck_assert_int_eq(tell_of(&fleet, ON_EVENT_SUCCEEDED, 0), 0);
	}
	fleet_done(&fleet);
}

START_TEST(a_host_runs_the_seven_events_in_order)
{
	char events[512];

	events_of_one_host(LIFECYCLE_IN_PLACE, events, sizeof(events));
	ck_assert_str_eq(events,
		"ApplicationStop DownloadBundle BeforeInstall Install AfterInstall "
		"ApplicationStart ValidateService ");
}
END_TEST

START_TEST(with_a_load_balancer_traffic_is_blocked_before_and_allowed_after)
{
	char events[512];

	events_of_one_host(LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER, events, sizeof(events));
	ck_assert_str_eq(events,
		"BeforeBlockTraffic *BlockTraffic AfterBlockTraffic "
		"ApplicationStop DownloadBundle BeforeInstall Install AfterInstall "
		"ApplicationStart ValidateService "
		"BeforeAllowTraffic *AllowTraffic AfterAllowTraffic ");
}
END_TEST

static enum target_state stop_fails(bool ignored)
{
	struct rollout_config config = rollout_config_default();
	struct target target = { 0 };
	struct fleet fleet;

	config.ignore_application_stop_failures = ignored;
	fleet_init(&fleet, config, &target, 1);
	(void)tell(&fleet, ON_START);
	(void)tell_of(&fleet, ON_EVENT_FAILED, 0);
	ck_assert_int_eq(target.events[0], EVENT_STATUS_FAILED);
	run_host(&fleet, 0, false);
	fleet_done(&fleet);
	return target.state;
}

START_TEST(a_failed_application_stop_fails_the_host_unless_ignored)
{
	ck_assert_int_eq(stop_fails(false), TARGET_FAILED);
	ck_assert_int_eq(stop_fails(true), TARGET_SUCCEEDED);
}
END_TEST

START_TEST(events_after_a_failed_one_are_skipped)
{
	struct target target = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), &target, 1);
	(void)tell(&fleet, ON_START);
	run_host(&fleet, 0, true);
	ck_assert_int_eq(target.events[2], EVENT_STATUS_SUCCEEDED);
	ck_assert_int_eq(target.events[3], EVENT_STATUS_FAILED);
	ck_assert_int_eq(target.events[4], EVENT_STATUS_SKIPPED);
	ck_assert_int_eq(target.events[6], EVENT_STATUS_SKIPPED);
	ck_assert_int_eq(target.reason, REASON_EVENT_FAILED);
	fleet_done(&fleet);
}
END_TEST

START_TEST(late_and_doubled_results_change_nothing)
{
	struct target targets[2] = { 0 };
	struct fleet fleet;
	uint32_t first;

	fleet_init(&fleet, rollout_config_default(), targets, 2);
	(void)tell(&fleet, ON_START);
	first = fleet.begun[0];
	ck_assert_int_eq(tell(&fleet, ON_START), -ESTALE);
	ck_assert_int_eq(tell_of(&fleet, ON_EVENT_STARTED, first), 0);
	ck_assert_int_eq(tell_of(&fleet, ON_EVENT_STARTED, first), -ESTALE);
	ck_assert_int_eq(tell_of(&fleet, ON_EVENT_SUCCEEDED, first), 0);
	ck_assert_int_eq(give(&fleet, (struct rollout_input){ .type = ON_EVENT_FAILED,
					      .target = first,
					      .event = TARGET_APPLICATION_STOP }),
		-ESTALE);
	ck_assert_int_eq(tell_of(&fleet, ON_EVENT_STARTED, !first), -ESTALE);
	ck_assert_uint_eq(fleet.actions.n, 0);
	fleet_done(&fleet);
}
END_TEST

START_TEST(a_silent_agent_fails_with_all_its_events_skipped)
{
	struct target target = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), &target, 1);
	(void)tell(&fleet, ON_START);
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), fleet.now_ms + MINUTES(4));
	ck_assert_int_eq(
		rollout_why_target(&fleet.rollout, 0).reason, REASON_COMMAND_NOT_TAKEN);
	wait_deadline(&fleet);
	ck_assert_int_eq(target.reason, REASON_AGENT_SILENT);
	for (size_t i = 0; i < 7; i++)
		ck_assert_int_eq(target.events[i], EVENT_STATUS_SKIPPED);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_FAILED);
	ck_assert(was_asked(&fleet, ACTION_WITHDRAW));
	ck_assert(!was_asked(&fleet, ACTION_START_ROLLBACK));
	fleet_done(&fleet);
}
END_TEST

START_TEST(a_host_gone_in_an_event_fails_as_gone_and_not_as_its_script)
{
	struct target target = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), &target, 1);
	(void)tell(&fleet, ON_START);
	(void)tell_of(&fleet, ON_EVENT_STARTED, 0);
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), fleet.now_ms + MINUTES(61));
	(void)tell_of(&fleet, ON_HOST_GONE, 0);
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), fleet.now_ms + MINUTES(5));
	wait_deadline(&fleet);
	ck_assert_int_eq(target.reason, REASON_HOST_GONE);
	ck_assert_int_eq(target.events[0], EVENT_STATUS_FAILED);
	fleet_done(&fleet);
}
END_TEST

START_TEST(a_host_that_comes_back_in_time_goes_on)
{
	struct target target = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), &target, 1);
	(void)tell(&fleet, ON_START);
	(void)tell_of(&fleet, ON_EVENT_STARTED, 0);
	(void)tell_of(&fleet, ON_HOST_GONE, 0);
	(void)tell_of(&fleet, ON_HOST_BACK, 0);
	run_host(&fleet, 0, false);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_SUCCEEDED);
	fleet_done(&fleet);
}
END_TEST

START_TEST(stopping_lets_the_event_end_and_begins_no_other)
{
	struct target targets[3] = { 0 };
	struct rollout_config config = with_minimum(
		(struct minimum_healthy){ MINIMUM_HOST_COUNT, 1, false });
	struct fleet fleet;
	uint32_t busy;
	uint32_t waiting;

	config.rollback_on_stop = true;
	fleet_init(&fleet, config, targets, 3);
	(void)tell(&fleet, ON_START);
	busy = fleet.begun[0];
	waiting = fleet.begun[1];
	(void)tell_of(&fleet, ON_EVENT_STARTED, busy);
	ck_assert_int_eq(tell(&fleet, ON_STOP), 0);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_STOPPING);
	ck_assert_int_eq(targets[waiting].state, TARGET_SKIPPED);
	ck_assert_int_eq(tell(&fleet, ON_STOP), -ESTALE);
	(void)tell_of(&fleet, ON_EVENT_SUCCEEDED, busy);
	ck_assert_int_eq(targets[busy].state, TARGET_FAILED);
	ck_assert_int_eq(targets[busy].events[0], EVENT_STATUS_SUCCEEDED);
	ck_assert_int_eq(targets[busy].events[1], EVENT_STATUS_SKIPPED);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_STOPPED);
	ck_assert_int_eq(fleet.rollout.reason, REASON_MANUAL_STOP);
	ck_assert(was_asked(&fleet, ACTION_START_ROLLBACK));
	fleet_done(&fleet);
}
END_TEST

static bool stop_rolls_back(bool configured, enum stop_rollback asked)
{
	struct target target = { 0 };
	struct rollout_config config = rollout_config_default();
	struct fleet fleet;
	bool rolls_back;

	config.rollback_on_stop = configured;
	fleet_init(&fleet, config, &target, 1);
	(void)tell(&fleet, ON_START);
	(void)tell_of(&fleet, ON_EVENT_SUCCEEDED, 0);
	(void)give(&fleet, (struct rollout_input){ .type = ON_STOP, .rollback = asked });
	ck_assert_int_eq(fleet.rollout.phase, PHASE_STOPPED);
	rolls_back = was_asked(&fleet, ACTION_START_ROLLBACK);
	fleet_done(&fleet);
	return rolls_back;
}

START_TEST(a_stop_rolls_back_as_asked_or_else_as_configured)
{
	ck_assert(!stop_rolls_back(false, STOP_ROLLBACK_AS_CONFIGURED));
	ck_assert(stop_rolls_back(true, STOP_ROLLBACK_AS_CONFIGURED));
	ck_assert(stop_rolls_back(false, STOP_ROLLBACK));
	ck_assert(!stop_rolls_back(true, STOP_NO_ROLLBACK));
}
END_TEST

START_TEST(paused_it_begins_no_host_until_resumed)
{
	struct target targets[2] = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), targets, 2);
	(void)tell(&fleet, ON_START);
	ck_assert_int_eq(tell(&fleet, ON_PAUSE), 0);
	run_host(&fleet, fleet.begun[0], false);
	ck_assert_int_eq(targets[fleet.begun[0]].state, TARGET_SUCCEEDED);
	ck_assert_uint_eq(fleet.n_begun, 1);
	ck_assert_int_eq(rollout_why(&fleet.rollout).reason, REASON_PAUSED);
	ck_assert_uint_eq(
		rollout_why(&fleet.rollout).deadline_ms, SECONDS(1000) + MINUTES(720));
	ck_assert_int_eq(tell(&fleet, ON_RESUME), 0);
	ck_assert_uint_eq(fleet.n_begun, 2);
	fleet_done(&fleet);
}
END_TEST

START_TEST(a_held_host_is_passed_over_until_it_is_free)
{
	struct target targets[2] = { { .held = true }, { .held = true } };
	struct fleet fleet;

	fleet_init(&fleet, rollout_config_default(), targets, 2);
	(void)tell(&fleet, ON_START);
	ck_assert_uint_eq(fleet.n_begun, 0);
	ck_assert_int_eq(rollout_why(&fleet.rollout).reason, REASON_HELD);
	(void)tell_of(&fleet, ON_HOST_FREE, 1);
	ck_assert_uint_eq(fleet.begun[0], 1);
	run_host(&fleet, 1, false);
	(void)tell_of(&fleet, ON_HOST_FREE, 0);
	run_host(&fleet, 0, false);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_SUCCEEDED);
	fleet_done(&fleet);
}
END_TEST

START_TEST(many_hosts_gone_at_once_strand_the_rollout_until_they_are_back)
{
	struct target targets[10] = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, with_minimum(MINIMUM_HALF_AT_A_TIME), targets, 10);
	(void)tell(&fleet, ON_START);
	for (uint32_t i = 0; i < 5; i++)
		(void)tell_of(&fleet, ON_EVENT_STARTED, fleet.begun[i]);
	for (uint32_t i = 0; i < 5; i++)
		(void)tell_of(&fleet, ON_HOST_GONE, fleet.begun[i]);
	ck_assert_int_eq(rollout_why(&fleet.rollout).reason, REASON_STRANDED);
	/* Nothing fails while the network is away, short of the deployment's end. */
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), SECONDS(1000) + MINUTES(720));
	fleet.now_ms += MINUTES(90);
	/* Nor is the first that returns taken for one that overran its time. */
	(void)tell_of(&fleet, ON_HOST_BACK, fleet.begun[0]);
	ck_assert(fleet.rollout.stranded);
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), fleet.now_ms + MINUTES(61));
	for (uint32_t i = 1; i < 5; i++)
		(void)tell_of(&fleet, ON_HOST_BACK, fleet.begun[i]);
	ck_assert(!fleet.rollout.stranded);
	for (uint32_t i = 0; i < fleet.n_begun; i++)
		run_host(&fleet, fleet.begun[i], false);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_SUCCEEDED);
	ck_assert_uint_eq(fleet.rollout.n_state[TARGET_SUCCEEDED], 10);
	fleet_done(&fleet);
}
END_TEST

START_TEST(a_stranded_rollout_goes_on_without_the_lost_when_resumed)
{
	struct target targets[10] = { 0 };
	struct fleet fleet;

	fleet_init(&fleet, with_minimum(MINIMUM_ALL_AT_ONCE), targets, 10);
	(void)tell(&fleet, ON_START);
	for (uint32_t i = 0; i < 3; i++)
		(void)tell_of(&fleet, ON_HOST_GONE, i);
	ck_assert(fleet.rollout.stranded);
	ck_assert_int_eq(tell(&fleet, ON_RESUME), 0);
	ck_assert(!fleet.rollout.stranded);
	for (uint32_t i = 3; i < 10; i++)
		run_host(&fleet, i, false);
	wait_deadline(&fleet);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_SUCCEEDED);
	ck_assert_uint_eq(fleet.rollout.n_state[TARGET_FAILED], 3);
	fleet_done(&fleet);
}
END_TEST

START_TEST(the_deployments_time_ends_everything)
{
	struct target targets[3] = { { .held = true } };
	struct fleet fleet;

	fleet_init(&fleet, with_minimum(MINIMUM_ALL_AT_ONCE), targets, 3);
	(void)tell(&fleet, ON_START);
	(void)tell_of(&fleet, ON_EVENT_STARTED, 1);
	fleet.now_ms = SECONDS(1000) + MINUTES(720);
	(void)tell(&fleet, ON_TIMER);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_FAILED);
	ck_assert_str_eq(rollout_why(&fleet.rollout).error_code, "TIMEOUT");
	ck_assert_int_eq(targets[0].state, TARGET_SKIPPED);
	ck_assert_int_eq(targets[1].state, TARGET_FAILED);
	ck_assert_uint_eq(rollout_deadline(&fleet.rollout), 0);
	fleet_done(&fleet);
}
END_TEST

START_TEST(no_host_at_all_is_a_failure_unless_only_outdated_ones_were_asked_for)
{
	struct rollout_config config = rollout_config_default();
	struct fleet fleet;

	fleet_init(&fleet, config, NULL, 0);
	(void)tell(&fleet, ON_START);
	ck_assert_str_eq(rollout_why(&fleet.rollout).error_code, "NO_INSTANCES");
	fleet_done(&fleet);
	config.only_outdated = true;
	fleet_init(&fleet, config, NULL, 0);
	(void)tell(&fleet, ON_START);
	ck_assert_int_eq(fleet.rollout.phase, PHASE_SUCCEEDED);
	fleet_done(&fleet);
}
END_TEST

START_TEST(only_outdated_leaves_out_the_current_hosts)
{
	struct rollout_config config = { .only_outdated = true };

	ck_assert(!rollout_selects(&config, &(struct host_history){ true, REVISION_CURRENT }));
	ck_assert(rollout_selects(&config, &(struct host_history){ true, REVISION_OLD }));
	ck_assert(rollout_selects(&config, &(struct host_history){ false, REVISION_UNKNOWN }));
}
END_TEST

static void roll_back(const struct rollout *failed, struct fleet *back, uint32_t **ret_hosts)
{
	struct rollout_config config;
	struct target *targets;
	uint32_t n = rollout_rollback(failed, &config, ret_hosts, &targets);

	fleet_init(back, config, targets, n);
	(void)tell(back, ON_START);
}

/* Four hosts have the new revision; the fifth loses its power in the middle of Install. */
static void lose_power(struct fleet *fleet)
{
	(void)tell(fleet, ON_START);
	for (uint32_t i = 0; i < 4; i++)
		run_host(fleet, fleet->begun[i], false);
	for (uint32_t i = 0; i < 3; i++)
		(void)tell_of(fleet, ON_EVENT_SUCCEEDED, fleet->begun[4]);
	(void)tell_of(fleet, ON_EVENT_STARTED, fleet->begun[4]);
	(void)tell_of(fleet, ON_HOST_GONE, fleet->begun[4]);
	wait_deadline(fleet);
	ck_assert_int_eq(fleet->rollout.phase, PHASE_FAILED);
	ck_assert(was_asked(fleet, ACTION_START_ROLLBACK));
}

static void nine_of_ten_end_on_the_old_revision(struct minimum_healthy minimum)
{
	struct rollout_config config = with_minimum(minimum);
	struct target targets[10] = { 0 };
	bool is_new[10] = { false };
	uint32_t *hosts;
	struct fleet fleet;
	struct fleet back;
	uint32_t n_old = 0;

	config.rollback_on_failure = true;
	fleet_init(&fleet, config, targets, 10);
	lose_power(&fleet);
	for (uint32_t i = 0; i < 10; i++)
		is_new[i] = targets[i].touched;
	roll_back(&fleet.rollout, &back, &hosts);
	ck_assert_uint_eq(back.rollout.n_targets, 5);
	for (uint32_t i = 0; i < back.n_begun; i++) {
		ck_assert_uint_eq(back.n_begun, i + 1);
		run_host(&back, back.begun[i], false);
		is_new[hosts[back.begun[i]]] = false;
	}
	for (uint32_t i = 0; i < 10; i++)
		n_old += !is_new[i];
	ck_assert_uint_eq(n_old, 9);
	ck_assert_int_eq(back.rollout.phase, PHASE_SUCCEEDED);
	ck_assert_uint_eq(back.rollout.n_state[TARGET_SKIPPED], 1);
	free(back.rollout.targets);
	free(hosts);
	fleet_done(&back);
	fleet_done(&fleet);
}

START_TEST(ten_hosts_of_which_one_lost_power_end_with_nine_on_the_old_revision)
{
	nine_of_ten_end_on_the_old_revision(MINIMUM_ONE_AT_A_TIME);
	nine_of_ten_end_on_the_old_revision(
		(struct minimum_healthy){ MINIMUM_HOST_COUNT, 9, false });
}
END_TEST

START_TEST(a_host_that_returns_during_the_rollback_is_rolled_back_as_well)
{
	struct rollout_config config = rollout_config_default();
	struct target targets[10] = { 0 };
	uint32_t *hosts;
	struct fleet fleet;
	struct fleet back;

	config.rollback_on_failure = true;
	fleet_init(&fleet, config, targets, 10);
	lose_power(&fleet);
	roll_back(&fleet.rollout, &back, &hosts);
	for (uint32_t i = 0; i < 5; i++)
		if (back.rollout.targets[i].gone)
			(void)tell_of(&back, ON_HOST_BACK, i);
	for (uint32_t i = 0; i < back.n_begun; i++)
		run_host(&back, back.begun[i], false);
	ck_assert_uint_eq(back.rollout.n_state[TARGET_SUCCEEDED], 5);
	free(back.rollout.targets);
	free(hosts);
	fleet_done(&back);
	fleet_done(&fleet);
}
END_TEST

START_TEST(as_aws_does_it_a_dead_host_fails_the_rollback)
{
	struct rollout_config config = rollout_config_default();
	struct target targets[10] = { 0 };
	uint32_t *hosts;
	struct fleet fleet;
	struct fleet back;

	config.rollback_on_failure = true;
	config.rollback_like_aws = true;
	fleet_init(&fleet, config, targets, 10);
	for (uint32_t i = 0; i < 10; i++)
		targets[i].history.healthy = true;
	lose_power(&fleet);
	roll_back(&fleet.rollout, &back, &hosts);
	ck_assert_uint_eq(back.rollout.n_targets, 10);
	wait_deadline(&back);
	ck_assert_int_eq(back.rollout.phase, PHASE_FAILED);
	ck_assert(!was_asked(&back, ACTION_START_ROLLBACK));
	free(back.rollout.targets);
	free(hosts);
	fleet_done(&back);
	fleet_done(&fleet);
}
END_TEST

static void check_after(struct rollout *rollout, struct host_history before, bool healthy,
	enum revision_health revision)
{
	rollout->targets[0].history = before;
	ck_assert(rollout_after(rollout, 0).healthy == healthy);
	ck_assert_int_eq(rollout_after(rollout, 0).revision, revision);
}

START_TEST(what_hosts_take_away_depends_on_their_result_and_the_deployments)
{
	struct target target = { .state = TARGET_SUCCEEDED };
	struct rollout rollout = {
		.phase = PHASE_SUCCEEDED, .targets = &target, .n_targets = 1
	};
	const struct host_history old = { true, REVISION_OLD };
	const struct host_history current = { true, REVISION_CURRENT };

	check_after(&rollout, old, true, REVISION_CURRENT);
	target.state = TARGET_FAILED;
	check_after(&rollout, current, false, REVISION_UNKNOWN);
	check_after(&rollout, old, false, REVISION_OLD);
	rollout.phase = PHASE_FAILED;
	check_after(&rollout, current, false, REVISION_CURRENT);
	target.state = TARGET_SKIPPED;
	check_after(&rollout, current, true, REVISION_CURRENT);
	target.state = TARGET_SUCCEEDED;
	check_after(&rollout, (struct host_history){ false, REVISION_OLD }, true, REVISION_OLD);
}
END_TEST

START_TEST(what_is_over_has_no_way_on)
{
	for (int turn = ROLLOUT_STARTS; turn <= ROLLOUT_TIMES_OUT; turn++)
		for (int phase = PHASE_SUCCEEDED; phase <= PHASE_STOPPED; phase++)
			ck_assert_int_eq(rollout_next(phase, turn), -EPROTO);
	for (int turn = TURN_BEGIN; turn <= TURN_SKIP; turn++)
		for (int state = TARGET_SUCCEEDED; state <= TARGET_SKIPPED; state++)
			ck_assert_int_eq(target_next(state, turn), -EPROTO);
	ck_assert_int_eq(rollout_next(PHASE_ROLLING, ROLLOUT_BREAKS), PHASE_DRAINING);
	ck_assert_int_eq(target_next(TARGET_RUNNING, TURN_SKIP), -EPROTO);
}
END_TEST

TESTS("rollout", every_published_vector_ends_as_published, a_result_is_refilled_at_once,
	unhealthy_hosts_come_first_then_unknown_old_and_current_ones,
	a_host_runs_the_seven_events_in_order,
	with_a_load_balancer_traffic_is_blocked_before_and_allowed_after,
	a_failed_application_stop_fails_the_host_unless_ignored,
	events_after_a_failed_one_are_skipped, late_and_doubled_results_change_nothing,
	a_silent_agent_fails_with_all_its_events_skipped,
	a_host_gone_in_an_event_fails_as_gone_and_not_as_its_script,
	a_host_that_comes_back_in_time_goes_on, stopping_lets_the_event_end_and_begins_no_other,
	a_stop_rolls_back_as_asked_or_else_as_configured,
	paused_it_begins_no_host_until_resumed, a_held_host_is_passed_over_until_it_is_free,
	many_hosts_gone_at_once_strand_the_rollout_until_they_are_back,
	a_stranded_rollout_goes_on_without_the_lost_when_resumed,
	the_deployments_time_ends_everything,
	no_host_at_all_is_a_failure_unless_only_outdated_ones_were_asked_for,
	only_outdated_leaves_out_the_current_hosts,
	ten_hosts_of_which_one_lost_power_end_with_nine_on_the_old_revision,
	a_host_that_returns_during_the_rollback_is_rolled_back_as_well,
	as_aws_does_it_a_dead_host_fails_the_rollback,
	what_hosts_take_away_depends_on_their_result_and_the_deployments,
	what_is_over_has_no_way_on)
