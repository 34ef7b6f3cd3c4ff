/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/printable.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/size.h"
#include "base/time.h"

enum { QUIET_MS = 1000, REDRAW_MS = 500, DEFAULT_COLUMNS = 80 };

struct progress {
	struct loop *loop;
	struct loop_timer timer;
	char *label; /* NULL: no step */
	uint64_t began_ms;
	uint64_t bytes, files, total_bytes;
	bool is_shown;
};

static bool can_redraw(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && terminal && terminal[0] != '\0' &&
	       strcmp(terminal, "dumb") != 0;
}

struct progress *progress_new(struct loop *loop)
{
	struct progress *progress;

	if (!can_redraw())
		return NULL;
	progress = xcalloc(1, sizeof(*progress));
	progress->loop = loop;
	return progress;
}

void progress_free(struct progress *progress)
{
	if (!progress)
		return;
	progress_end(progress);
	free(progress);
}

void progress_hide(struct progress *progress)
{
	if (!progress || !progress->is_shown)
		return;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
	progress->is_shown = false;
}

static size_t columns(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return DEFAULT_COLUMNS;
	return size.ws_col;
}

static void describe(const struct progress *progress, uint64_t ms, struct buf *line)
{
	char text[16], duration[32];

	printable_append(line, progress->label);
	if (progress->files > 0)
		buf_printf(line, "  %" PRIu64 " files", progress->files);
	if (progress->bytes > 0) {
		size_format(progress->bytes, text);
		buf_printf(line, "  %s", text);
	}
	if (progress->total_bytes >= progress->bytes && progress->total_bytes > 0)
		buf_printf(line, " (%" PRIu64 " %%)",
			progress->bytes / (progress->total_bytes / 100 + 1));
	if (progress->bytes > 0 && ms > 0) {
		size_format(progress->bytes / ms * 1000, text);
		buf_printf(line, "  %s/s", text);
	}
	time_format_duration(ms, duration, sizeof(duration));
	buf_printf(line, "  %s", duration);
}

static void draw(struct progress *progress)
{
	cleanup_with(buf_done) struct buf line = { 0 };
	uint64_t ms = time_boot_ms() - progress->began_ms;

	if (ms < QUIET_MS)
		return;
	describe(progress, ms, &line);
	/* Not into the last column, which would wrap. Printable text is a byte a column. */
	fprintf(stderr, "\r%.*s\033[K", (int)columns() - 1, line.data);
	(void)fflush(stderr);
	progress->is_shown = true;
}

static void arm(struct progress *progress, uint64_t after_ms);

static void on_due(struct loop_timer *timer)
{
	struct progress *progress = container_of(timer, struct progress, timer);

	draw(progress);
	arm(progress, REDRAW_MS);
}

static void arm(struct progress *progress, uint64_t after_ms)
{
	/* Without a timer the line is only less lively. */
	(void)loop_timer_start(progress->loop, &progress->timer, after_ms, on_due, NULL);
}

void progress_begin(struct progress *progress, const char *label)
{
	if (!progress)
		return;
	progress_end(progress);
	progress->label = xstrdup(label);
	progress->began_ms = time_boot_ms();
	progress->bytes = progress->files = progress->total_bytes = 0;
	arm(progress, QUIET_MS);
}

void progress_update(
	struct progress *progress, uint64_t bytes, uint64_t files, uint64_t total_bytes)
{
	if (!progress)
		return;
	progress->bytes = bytes;
	progress->files = files;
	progress->total_bytes = total_bytes;
}

void progress_end(struct progress *progress)
{
	if (!progress)
		return;
	progress_hide(progress);
	loop_timer_stop(&progress->timer);
	free(progress->label);
	progress->label = NULL;
}
