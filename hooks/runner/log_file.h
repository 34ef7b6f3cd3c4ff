/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/*
 * A log that several processes append to and that never fills the disk: at 64 MiB it becomes
 * "<name>.0", the one before "<name>.1", up to ".6". A failure to write is no failure of
 * what is logged: it is counted and told by log_file_note().
 */
struct log_file {
	const char *path;     /* borrowed */
	bool with_heading;    /* a new file starts with "# Logfile created on ..." */
	uint64_t limit_bytes; /* 64 MiB; tests set less */
	int fd;               /* -1: not open */
	bool torn;            /* the last write stopped in the middle of a line */
	int error;            /* the first failure, as errno */
	uint64_t lost_bytes;
};

enum { LOG_FILE_LIMIT_BYTES = 64 * 1024 * 1024, LOG_FILE_KEPT = 7 };

/* Opens for appending, making missing directories. A NULL path logs nowhere. */
void log_file_open(struct log_file *log, const char *path, bool with_heading);
void log_file_done(struct log_file *log);

/* Appends whole lines. */
void log_file_write(struct log_file *log, const char *data, size_t n);

/* Adds what went wrong to the notes, if anything did. */
void log_file_note(const struct log_file *log, struct buf *notes);
