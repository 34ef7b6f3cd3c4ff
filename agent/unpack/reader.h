/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/unpack/stream.h"
#include "base/error.h"

struct archive;
struct archive_entry;

/*
 * The entries of an archive, one after the other, by libarchive: zip by its central directory,
 * or tar in any of its dialects, from a file that may be compressed. No program is ever called
 * to help. Errors read on from "the archive": "is empty", "cannot be read: ...".
 */
struct reader {
	struct stream stream;
	struct archive *archive;
	struct error stream_err; /* why a read callback failed */
	uint64_t n_entries;
	bool is_zip;
	bool modes_are_made_up; /* a zip that was not made on Unix */
	bool names_are_changed; /* libarchive takes backslashes for slashes, even on Unix */
	char raw_name[65536];   /* a zip entry's name that libarchive would not tell */
};

/* What libarchive needs of the system later is fetched here: to be called before the process
 * is confined. Reads nothing of the archive. */
void reader_prepare(void);

int reader_open(struct reader *reader, int fd, struct error *err);
void reader_done(struct reader *reader);

/*
 * Goes on to the next entry: 1, or 0 at an end that is a proper one. *ret_warning is NULL or
 * what libarchive has to say about the entry.
 */
int reader_next(struct reader *reader, struct archive_entry **ret, const char **ret_name,
	const char **ret_warning, struct error *err);

/* The next run of the entry's content and where it belongs: 1, or 0 after the last. */
int reader_block(struct reader *reader, const void **ret, size_t *ret_n, uint64_t *ret_offset,
	struct error *err);

uint64_t reader_read_bytes(const struct reader *reader);
