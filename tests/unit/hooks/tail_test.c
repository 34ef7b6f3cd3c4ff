/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/tail.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

static void add(struct tail *tail, const char *text)
{
	tail_add(tail, text, strlen(text));
}

START_TEST(a_short_log_is_whole)
{
	struct tail tail = { 0 };
	cleanup_with(freep) char *none = tail_text(&tail);
	cleanup_with(freep) char *some = NULL;

	add(&tail, "Script - a.sh\n");
	add(&tail, "[stdout]caf\xc3\xa9\n");
	some = tail_text(&tail);
	ck_assert_str_eq(none, "");
	ck_assert_str_eq(some, "Script - a.sh\n[stdout]caf\xc3\xa9\n");
}
END_TEST

START_TEST(of_a_long_log_the_last_2048_bytes_are_kept_however_it_came)
{
	char all[10000];
	struct tail once = { 0 };

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)('a' + i % 26);
	tail_add(&once, all, sizeof(all));
	for (size_t step = 1; step < 5000; step += 97) {
		struct tail tail = { 0 };
		cleanup_with(freep) char *text = NULL;

		for (size_t i = 0; i < sizeof(all); i += step)
			tail_add(&tail, all + i,
				i + step < sizeof(all) ? step : sizeof(all) - i);
		text = tail_text(&tail);
		ck_assert_uint_eq(strlen(text), 2048);
		ck_assert_int_eq(memcmp(text, all + sizeof(all) - 2048, 2048), 0);
	}
}
END_TEST

START_TEST(it_starts_at_a_character)
{
	for (int offset = 0; offset < 4; offset++) {
		struct tail tail = { 0 };
		cleanup_with(freep) char *text = NULL;

		for (int i = 0; i < 2000; i++)
			add(&tail, "\xf0\x9f\x90\x82");
		add(&tail, &"xxx"[3 - offset]);
		text = tail_text(&tail);
		ck_assert_uint_eq(strlen(text), offset == 0 ? 2048 : 2044 + (unsigned)offset);
		ck_assert_int_eq(strncmp(text, "\xf0\x9f\x90\x82", 4), 0);
	}
}
END_TEST

START_TEST(what_is_no_text_is_replaced_within_the_limit)
{
	struct tail tail = { 0 };
	cleanup_with(freep) char *text = NULL;
	cleanup_with(freep) char *many = NULL;
	char noise[5000];

	tail_add(&tail, "a\xff\0z", 4);
	text = tail_text(&tail);
	ck_assert_str_eq(text, "a\xef\xbf\xbd\xef\xbf\xbdz");

	(void)memset(noise, 0xff, sizeof(noise));
	tail_add(&tail, noise, sizeof(noise));
	many = tail_text(&tail);
	ck_assert_uint_eq(strlen(many), 2046); /* 682 of three bytes each */
}
END_TEST

TESTS("tail", a_short_log_is_whole, of_a_long_log_the_last_2048_bytes_are_kept_however_it_came,
	it_starts_at_a_character, what_is_no_text_is_replaced_within_the_limit)
