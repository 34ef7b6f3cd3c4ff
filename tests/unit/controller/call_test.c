/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/call.h"

#include "base/json.h"
#include "unit.h"

static unsigned n_ended;
static unsigned n_gone;

static void on_ended(struct call *call)
{
	ck_assert_int_eq(call->state, CALL_ENDED);
	ck_assert(json_is_object(call->output));
	n_ended++;
}

static void on_gone(struct call *call)
{
	ck_assert_ptr_eq(call->owner, &n_gone);
	n_gone++;
}

static void begin(struct call *call)
{
	static struct parts parts;

	n_ended = 0;
	n_gone = 0;
	call_init(call, &parts, on_ended);
}

START_TEST(an_answer_without_output_is_an_empty_object)
{
	struct call call;

	begin(&call);
	call_answer(&call, NULL);
	ck_assert_uint_eq(n_ended, 1);
	ck_assert_int_eq(call.status, 200);
	ck_assert_uint_eq(json_object_size(call.output), 0);
	call_done(&call);
}
END_TEST

START_TEST(a_failure_has_type_and_message)
{
	struct call call;
	const char *text = NULL;

	begin(&call);
	call_fail(&call, "InvalidTagException", "tag '%s' has no key", "a\xff");
	ck_assert_int_eq(call.status, 400);
	ck_assert_int_eq(json_get_string(call.output, "__type", &text, NULL), 0);
	ck_assert_str_eq(text, "InvalidTagException");
	ck_assert_int_eq(json_get_string(call.output, "message", &text, NULL), 0);
	ck_assert_str_eq(text, "tag 'a\xef\xbf\xbd' has no key");
	call_done(&call);
}
END_TEST

START_TEST(a_parked_call_forgets_what_ends_with_the_turn)
{
	struct key key = { .id = "AKID" };
	json_t *input = json_object();
	struct call call;

	begin(&call);
	call.who.key = &key;
	call.input = input;
	call.agent_version = "x";
	call_park(&call, on_gone, &n_gone);
	json_decref(input);
	ck_assert_ptr_null(call.who.key);
	ck_assert_ptr_null(call.input);
	ck_assert_ptr_null(call.agent_version);
	ck_assert_uint_eq(n_ended, 0);
	call_fail_status(&call, 503, "ServiceUnavailable", "later");
	ck_assert_uint_eq(n_ended, 1);
	ck_assert_int_eq(call.status, 503);
	call_done(&call);
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(who_parked_a_call_hears_once_that_the_client_left)
{
	struct call call;

	begin(&call);
	call_park(&call, on_gone, &n_gone);
	call_leave(&call);
	call_done(&call);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_uint_eq(n_ended, 0);
}
END_TEST

START_TEST(a_parked_call_that_is_dropped_tells_its_owner)
{
	struct call call;

	begin(&call);
	call_park(&call, on_gone, &n_gone);
	call_done(&call);
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

TESTS("call", an_answer_without_output_is_an_empty_object, a_failure_has_type_and_message,
	a_parked_call_forgets_what_ends_with_the_turn,
	who_parked_a_call_hears_once_that_the_client_left,
	a_parked_call_that_is_dropped_tells_its_owner)
