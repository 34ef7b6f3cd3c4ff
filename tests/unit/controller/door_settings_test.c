/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door_settings.h"

#include <string.h>

#include "base/error.h"
#include "controller/settings.h"
#include "unit.h"

/* No TLS, so that no file is read. */
static struct listener_settings listeners[] = {
	{ .address = "unix:droverd.sock", .is_unix = true },
	{ .address = "127.0.0.1:8080" },
	{ .address = "[::1]:8080" },
};
static struct settings settings = {
	.listeners = listeners,
	.n_listeners = 3,
	.long_poll_ms = 60000,
};

START_TEST(each_kind_of_door_is_told_of_its_listeners)
{
	struct door_settings all = { 0 };
	struct exchange_settings told;
	struct buf payload = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_msg(door_settings_load(&all, &settings, &err) == 0, "%s", err.text);
	door_settings_select(&all, &settings, true, &told, &payload);
	ck_assert_uint_eq(told.n_listeners, 1);
	buf_clear(&payload);
	door_settings_select(&all, &settings, false, &told, &payload);
	ck_assert_uint_eq(told.n_listeners, 2);
	ck_assert_str_eq(told.key_pem, "");
	ck_assert_uint_gt(told.answer_ms, settings.long_poll_ms);
	buf_done(&payload);
	door_settings_done(&all);
}
END_TEST

START_TEST(old_ticket_keys_are_honoured_for_two_turns)
{
	uint8_t first[EXCHANGE_TICKET_KEY_BYTES];
	struct door_settings all = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(door_settings_load(&all, &settings, &err), 0);
	ck_assert_uint_eq(all.all.n_ticket_keys, 1);
	memcpy(first, all.all.ticket_keys[0], sizeof(first));
	for (size_t turn = 1; turn <= 2; turn++) {
		ck_assert_int_eq(door_settings_rotate(&all, &err), 0);
		ck_assert_uint_eq(all.all.n_ticket_keys, turn + 1);
		ck_assert_int_ne(memcmp(all.all.ticket_keys[0], first, sizeof(first)), 0);
		ck_assert_int_eq(memcmp(all.all.ticket_keys[turn], first, sizeof(first)), 0);
	}
	ck_assert_int_eq(door_settings_rotate(&all, &err), 0);
	ck_assert_uint_eq(all.all.n_ticket_keys, 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_ne(memcmp(all.all.ticket_keys[i], first, sizeof(first)), 0);
	/* A reload keeps them. */
	memcpy(first, all.all.ticket_keys[0], sizeof(first));
	ck_assert_int_eq(door_settings_load(&all, &settings, &err), 0);
	ck_assert_uint_eq(all.all.n_ticket_keys, 3);
	ck_assert_int_eq(memcmp(all.all.ticket_keys[0], first, sizeof(first)), 0);
	door_settings_done(&all);
}
END_TEST

TESTS("door_settings", each_kind_of_door_is_told_of_its_listeners,
	old_ticket_keys_are_honoured_for_two_turns)
