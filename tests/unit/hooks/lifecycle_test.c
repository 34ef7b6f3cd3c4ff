/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/lifecycle.h"

#include <errno.h>

#include "unit.h"

START_TEST(events_stand_in_the_order_in_which_they_run)
{
	static const char *const names[] = { "BeforeBlockTraffic", "AfterBlockTraffic",
		"ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
		"ApplicationStart", "ValidateService", "BeforeAllowTraffic",
		"AfterAllowTraffic" };

	for (int i = 0; i < N_LIFECYCLE_EVENTS; i++) {
		ck_assert_str_eq(lifecycle_name((enum lifecycle_event)i), names[i]);
		ck_assert_int_eq(lifecycle_find(names[i]), i);
	}
	ck_assert_int_eq(lifecycle_find("afterinstall"), -ENOENT);
	ck_assert_int_eq(lifecycle_find(""), -ENOENT);
}
END_TEST

START_TEST(what_runs_before_the_new_bundle_comes_from_the_previous_one)
{
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_BEFORE_BLOCK_TRAFFIC, false), BUNDLE_LAST_SUCCESSFUL);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_AFTER_BLOCK_TRAFFIC, false), BUNDLE_LAST_SUCCESSFUL);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_APPLICATION_STOP, false), BUNDLE_LAST_SUCCESSFUL);
	for (int i = EVENT_DOWNLOAD_BUNDLE; i < N_LIFECYCLE_EVENTS; i++)
		ck_assert_int_eq(
			lifecycle_bundle_of((enum lifecycle_event)i, false), BUNDLE_CURRENT);
}
END_TEST

START_TEST(a_blue_green_rollback_takes_other_bundles)
{
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_BEFORE_BLOCK_TRAFFIC, true), BUNDLE_MOST_RECENT);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_AFTER_BLOCK_TRAFFIC, true), BUNDLE_MOST_RECENT);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_APPLICATION_STOP, true), BUNDLE_LAST_SUCCESSFUL);
	for (int i = EVENT_DOWNLOAD_BUNDLE; i <= EVENT_VALIDATE_SERVICE; i++)
		ck_assert_int_eq(
			lifecycle_bundle_of((enum lifecycle_event)i, true), BUNDLE_CURRENT);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_BEFORE_ALLOW_TRAFFIC, true), BUNDLE_LAST_SUCCESSFUL);
	ck_assert_int_eq(
		lifecycle_bundle_of(EVENT_AFTER_ALLOW_TRAFFIC, true), BUNDLE_LAST_SUCCESSFUL);
}
END_TEST

START_TEST(a_misspelt_event_is_recognised)
{
	ck_assert_str_eq(lifecycle_suggest("BeforeInstal"), "BeforeInstall");
	ck_assert_str_eq(lifecycle_suggest("afterinstall"), "AfterInstall");
	ck_assert_str_eq(lifecycle_suggest("AplicationStart"), "ApplicationStart");
	ck_assert_ptr_null(lifecycle_suggest("Frobnicate"));
}
END_TEST

TESTS("lifecycle", events_stand_in_the_order_in_which_they_run,
	what_runs_before_the_new_bundle_comes_from_the_previous_one,
	a_blue_green_rollback_takes_other_bundles, a_misspelt_event_is_recognised)
