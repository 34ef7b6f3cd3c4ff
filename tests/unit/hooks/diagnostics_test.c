/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/diagnostics.h"

#include "base/cleanup.h"
#include "unit.h"

START_TEST(a_failure_has_its_script_message_and_log_in_this_order)
{
	cleanup_with(freep) char *text = hook_diagnostics(HOOK_SCRIPT_FAILED, "scripts/a.sh",
		"script scripts/a.sh failed with exit status 3", "[stdout]a \"b\"\n");

	ck_assert_str_eq(text, "{\"error_code\":4,\"script_name\":\"scripts/a.sh\","
			       "\"message\":\"script scripts/a.sh failed with exit status 3\","
			       "\"log\":\"[stdout]a \\\"b\\\"\\n\"}");
}
END_TEST

START_TEST(a_success_never_bears_a_log)
{
	cleanup_with(freep) char *text = hook_diagnostics(HOOK_SUCCEEDED, NULL, NULL, "log");
	cleanup_with(freep) char *noop = hook_diagnostics(
		HOOK_SUCCEEDED, "", "CompletedNoopCommand", NULL);

	ck_assert_str_eq(text, "{\"error_code\":0,\"script_name\":\"\","
			       "\"message\":\"Succeeded: \",\"log\":\"\"}");
	ck_assert_str_eq(noop, "{\"error_code\":0,\"script_name\":\"\",\"message\":"
			       "\"Succeeded: CompletedNoopCommand\",\"log\":\"\"}");
}
END_TEST

START_TEST(a_failure_after_a_restart_says_so)
{
	cleanup_with(freep) char *text = hook_diagnostics(
		HOOK_FAILED_AFTER_RESTART, "", "the agent restarted", "");

	ck_assert_str_eq(text, "{\"error_code\":7,\"script_name\":\"\","
			       "\"message\":\"Failed: the agent restarted\",\"log\":\"\"}");
}
END_TEST

START_TEST(what_is_no_text_is_replaced)
{
	cleanup_with(freep) char *text = hook_diagnostics(
		HOOK_SCRIPT_FAILED, "a\xff", "\xc3", "\xe2\x82\x1b");

	ck_assert_str_eq(text, "{\"error_code\":4,\"script_name\":\"a\xef\xbf\xbd\","
			       "\"message\":\"\xef\xbf\xbd\","
			       "\"log\":\"\xef\xbf\xbd\xef\xbf\xbd\\u001B\"}");
}
END_TEST

TESTS("diagnostics", a_failure_has_its_script_message_and_log_in_this_order,
	a_success_never_bears_a_log, a_failure_after_a_restart_says_so,
	what_is_no_text_is_replaced)
