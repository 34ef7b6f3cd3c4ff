/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

#define BUFFER (256 * 1024)

int record_open(struct record *record, const char *path, struct error *err)
{
	record->file = fopen(path, "we");
	if (!record->file)
		return error_set(err, -errno, "cannot write %s: %m", path);
	(void)setvbuf(record->file, NULL, _IOFBF, BUFFER);
	return 0;
}

void record_done(struct record *record)
{
	if (record->file)
		(void)fclose(record->file); /* a test that misses lines fails by itself */
	record->file = NULL;
}

void record_flush(struct record *record)
{
	if (record->file)
		(void)fflush(record->file);
}

static void write_member(FILE *file, const char *name, const char *text)
{
	if (!text)
		return;
	(void)fprintf(file, ", \"%s\": \"", name);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)fprintf(file, "\\%c", c);
		else if (c < 0x20)
			(void)fprintf(file, "\\u%04x", c);
		else
			(void)putc_unlocked(c, file);
	}
	(void)putc_unlocked('"', file);
}

void record_write(struct record *record, const struct record_line *line)
{
	FILE *file = record->file;
	struct timespec now;

	if (!file)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail with this clock */
	(void)fprintf(file, "{\"at\": %lld.%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
	write_member(file, "host", line->host);
	write_member(file, "what", line->what);
	write_member(file, "event", line->event);
	write_member(file, "deployment", line->deployment);
	write_member(file, "command", line->command);
	write_member(file, "revision", line->revision);
	write_member(file, "detail", line->detail);
	(void)fputs("}\n", file);
}

void durations_add(struct durations *durations, uint64_t us)
{
	xgrow(&durations->us, &durations->cap, durations->n);
	durations->us[durations->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

uint32_t durations_quantile(struct durations *durations, double share)
{
	if (durations->n == 0)
		return 0;
	qsort(durations->us, durations->n, sizeof(*durations->us), by_size);
	return durations->us[(size_t)(share * (double)(durations->n - 1))];
}

void durations_done(struct durations *durations)
{
	free(durations->us);
	*durations = (struct durations){ 0 };
}
