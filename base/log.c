/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { MAX_FIELDS = 8 };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static enum log_level maximum = LOG_LEVEL_NOTICE;
static bool to_journal;
static bool marks_level;
static struct {
	const char *name;
	char *text; /* NAME=value */
} fields[MAX_FIELDS];

/* systemd names the device and inode of the stream it gave us (systemd.exec(5),
 * JOURNAL_STREAM). */
static bool stderr_is_the_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(stream, own) == 0;
}

void log_open(void)
{
	const char *name = getenv("DROVER_LOG");

	to_journal = stderr_is_the_journal();
	if (name && log_set_level(name) < 0)
		log_warning("DROVER_LOG=%s is not a level; one of error, warning, notice, "
			    "info, debug",
			name);
}

void log_open_stream(void)
{
	log_open();
	marks_level = to_journal;
	to_journal = false;
}

bool log_is_journal(void)
{
	return to_journal;
}

/* 0 if there is none of that name. */
static enum log_level find_level(const char *name)
{
	for (size_t i = LOG_LEVEL_ERROR; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(level_names[i], name) == 0)
			return (enum log_level)i;
	return 0;
}

bool log_is_level(const char *name)
{
	return find_level(name) != 0;
}

int log_set_level(const char *name)
{
	enum log_level level = find_level(name);

	if (level == 0)
		return -EINVAL;
	maximum = level;
	return 0;
}

void log_configure_level(const char *name)
{
	if (!getenv("DROVER_LOG"))
		(void)log_set_level(name);
}

const char *log_level_name(void)
{
	return level_names[maximum];
}

void log_set_field(const char *name, const char *value)
{
	size_t free_slot = MAX_FIELDS;

	for (size_t i = 0; i < MAX_FIELDS; i++) {
		if (fields[i].name && strcmp(fields[i].name, name) == 0) {
			free(fields[i].text);
			fields[i].name = NULL;
			fields[i].text = NULL;
		}
		if (!fields[i].name && free_slot == MAX_FIELDS)
			free_slot = i;
	}
	if (!value || free_slot == MAX_FIELDS)
		return;
	fields[free_slot].name = name;
	fields[free_slot].text = xasprintf("%s=%s", name, value);
}

static void send_to_journal(enum log_level level, const char *text)
{
	cleanup_with(freep) char *message = xasprintf("MESSAGE=%s", text);
	struct iovec iov[MAX_FIELDS + 2];
	char priority[16];
	int n = 0;

	(void)snprintf(priority, sizeof(priority), "PRIORITY=%d", (int)level);
	iov[n++] = (struct iovec){ message, strlen(message) };
	iov[n++] = (struct iovec){ priority, strlen(priority) };
	for (size_t i = 0; i < MAX_FIELDS; i++)
		if (fields[i].name)
			iov[n++] = (struct iovec){ fields[i].text, strlen(fields[i].text) };
	(void)sd_journal_sendv(iov, n); /* no journal, nobody to tell */
}

void log_message(enum log_level level, const char *format, ...)
{
	cleanup_with(freep) char *text = NULL;
	int saved = errno;
	va_list ap;

	if (level > maximum)
		return;
	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);

	if (to_journal)
		send_to_journal(level, text);
	else if (marks_level)
		fprintf(stderr, "<%d>%s\n", (int)level, text);
	else if (level <= LOG_LEVEL_WARNING)
		fprintf(stderr, "%s: %s\n", level_names[level], text);
	else
		fprintf(stderr, "%s\n", text);
	errno = saved;
}
