/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/quantity.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(clock, &ts); /* fails only for clocks that do not exist */
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t time_now_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t time_boot_ms(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

void time_format_local(uint64_t now_ms, char ret[static 20])
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };

	(void)localtime_r(&seconds, &tm);
	if (strftime(ret, 20, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		ret[0] = '\0'; /* a year of five digits: nonsense from a spoilt file */
}

void time_format_utc(uint64_t now_ms, char ret[static 21])
{
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };

	(void)gmtime_r(&seconds, &tm);
	if (strftime(ret, 21, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		ret[0] = '\0';
}

void time_format_duration(uint64_t duration_ms, char *ret, size_t size)
{
	uint64_t s = duration_ms / 1000;

	if (s < 60)
		(void)snprintf(
			ret, size, "%" PRIu64 ".%" PRIu64 " s", s, duration_ms % 1000 / 100);
	else if (s < 3600)
		(void)snprintf(ret, size, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 48 * (uint64_t)3600)
		(void)snprintf(
			ret, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else
		(void)snprintf(ret, size, "%" PRIu64 " d", s / 86400);
}

int time_parse_duration(uint64_t *ret_ms, const char *text)
{
	static const struct quantity_unit units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 3600 * 1000 },
		{ "d", 24 * 3600 * 1000 },
	};

	return quantity_parse(ret_ms, text, units, ARRAY_SIZE(units));
}
