/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/delivery.h"

#include "service.h"

static struct service service;

static void begin(void)
{
	service_init(&service);
	(void)service_add_host(&service, "a");
	service_deploy(&service);
}

static struct deployment_target *target_of(const char *host)
{
	return service_host(&service, host)->open;
}

/* As if the newest delivery had been handed out that much earlier. */
static void let_pass(uint64_t ms)
{
	struct deployment_target *target = target_of("a");

	ck_assert_uint_gt(target->n_deliveries, 0);
	target->deliveries[target->n_deliveries - 1].offered_ms -= ms;
}

START_TEST(a_lost_command_is_given_again_after_seconds)
{
	cleanup_with(freep) char *first = NULL;
	cleanup_with(freep) char *second = NULL;
	struct asked asked;

	begin();
	first = take_command(&service, "a", AWS, "ApplicationStop");
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	let_pass(DELIVERY_WAIT_MS);
	second = take_command(&service, "a", AWS, "ApplicationStop");
	ck_assert_str_ne(first, second);
	ck_assert_uint_eq(json_object_size(asked.call.output), 0); /* the first poll */
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(a_poll_that_waits_gets_it_when_it_is_due)
{
	struct asked asked;
	uint64_t start;

	begin();
	free(take_command(&service, "a", AWS, "ApplicationStop"));
	let_pass(DELIVERY_WAIT_MS - 40);
	start = time_boot_ms();
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	asked.ends_loop = true;
	ck_assert_int_eq(loop_run(service.loop, NULL), 0);
	ck_assert_str_eq(command_of(&asked), "ApplicationStop");
	ck_assert_uint_ge(time_boot_ms() - start, 30);
	ck_assert_uint_eq(target_of("a")->n_deliveries, 2);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(each_wait_is_twice_the_one_before)
{
	uint64_t now;

	begin();
	for (uint64_t wait = DELIVERY_WAIT_MS; wait <= 8ULL * DELIVERY_WAIT_MS; wait *= 2) {
		free(take_command(&service, "a", AWS, "ApplicationStop"));
		now = target_of("a")->deliveries[target_of("a")->n_deliveries - 1].offered_ms;
		ck_assert_uint_eq(delivery_due_ms(target_of("a")) - now, wait);
		let_pass(wait);
	}
	service_done(&service);
}
END_TEST

START_TEST(the_first_acknowledged_is_the_command)
{
	cleanup_with(freep) char *first = NULL;
	cleanup_with(freep) char *second = NULL;

	begin();
	first = take_command(&service, "a", AWS, "ApplicationStop");
	let_pass(DELIVERY_WAIT_MS);
	second = take_command(&service, "a", AWS, "ApplicationStop");
	acknowledge(&service, "a", second, "InProgress");
	acknowledge(&service, "a", first, "Succeeded");
	acknowledge(&service, "a", second, "InProgress"); /* our answer was lost */
	ck_assert_int_eq(service_target(&service, "a")->state, TARGET_RUNNING);
	/* What the other one says does not count. */
	complete(&service, "a", first, "Failed", "{\"error_code\":5}");
	ck_assert_int_eq(service_target(&service, "a")->state, TARGET_RUNNING);
	complete(&service, "a", second, "Succeeded", "{}");
	free(take_command(&service, "a", AWS, "DownloadBundle"));
	/* Late words of the event before. */
	acknowledge(&service, "a", first, "Failed");
	complete(&service, "a", first, "Failed", "{}");
	complete(&service, "a", second, "Failed", "{}");
	ck_assert_int_eq(service_target(&service, "a")->state, TARGET_SENT);
	service_done(&service);
}
END_TEST

START_TEST(what_runs_is_not_given_again)
{
	cleanup_with(freep) char *id = NULL;
	struct asked asked;

	begin();
	id = take_command(&service, "a", AWS, "ApplicationStop");
	acknowledge(&service, "a", id, "InProgress");
	let_pass(100ULL * DELIVERY_WAIT_MS);
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	asked_done(&asked);
	poll_as(&asked, &service, "a", OURS);
	ck_assert(!asked.ended);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(ours_need_not_wait_the_first_times)
{
	struct asked asked;

	begin();
	for (int i = 0; i <= DELIVERY_FREE; i++)
		free(take_command(&service, "a", OURS, "ApplicationStop"));
	poll_as(&asked, &service, "a", OURS);
	ck_assert(!asked.ended);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

/* One that waits for its acknowledgement keeps no other waiting. */
START_TEST(commands_of_two_deployments_do_not_wait_for_each_other)
{
	struct asked asked;

	service_init(&service);
	service.settings.rollout.concurrent_on_a_host = true;
	(void)service_add_host(&service, "a");
	service_deploy(&service);
	free(take_command(&service, "a", AWS, "ApplicationStop"));
	service.group = service_make_group(&service, "other");
	service_deploy(&service);
	free(take_command(&service, "a", AWS, "ApplicationStop"));
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(deliveries_have_an_end)
{
	struct asked asked;

	begin();
	for (int i = 0; i < DELIVERY_LIMIT; i++) {
		free(take_command(&service, "a", AWS, "ApplicationStop"));
		let_pass(1000ULL * DELIVERY_WAIT_MS);
	}
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

START_TEST(deliveries_survive_a_restart)
{
	cleanup_with(freep) char *first = NULL;
	cleanup_with(freep) char *second = NULL;
	struct asked asked;

	begin();
	first = take_command(&service, "a", AWS, "ApplicationStop");
	service_restart(&service);
	/* Its answer may have arrived: no sooner than without the restart. */
	poll_as(&asked, &service, "a", AWS);
	ck_assert(!asked.ended);
	let_pass(DELIVERY_WAIT_MS);
	second = take_command(&service, "a", AWS, "ApplicationStop");
	asked_done(&asked);
	service_restart(&service);
	acknowledge(&service, "a", first, "InProgress");
	service_restart(&service);
	acknowledge(&service, "a", second, "Succeeded");
	acknowledge(&service, "a", first, "InProgress");
	service_restart(&service);
	complete(&service, "a", first, "Succeeded", "{}");
	service_restart(&service);
	free(take_command(&service, "a", AWS, "DownloadBundle"));
	service_done(&service);
}
END_TEST

/* ---- the next command with the answer to the result */

static char *complete_ours(const char *id, const char *next)
{
	struct asked asked;
	char *ret;

	complete_as(&asked, &service, "a", OURS, id, "Succeeded", "{}");
	ck_assert_str_eq(command_of(&asked), next);
	ret = xstrdup(answer_of(&asked, "HostCommand", "HostCommandIdentifier"));
	asked_done(&asked);
	return ret;
}

START_TEST(ours_get_the_next_command_with_the_answer)
{
	const char *const next[] = { "DownloadBundle", "BeforeInstall", "Install",
		"AfterInstall", "ApplicationStart", "ValidateService", "" };
	char *id;
	cleanup_with(freep) char *status = NULL;

	begin();
	id = take_command(&service, "a", OURS, "ApplicationStop");
	for (size_t i = 0; i < ARRAY_SIZE(next); i++) {
		char *after;

		acknowledge(&service, "a", id, "InProgress");
		after = complete_ours(id, next[i]);
		free(id);
		id = after;
	}
	free(id);
	status = service_status(&service);
	ck_assert_str_eq(status, "Succeeded");
	service_done(&service);
}
END_TEST

START_TEST(a_result_said_again_brings_the_next_command_again)
{
	cleanup_with(freep) char *id = NULL;
	cleanup_with(freep) char *lost = NULL;
	cleanup_with(freep) char *next = NULL;

	begin();
	id = take_command(&service, "a", OURS, "ApplicationStop");
	lost = complete_ours(id, "DownloadBundle");
	next = complete_ours(id, "DownloadBundle");
	ck_assert_str_ne(lost, next);
	acknowledge(&service, "a", next, "InProgress");
	acknowledge(&service, "a", lost, "Succeeded");
	service_done(&service);
}
END_TEST

/* One that an agent forgot, before it was started anew: nothing is lost in it. */
START_TEST(the_answer_comes_before_a_poll_that_waits)
{
	cleanup_with(freep) char *id = NULL;
	struct asked asked;

	begin();
	id = take_command(&service, "a", OURS, "ApplicationStop");
	acknowledge(&service, "a", id, "InProgress");
	poll_as(&asked, &service, "a", OURS);
	free(complete_ours(id, "DownloadBundle"));
	ck_assert(!asked.ended);
	ck_assert_uint_eq(target_of("a")->n_deliveries, 1);
	asked_done(&asked);
	service_done(&service);
}
END_TEST

TESTS("delivery", a_lost_command_is_given_again_after_seconds,
	a_poll_that_waits_gets_it_when_it_is_due, each_wait_is_twice_the_one_before,
	the_first_acknowledged_is_the_command, what_runs_is_not_given_again,
	ours_need_not_wait_the_first_times,
	commands_of_two_deployments_do_not_wait_for_each_other, deliveries_have_an_end,
	deliveries_survive_a_restart, ours_get_the_next_command_with_the_answer,
	a_result_said_again_brings_the_next_command_again,
	the_answer_comes_before_a_poll_that_waits)
