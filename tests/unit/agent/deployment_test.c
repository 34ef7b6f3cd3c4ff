/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deployment.h"

#include <errno.h>

#include "base/cleanup.h"
#include "unit.h"

/* Follows inputs from the start; the state that they lead to. */
static int walk(const enum deployment_input *inputs, size_t n)
{
	int state = DEPLOYMENT_IDLE;

	for (size_t i = 0; i < n && state >= 0; i++)
		state = deployment_next((enum deployment_state)state, inputs[i]);
	return state;
}

#define WALK(...)                                                                              \
	walk((const enum deployment_input[]){ __VA_ARGS__ },                                   \
		ARRAY_SIZE(((const enum deployment_input[]){ __VA_ARGS__ })))

START_TEST(a_whole_deployment_ends)
{
	ck_assert_int_eq(WALK(INPUT_STARTED, INPUT_DONE, INPUT_DONE, /* unpacked, checked */
				 INPUT_HOOKS, INPUT_DONE, INPUT_DOWNLOAD, INPUT_DONE,
				 INPUT_INSTALL, INPUT_DONE, INPUT_HOOKS, INPUT_DONE, INPUT_DONE,
				 INPUT_DONE, INPUT_DONE),
		DEPLOYMENT_OVER);
}
END_TEST

START_TEST(a_bad_bundle_is_discarded_before_any_event)
{
	ck_assert_int_eq(WALK(INPUT_STARTED, INPUT_FAILED), DEPLOYMENT_DISCARD);
	ck_assert_int_eq(WALK(INPUT_STARTED, INPUT_DONE, INPUT_FAILED), DEPLOYMENT_DISCARD);
}
END_TEST

START_TEST(a_failed_install_is_undone)
{
	ck_assert_int_eq(WALK(INPUT_STARTED, INPUT_DONE, INPUT_DONE, INPUT_DOWNLOAD, INPUT_DONE,
				 INPUT_INSTALL, INPUT_FAILED),
		DEPLOYMENT_UNDO);
}
END_TEST

START_TEST(every_state_but_the_last_leads_on)
{
	for (int state = DEPLOYMENT_IDLE; state < DEPLOYMENT_OVER; state++) {
		int n = 0;

		for (int input = INPUT_STARTED; input <= INPUT_INSTALL; input++)
			n += deployment_next((enum deployment_state)state,
				     (enum deployment_input)input) >= 0;
		ck_assert_int_gt(n, 0);
	}
	for (int input = INPUT_STARTED; input <= INPUT_INSTALL; input++)
		ck_assert_int_eq(deployment_next(DEPLOYMENT_OVER, (enum deployment_input)input),
			-EPROTO);
}
END_TEST

TESTS("agent/deployment", a_whole_deployment_ends, a_bad_bundle_is_discarded_before_any_event,
	a_failed_install_is_undone, every_state_but_the_last_leads_on)
