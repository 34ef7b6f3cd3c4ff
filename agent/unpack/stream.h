/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive;
struct error;

/*
 * The bytes of an archive file with at most one compression taken off, which is recognised by
 * its first bytes: none, gzip (by zlib, for libarchive does not compare gzip's checksums), zstd
 * or xz.
 */
enum stream_format { STREAM_PLAIN, STREAM_GZIP, STREAM_ZSTD, STREAM_XZ };

struct stream {
	int fd; /* borrowed */
	enum stream_format format;
	uint64_t file_bytes; /* size of the file */
	uint64_t read_bytes; /* of it, so far */
	void *window;        /* STREAM_PLAIN: the part of the file that is mapped */
	size_t window_bytes;
	char *block;                   /* the same, where the file system maps no files */
	struct stream_gzip *gzip;      /* STREAM_GZIP */
	struct archive *filter;        /* STREAM_ZSTD, STREAM_XZ */
	struct archive_entry *content; /* of filter */
};

#define STREAM_CUT_OFF "was cut off by somebody while it was read"

int stream_open(struct stream *stream, int fd, struct error *err);
void stream_done(struct stream *stream);

/*
 * The next run of bytes, valid until the next call; 0 at the end, which is reached only if all
 * checksums fit and nothing is missing.
 *
 * They may be the file itself, mapped: a file that is cut off meanwhile then ends in SIGBUS
 * where they are read, and in EFAULT where they are given to the kernel.
 */
ssize_t stream_read(struct stream *stream, const void **ret, struct error *err);
