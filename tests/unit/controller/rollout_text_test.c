/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/rollout_text.h"

/* Every member with another value than 0, so that one that is not written is missed. */
static const struct rollout FULL = {
	.config = { .minimum = { MINIMUM_FLEET_PERCENT, 33, true },
		.lifecycle = LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER,
		.unreachable = UNREACHABLE_SKIP,
		.ignore_application_stop_failures = true,
		.only_outdated = true,
		.rollback_on_failure = true,
		.rollback_on_stop = true,
		.is_rollback = true,
		.rollback_like_aws = true,
		.n_bystanders = 7,
		.vanish_percent = 25,
		.vanish_window_ms = 1,
		.start_timeout_ms = 2,
		.event_timeout_ms = 3,
		.gone_timeout_ms = 4,
		.traffic_timeout_ms = 5,
		.deployment_timeout_ms = 6,
		.seed = INT64_MAX },
	.phase = PHASE_DRAINING,
	.reason = REASON_HOST_GONE,
	.paused = true,
	.stranded = true,
	.halted = true,
	.stop_rollback = STOP_NO_ROLLBACK,
	.created_ms = 1795190163118,
	.grace_ms = 1795190163119,
};

START_TEST(what_is_written_is_read_as_it_was)
{
	cleanup_with(freep) char *text = rollout_write(&FULL);
	cleanup_with(freep) char *again = NULL;
	struct rollout read = { 0 };

	ck_assert_int_eq(rollout_read(&read, text, NULL), 0);
	again = rollout_write(&read);
	ck_assert_str_eq(again, text);
	ck_assert_int_eq(memcmp(&read.config.minimum, &FULL.config.minimum, 8), 0);
	ck_assert_uint_eq(read.config.deployment_timeout_ms, 6);
	ck_assert_uint_eq(read.config.n_bystanders, 7);
	ck_assert(read.config.is_rollback && read.config.rollback_like_aws);
	ck_assert_int_eq(read.phase, PHASE_DRAINING);
	ck_assert_int_eq(read.reason, REASON_HOST_GONE);
	ck_assert(read.paused && read.stranded && read.halted);
	ck_assert_int_eq(read.stop_rollback, STOP_NO_ROLLBACK);
	ck_assert_uint_eq(read.created_ms, 1795190163118);
	ck_assert_uint_eq(read.grace_ms, 1795190163119);
	ck_assert_uint_eq(read.config.seed, INT64_MAX);
}
END_TEST

START_TEST(a_damaged_state_is_refused_with_its_member)
{
	struct rollout read = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(rollout_read(&read, "{\"Phase\":7}", &err), -EBADMSG);
	ck_assert_str_eq(
		err.text, "the stored state of the rollout: 'Phase' is 7, which means nothing");
	ck_assert_int_eq(rollout_read(&read, "{\"Phase\":-1}", &err), -EBADMSG);
	ck_assert_int_eq(rollout_read(&read, "{\"Phase\":\"x\"}", &err), -EBADMSG);
	ck_assert_int_eq(rollout_read(&read, "{\"Pha", &err), -EBADMSG);
	ck_assert_int_eq(rollout_read(&read, "", &err), -EBADMSG);
}
END_TEST

TESTS("rollout_text", what_is_written_is_read_as_it_was,
	a_damaged_state_is_refused_with_its_member)
