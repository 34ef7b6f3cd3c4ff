/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the process that fills a bundle's directory says to the one that started it, over a
 * pipe: a header, then `length` bytes. Both ends are of one build on one machine, so numbers
 * are in the machine's own order; the reader trusts nothing else about the writer, which has
 * been reading a stranger's archive.
 */
enum message_type {
	MESSAGE_PROGRESS = 1, /* struct message_progress */
	MESSAGE_WARNING,      /* text */
	MESSAGE_RESULT        /* struct message_result, then text if r is not 0; the last one */
};

enum { MESSAGE_MAX = 1200 }; /* bytes after the header; under PIPE_BUF with it */

struct message_header {
	uint32_t type;
	uint32_t length;
};

enum { MESSAGE_BYTES_MAX = sizeof(struct message_header) + MESSAGE_MAX };

struct message_progress {
	uint64_t entries;
	uint64_t bytes;
	uint64_t read_bytes;
	uint64_t total_bytes;
};

struct message_result {
	int32_t r;        /* 0 or a negative errno */
	uint32_t wrapped; /* 1: the root's only entry is a directory to be taken off */
};

/* One message found in a buffer; `text` is its text with a NUL, made printable. */
struct message {
	enum message_type type;
	struct message_progress progress;
	struct message_result result;
	char text[MESSAGE_MAX + 1];
};

/*
 * Takes the first message from n bytes. Returns how many bytes it took, 0 if it is not whole
 * yet, or -EBADMSG if this is nothing that an honest writer sends.
 */
int message_parse(struct message *ret, const char *data, size_t n);

/* Write one message; a reader that is gone is reported as -EPIPE (SIGPIPE is the caller's to
 * ignore). Text that is too long is cut. */
int message_send_progress(int fd, const struct message_progress *progress);
int message_send_warning(int fd, const char *text);
int message_send_result(int fd, int r, bool wrapped, const char *text);

/* What message_send_result() writes, for a signal handler to write. Returns its length. */
size_t message_format_result(
	char ret[static MESSAGE_BYTES_MAX], int r, bool wrapped, const char *text);
