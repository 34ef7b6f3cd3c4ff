/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/presence.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "controller/clock.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "unit.h"

/* Patience in milliseconds, so that the loop soon runs dry. */
static const struct presence_settings patience = {
	.ours_ms = 40, .aws_ms = 80, .grace_ms = 60
};

/* What stands in for the deployments: writes down what they are told. */
static char told[256];
static unsigned expected; /* how many words until the loop is left */
static struct loop *loop;

static void write_down(const char *word, const struct host *host)
{
	(void)snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s%s %s",
		told[0] ? ", " : "", host->name, word);
	if (expected > 0 && --expected == 0)
		loop_exit(loop, 0);
}

void deployments_host_gone(struct deployments *deployments, struct host *host, uint64_t now_ms)
{
	write_down("gone", host);
}

void deployments_host_back(struct deployments *deployments, struct host *host, uint64_t now_ms)
{
	write_down("back", host);
}

static struct host hosts[3] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
static size_t n_registered;

void fleet_each_host(const struct fleet *fleet,
	void (*on_host)(void *context, struct host *host), void *context)
{
	for (size_t i = 0; i < n_registered; i++)
		on_host(context, &hosts[i]);
}

static struct core_clock core_clock;

static struct presence *begin(size_t n)
{
	struct presence *presence;

	ck_assert_int_eq(loop_new(&loop, NULL), 0);
	core_clock_init(&core_clock, time_now_ms(), time_boot_ms(), 0);
	n_registered = n;
	presence = presence_new(loop, &core_clock, &patience, NULL);
	presence_open(presence, NULL);
	return presence;
}

static void run_until(unsigned words)
{
	expected = words;
	ck_assert_int_eq(loop_run(loop, NULL), 0);
}

static void end(struct presence *presence)
{
	presence_free(presence);
	loop_free(loop);
}

static uint64_t now(void)
{
	return core_clock_now_ms(&core_clock);
}

START_TEST(known_hosts_are_present_until_grace_and_patience_are_over)
{
	uint64_t start = time_boot_ms();
	struct presence *presence = begin(2);

	ck_assert(hosts[0].is_present && hosts[1].is_present);
	run_until(2);
	ck_assert_str_eq(told, "a gone, b gone");
	ck_assert_uint_ge(time_boot_ms() - start, patience.grace_ms + patience.aws_ms);
	ck_assert(!hosts[0].is_present);
	end(presence);
}
END_TEST

START_TEST(a_new_host_is_away_until_it_speaks)
{
	struct presence *presence = begin(0);

	ck_assert(!hosts[0].is_present);
	presence_heard(presence, &hosts[0], false, now());
	ck_assert(hosts[0].is_present);
	ck_assert_str_eq(told, "a back");
	presence_heard(presence, &hosts[0], false, now());
	ck_assert_str_eq(told, "a back");
	end(presence);
}
END_TEST

START_TEST(ours_are_missed_sooner)
{
	struct presence *presence = begin(0);

	presence_heard(presence, &hosts[0], false, now());
	presence_heard(presence, &hosts[1], true, now());
	run_until(2);
	ck_assert_str_eq(told, "a back, b back, b gone, a gone");
	end(presence);
}
END_TEST

START_TEST(who_is_parked_is_present)
{
	struct presence *presence = begin(0);
	struct call *call = (struct call *)&expected; /* any */

	presence_heard(presence, &hosts[0], false, now());
	presence_heard(presence, &hosts[1], false, now());
	presence_parked(presence, &hosts[0], call);
	ck_assert_ptr_eq(hosts[0].parked, call);
	run_until(1);
	ck_assert_str_eq(told, "a back, b back, b gone");
	ck_assert(hosts[0].is_present);
	end(presence);
}
END_TEST

START_TEST(the_first_word_after_a_restart_is_news)
{
	struct presence *presence = begin(1);

	ck_assert(hosts[0].is_present);
	presence_heard(presence, &hosts[0], false, now());
	presence_heard(presence, &hosts[0], false, now());
	ck_assert_str_eq(told, "a back");
	end(presence);
}
END_TEST

/* b is heard while it is the next to go, and so outlives c. */
START_TEST(the_longest_silent_goes_first)
{
	struct presence *presence = begin(3);

	presence_heard(presence, &hosts[1], false, now() + 1000);
	run_until(2);
	ck_assert_str_eq(told, "b back, a gone, c gone");
	ck_assert(hosts[1].is_present);
	presence_forget(presence, &hosts[1], now());
	ck_assert_str_eq(told, "b back, a gone, c gone, b gone");
	end(presence);
}
END_TEST

START_TEST(silence_after_a_poll_counts_from_its_end)
{
	struct presence *presence = begin(0);
	uint64_t before = now();

	presence_heard(presence, &hosts[0], true, before);
	presence_parked(presence, &hosts[0], (struct call *)&expected);
	presence_unparked(presence, &hosts[0], before + 5);
	ck_assert_ptr_null(hosts[0].parked);
	ck_assert(hosts[0].is_present);
	ck_assert_uint_eq(hosts[0].heard_ms, before + 5);
	run_until(1);
	ck_assert_str_eq(told, "a back, a gone");
	end(presence);
}
END_TEST

/* Who is silent because the controller slept gets the grace of a start. */
START_TEST(a_controller_that_slept_blames_nobody)
{
	struct presence *presence = begin(0);
	uint64_t start;

	presence_heard(presence, &hosts[0], false, now());
	core_clock.wall_ms += 3600 * 1000;
	start = time_boot_ms();
	run_until(1);
	ck_assert_str_eq(told, "a back, a gone");
	/* Patience to find out, then grace and patience once more. */
	ck_assert_uint_ge(time_boot_ms() - start, patience.grace_ms + 2 * patience.aws_ms);
	end(presence);
}
END_TEST

TESTS("presence", known_hosts_are_present_until_grace_and_patience_are_over,
	a_new_host_is_away_until_it_speaks, ours_are_missed_sooner, who_is_parked_is_present,
	the_first_word_after_a_restart_is_news, the_longest_silent_goes_first,
	silence_after_a_poll_counts_from_its_end, a_controller_that_slept_blames_nobody)
