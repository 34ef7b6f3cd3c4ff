/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/events.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

typedef int parse_fn(struct events *ret, const char *text, struct error *err);

static void expect(parse_fn *parse, const char *text, const char *expected)
{
	cleanup_with(events_done) struct events events = { 0 };
	cleanup_with(buf_done) struct buf joined = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(parse(&events, text, &err), 0);
	for (size_t i = 0; i < events.n; i++)
		buf_printf(&joined, "%s%s", i > 0 ? "," : "", events.names[i]);
	ck_assert_str_eq(joined.data, expected);
}

static void expect_refusal(parse_fn *parse, const char *text, const char *expected)
{
	struct events events = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(parse(&events, text, &err), -EINVAL);
	ck_assert_str_eq(err.text, expected);
	ck_assert_uint_eq(events.n, 0);
}

START_TEST(all_events_are_eleven_in_lifecycle_order)
{
	cleanup_with(events_done) struct events events = { 0 };

	events_all(&events);
	ck_assert_uint_eq(events.n, 11);
	ck_assert_str_eq(events.names[0], "BeforeBlockTraffic");
	ck_assert_str_eq(events.names[3], "DownloadBundle");
	ck_assert_str_eq(events.names[10], "AfterAllowTraffic");
	ck_assert_ptr_null(events.names[11]);
}
END_TEST

START_TEST(drover_agent_runs_events_in_lifecycle_order)
{
	expect(events_parse, "ApplicationStart,BeforeInstall",
		"DownloadBundle,BeforeInstall,Install,ApplicationStart");
	expect(events_parse, " AfterInstall , AfterInstall",
		"DownloadBundle,Install,AfterInstall");
	expect(events_parse, "ApplicationStop", "ApplicationStop,DownloadBundle,Install");
}
END_TEST

START_TEST(drover_agent_refuses_what_is_no_event_with_a_suggestion)
{
	expect_refusal(events_parse, "AfterInstal",
		"--events: no lifecycle event is called 'AfterInstal'; did you mean "
		"AfterInstall?");
	expect_refusal(events_parse, "Breakfast",
		"--events: no lifecycle event is called 'Breakfast'");
	expect_refusal(events_parse, "AfterInstall,", "--events AfterInstall,: an empty name");
	expect_refusal(events_parse, "", "--events : an empty name");
}
END_TEST

START_TEST(codedeploy_local_keeps_the_order_given)
{
	expect(events_parse_local, "BeforeInstall,ApplicationStart",
		"DownloadBundle,Install,BeforeInstall,ApplicationStart");
	expect(events_parse_local, "ValidateService,AfterInstall",
		"DownloadBundle,Install,ValidateService,AfterInstall");
	expect(events_parse_local, "ApplicationStop,DownloadBundle,Install",
		"ApplicationStop,DownloadBundle,Install");
	expect(events_parse_local, "DownloadBundle,BeforeInstall,Install,AfterInstall",
		"DownloadBundle,BeforeInstall,Install,AfterInstall");
}
END_TEST

START_TEST(codedeploy_local_puts_what_is_missing_in_front)
{
	expect(events_parse_local, "ApplicationStart,CustomEvent",
		"DownloadBundle,Install,ApplicationStart,CustomEvent");
	expect(events_parse_local, "DownloadBundle,AfterInstall",
		"DownloadBundle,Install,AfterInstall");
	expect(events_parse_local, "BeforeInstall,Install",
		"DownloadBundle,BeforeInstall,Install");
}
END_TEST

START_TEST(codedeploy_local_refuses_what_has_no_bundle_yet)
{
	expect_refusal(events_parse_local, "Install,DownloadBundle",
		"--events: Install cannot stand before DownloadBundle; only "
		"BeforeBlockTraffic, "
		"AfterBlockTraffic and ApplicationStop can");
	expect_refusal(events_parse_local, "DownloadBundle,AfterInstall,Install",
		"--events: AfterInstall cannot stand before Install; only BeforeBlockTraffic, "
		"AfterBlockTraffic, ApplicationStop, DownloadBundle and BeforeInstall can");
	expect_refusal(events_parse_local, "BeforeInstall,DownloadBundle,Install",
		"--events: BeforeInstall cannot stand before DownloadBundle; only "
		"BeforeBlockTraffic, AfterBlockTraffic and ApplicationStop can");
}
END_TEST

TESTS("agent/events", all_events_are_eleven_in_lifecycle_order,
	drover_agent_runs_events_in_lifecycle_order,
	drover_agent_refuses_what_is_no_event_with_a_suggestion,
	codedeploy_local_keeps_the_order_given, codedeploy_local_puts_what_is_missing_in_front,
	codedeploy_local_refuses_what_has_no_bundle_yet)
