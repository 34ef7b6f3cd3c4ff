/* SPDX-License-Identifier: Apache-2.0 */

/* The hooks section. */
#include "appspec/appspec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"

#define HOOK HEAD "hooks:\n  AfterInstall:\n"

/* clang-format off */
static const struct {
	const char *text;
	const char *findings;
} table[] = {
	{ HEAD "hooks: []\n",                          "3:8 E-TYPE" },
	{ HEAD "hooks: word\n",                        "3:8 E-TYPE" },
	{ HEAD "hooks:\n- AfterInstall: []\n",         "4:1 E-TYPE" },
	{ HOOK "    location: a\n",                    "5:5 E-TYPE" },
	{ HOOK "    - a.sh\n",                         "5:7 E-TYPE" },
	{ HOOK "    -\n",                              "5:6 E-TYPE" },
	{ HOOK "    []\n",                             "" },
	{ HOOK "    - timeout: 30\n",                  "5:7 E-HOOK-LOCATION" },
	{ HOOK "    - location:\n",                    "5:16 E-HOOK-LOCATION" },
	{ HOOK "    - location: ' '\n",                "5:17 E-HOOK-LOCATION" },
	{ HOOK "    - location: ./\n",                 "5:17 E-HOOK-LOCATION" },
	{ HOOK "    - location: {a: b}\n",             "5:17 E-TYPE" },
	{ HOOK "    - location: a/../../b\n",          "5:17 E-PATH" },
	{ HOOK "    - location: ~/a\n",                "5:17 W-PATH-ODD" },
	{ HOOK "    - {location: a, timeout: foo}\n",  "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: 0}\n",    "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: -5}\n",   "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: 0.9}\n",  "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: '-3s'}\n", "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: ''}\n",   "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: yes}\n",  "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: [3]}\n",  "5:30 E-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: 30}\n",   "" },
	{ HOOK "    - {location: a, timeout: '30'}\n", "" },
	{ HOOK "    - {location: a, timeout: ~}\n",    "" },
	{ HOOK "    - {location: a, timeout: 60s}\n",  "5:30 W-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, timeout: 7200}\n", "5:30 W-HOOK-TIMEOUT" },
	{ HOOK "    - {location: a, sudo: {}}\n",      "5:27 E-TYPE" },
	{ HOOK "    - {location: a, sudo: maybe}\n",   "5:27 W-HOOK-SUDO" },
	{ HOOK "    - {location: a, runas: [b]}\n",    "5:28 E-TYPE" },
	{ HOOK "    - {location: a, runas: ''}\n",     "5:28 W-HOOK-RUNAS" },
	{ HOOK "    - {location: a, runsa: b}\n",      "5:21 W-KEY-UNKNOWN" },
	{ HEAD "hooks:\n  AfterInnstall: []\n",        "4:3 W-HOOK-UNKNOWN" },
	{ HEAD "hooks:\n  Install: []\n",              "4:3 W-HOOK-UNKNOWN" },
	{ HEAD "hooks:\n  files: []\n",                "4:3 W-HOOK-UNKNOWN" },
	{ HEAD "hooks:\n  Custom:\n",                  "4:3 W-HOOK-UNKNOWN" },
	{ HEAD "hooks:\n  [a]: []\n",                  "4:3 E-TYPE" },
	{ HEAD "files: [{source: a, destination: /srv/a}]\n"
	  "hooks: {AfterInstall: [{location: /srv/a/b.sh}]}\n", "4:35 W-HOOK-LOCATION" },
};

static const struct {
	const char *text;
	unsigned seconds;
} timeouts[] = {
	{ "30",    30 },
	{ "\"30\"", 30 },
	{ "60s",   60 },
	{ "1.9",   1 },
	{ "300.9", 300 },
	{ "010",   8 },
	{ "0x10",  16 },
	{ "1_000", 1000 },
	{ "1,000", 1000 },
	{ "5:00",  300 },
	{ "' 7 '", 7 },
	{ "~",     3600 },
	{ "99999", 99999 },
	{ "99999999999999999999", 365 * 24 * 3600 },
	{ "9.9e+99", 365 * 24 * 3600 },
};
/* clang-format on */

START_TEST(every_problem_is_found_at_its_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		cleanup_with(freep) char *found = findings_of(table[i].text);

		ck_assert_msg(strcmp(found, table[i].findings) == 0,
			"%s--- expected '%s', found '%s'", table[i].text, table[i].findings,
			found);
	}
}
END_TEST

START_TEST(timeouts_are_read_in_all_the_forms_there_are)
{
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		cleanup_with(appspec_freep) struct appspec *spec = NULL;
		cleanup_with(buf_done) struct buf text = { 0 };

		buf_printf(
			&text, HOOK "    - location: a\n      timeout: %s\n", timeouts[i].text);
		spec = parse_valid(text.data);
		ck_assert_msg(spec->hooks[0].scripts[0].timeout_s == timeouts[i].seconds,
			"timeout %s is read as %u", timeouts[i].text,
			spec->hooks[0].scripts[0].timeout_s);
	}
}
END_TEST

START_TEST(scripts_keep_their_order_and_values)
{
	cleanup_with(appspec_freep) struct appspec *spec = parse_valid(
		HEAD "hooks:\n"
		     "  BeforeInstall:\n"
		     "  AfterInstall:\n"
		     "    - location: ' ./scripts//a.sh '\n"
		     "      runas: ' deploy '\n"
		     "      timeout: 30\n"
		     "    - location: /b.sh\n"
		     "      sudo: true\n");
	const struct appspec_hook *hook = appspec_find_hook(spec, "AfterInstall");

	ck_assert_ptr_null(appspec_find_hook(spec, "BeforeInstall"));
	ck_assert_uint_eq(hook->n_scripts, 2);
	ck_assert_str_eq(hook->scripts[0].location, "scripts/a.sh");
	ck_assert_str_eq(hook->scripts[0].runas, "deploy");
	ck_assert_uint_eq(hook->scripts[0].timeout_s, 30);
	ck_assert(!hook->scripts[0].sudo);
	ck_assert_uint_eq(hook->scripts[0].mark.line, 6);
	ck_assert_str_eq(hook->scripts[1].location, "b.sh");
	ck_assert_ptr_null(hook->scripts[1].runas);
	ck_assert_uint_eq(hook->scripts[1].timeout_s, 3600);
	ck_assert(hook->scripts[1].sudo);
	ck_assert_uint_eq(appspec_hook_timeout_s(hook), 3630);
}
END_TEST

static bool sudo_of(const char *value)
{
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	cleanup_with(buf_done) struct buf text = { 0 };

	buf_printf(&text, HOOK "    - location: a\n      sudo: %s\n", value);
	spec = parse_valid(text.data);
	return spec->hooks[0].scripts[0].sudo;
}

START_TEST(sudo_is_what_its_word_says)
{
	ck_assert(sudo_of("yes"));
	ck_assert(sudo_of("on"));
	ck_assert(sudo_of("1"));
	ck_assert(sudo_of("'true'"));
	ck_assert(sudo_of("maybe"));
	ck_assert(!sudo_of("no"));
	ck_assert(!sudo_of("~"));
	ck_assert(!sudo_of("0"));
	ck_assert(!sudo_of("'False'"));
}
END_TEST

START_TEST(messages_suggest_what_was_meant)
{
	assert_says(HEAD "hooks:\n  AfterInnstall: []\n",
		"appspec.yml:4:3: warning: there is no event 'AfterInnstall'; its scripts run "
		"only "
		"in a local deployment that asks for it, did you mean 'AfterInstall'?");
	assert_says(HEAD "hooks:\n  permissions: []\n",
		"appspec.yml:4:3: warning: 'permissions' stands below hooks and is taken for "
		"an "
		"event; it belongs in the first column");
	assert_says(HOOK "    - {location: a, runsa: b}\n",
		"appspec.yml:5:21: warning: unknown key 'runsa' in a hook's script is ignored, "
		"did "
		"you mean 'runas'?");
}
END_TEST

START_TEST(many_events_are_no_burden)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(appspec_freep) struct appspec *spec = NULL;

	buf_puts(&text, HEAD "hooks:\n");
	for (unsigned i = 0; i < 40000; i++)
		buf_printf(&text, "  E%u: []\n", i);
	ck_assert_int_eq(appspec_parse(&spec, text.data, text.len, "appspec.yml", &found), 0);
	ck_assert_uint_eq(spec->n_hooks, 40000);
	ck_assert_uint_eq(found.n, 101);
}
END_TEST

TESTS("hooks", every_problem_is_found_at_its_place,
	timeouts_are_read_in_all_the_forms_there_are, scripts_keep_their_order_and_values,
	sudo_is_what_its_word_says, messages_suggest_what_was_meant, many_events_are_no_burden)
