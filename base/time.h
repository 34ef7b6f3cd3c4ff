/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since 1970 by the wall clock: for people and records, never for measuring. */
uint64_t time_now_ms(void);

/* Milliseconds since boot, sleep included: for deadlines and durations. */
uint64_t time_boot_ms(void);

/* "2026-03-01 10:15:00" in local time, as the reference's logs have it; "" for a year of more
 * than four digits. */
void time_format_local(uint64_t now_ms, char ret[static 20]);

/* "2026-03-01T10:15:00Z", or "". */
void time_format_utc(uint64_t now_ms, char ret[static 21]);

/* "1.4 s", "2 min 5 s", "3 h 12 min", "4 d": for people. */
void time_format_duration(uint64_t duration_ms, char *ret, size_t size);

/*
 * Milliseconds of what people write: digits and ms, s, m, h or d, with or without a blank
 * between; a unit there must be. Returns 0; -EINVAL if it is none, -ERANGE if it does not fit.
 */
int time_parse_duration(uint64_t *ret_ms, const char *text);
