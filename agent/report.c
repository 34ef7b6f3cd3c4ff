/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/printable.h"
#include "agent/progress.h"
#include "agent/report_json.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/size.h"
#include "base/time.h"

enum { LOG_LINES = 12 };

static void print(const struct report *report, FILE *stream, const struct buf *text)
{
	progress_hide(report->progress);
	(void)fwrite(text->data, 1, text->len, stream);
	(void)fflush(stream); /* a reader that went away is no reason to stop */
}

static void append_duration(struct buf *text, uint64_t ms)
{
	char duration[32];

	time_format_duration(ms, duration, sizeof(duration));
	buf_puts(text, duration);
}

static void print_started(const struct report *report)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	if (report->quiet)
		return;
	buf_printf(&text, "%s ", report->id);
	printable_append(&text, report->location);
	buf_puts(&text, " -> ");
	printable_append(&text, report->label);
	buf_puts(&text, ", by ");
	printable_append(&text, report->user);
	buf_putc(&text, '\n');
	print(report, stdout, &text);
}

static void print_finding(const struct report *report, const struct deployment_notice *notice)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	if (report->quiet && notice->severity != SEVERITY_ERROR)
		return;
	printable_append(&text, notice->text);
	buf_putc(&text, '\n');
	print(report, stderr, &text);
}

/* "  AfterInstall        scripts/start.sh  ok  0.2 s" */
static void print_step(const struct report *report, const struct deployment_notice *notice)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	if (report->quiet)
		return;
	buf_printf(&text, "  %-18s  ", notice->event);
	if (notice->script) {
		printable_append(&text, notice->script);
		buf_puts(&text, "  ");
	}
	if (notice->bundle_of)
		buf_printf(&text, "(of %s)  ", notice->bundle_of);
	buf_puts(&text, notice->failed ? "FAILED  " : "ok  ");
	append_duration(&text, notice->duration_ms);
	if (!notice->script && notice->text && !notice->failed)
		buf_printf(&text, "  %s", notice->text);
	buf_putc(&text, '\n');
	print(report, stdout, &text);
}

/* The last lines of the log without the marks of events and scripts, which are said anyway. */
static const char *last_lines(const char *log)
{
	size_t n = strlen(log);
	int lines = 0;

	if (n > 0 && log[n - 1] == '\n')
		n--;
	while (n > 0 && lines < LOG_LINES) {
		n--;
		if (log[n] == '\n')
			lines++;
	}
	return lines == LOG_LINES ? log + n + 1 : log;
}

static void print_failure(const struct report *report, const struct deployment_result *result)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	buf_printf(&text, "%s FAILED", report->id);
	if (result->event)
		buf_printf(&text, "  %s", result->event);
	if (result->script && !strstr(result->message, result->script)) {
		buf_putc(&text, ' ');
		printable_append(&text, result->script);
	}
	buf_puts(&text, ": ");
	printable_append(&text, result->message);
	buf_putc(&text, '\n');
	if (result->log)
		printable_append_lines(&text, "       ", last_lines(result->log));
	print(report, stderr, &text);
}

static void print_refusal(const struct report *report, const struct deployment_result *result)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	buf_printf(&text, "%s: ", program_invocation_short_name);
	printable_append(&text, result->message);
	buf_puts(&text, "; nothing was changed\n");
	print(report, stderr, &text);
}

static void print_success(const struct report *report, const struct deployment_result *result)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	if (report->quiet)
		return;
	buf_printf(&text, "%s Succeeded in ", report->id);
	append_duration(&text, result->duration_ms);
	buf_puts(&text, ": ");
	printable_append(&text, report->label);
	buf_puts(&text, " runs ");
	printable_append(&text, report->location);
	buf_putc(&text, '\n');
	print(report, stdout, &text);
}

static void print_ended(const struct report *report, const struct deployment_result *result)
{
	switch (result->outcome) {
	case DEPLOYMENT_SUCCEEDED:
		print_success(report, result);
		break;
	case DEPLOYMENT_REFUSED:
		print_refusal(report, result);
		break;
	case DEPLOYMENT_FAILED:
	case DEPLOYMENT_CANCELLED:
		print_failure(report, result);
		break;
	}
}

static void print_notice(const struct report *report, const struct deployment_notice *notice)
{
	switch (notice->kind) {
	case NOTICE_STARTED:
		print_started(report);
		break;
	case NOTICE_FINDING:
		print_finding(report, notice);
		break;
	case NOTICE_SCRIPT_ENDED:
		print_step(report, notice);
		break;
	case NOTICE_EVENT_ENDED:
		/* What has scripts has said so already. */
		if (notice->text || notice->is_own)
			print_step(report, notice);
		break;
	case NOTICE_ENDED:
		print_ended(report, notice->result);
		break;
	case NOTICE_PROGRESS:
	case NOTICE_EVENT_STARTED:
	case NOTICE_SCRIPT_STARTED:
		break;
	}
}

static void follow_progress(const struct report *report, const struct deployment_notice *notice)
{
	cleanup_with(freep) char *label = NULL;

	switch (notice->kind) {
	case NOTICE_PROGRESS:
		progress_update(
			report->progress, notice->bytes, notice->files, notice->total_bytes);
		break;
	case NOTICE_EVENT_STARTED:
		progress_begin(report->progress, notice->event);
		break;
	case NOTICE_SCRIPT_STARTED:
		label = xasprintf("%s %s", notice->event, notice->script);
		progress_begin(report->progress, label);
		break;
	case NOTICE_STARTED:
	case NOTICE_SCRIPT_ENDED:
	case NOTICE_EVENT_ENDED:
	case NOTICE_ENDED:
		progress_end(report->progress);
		break;
	case NOTICE_FINDING:
		break;
	}
}

/* On a terminal the report itself is what is read; the journal gets one line a fact. */
static void log_notice_of(const struct report *report, const struct deployment_notice *notice)
{
	enum log_level level = log_is_journal() ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;
	const struct deployment_result *result = notice->result;

	switch (notice->kind) {
	case NOTICE_STARTED:
		log_message(level, "deployment %s of %s to %s began, by %s", report->id,
			report->location, report->label, report->user);
		break;
	case NOTICE_EVENT_STARTED:
		log_set_field("LIFECYCLE_EVENT", notice->event);
		break;
	case NOTICE_SCRIPT_ENDED:
		log_info("%s %s: %s", notice->event, notice->script, notice->text);
		break;
	case NOTICE_FINDING:
		if (log_is_journal())
			log_warning("%s", notice->text);
		break;
	case NOTICE_ENDED:
		if (result->outcome == DEPLOYMENT_SUCCEEDED)
			log_message(level, "deployment %s succeeded", report->id);
		else if (log_is_journal())
			log_error("deployment %s failed: %s", report->id, result->message);
		log_set_field("LIFECYCLE_EVENT", NULL);
		break;
	case NOTICE_PROGRESS:
	case NOTICE_SCRIPT_STARTED:
	case NOTICE_EVENT_ENDED:
		break;
	}
}

void report_notice(struct report *report, const struct deployment_notice *notice)
{
	log_notice_of(report, notice);
	if (report->json) {
		report_json_notice(report, notice);
		return;
	}
	follow_progress(report, notice);
	print_notice(report, notice);
}

void report_note(const struct report *report, const char *format, ...)
{
	cleanup_with(freep) char *sentence = NULL;
	cleanup_with(buf_done) struct buf text = { 0 };
	va_list ap;

	va_start(ap, format);
	sentence = xvasprintf(format, ap);
	va_end(ap);
	if (report->json) {
		report_json_note(sentence);
		return;
	}
	if (report->quiet)
		return;
	printable_append(&text, sentence);
	buf_putc(&text, '\n');
	print(report, stdout, &text);
}
