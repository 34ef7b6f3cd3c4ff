/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { INPUT_BYTES = 128 * 1024, OUTPUT_BYTES = 128 * 1024, WINDOW_BYTES = 1024 * 1024 };

struct stream_gzip {
	z_stream z;
	bool inside; /* a member has begun and not ended */
	bool ended;  /* of the file */
	unsigned char input[INPUT_BYTES];
	unsigned char output[OUTPUT_BYTES];
};

static bool starts_with(const unsigned char *head, size_t n, const char *magic, size_t n_magic)
{
	return n >= n_magic && memcmp(head, magic, n_magic) == 0;
}

static enum stream_format recognise(const unsigned char *head, size_t n)
{
	if (starts_with(head, n, "\x1f\x8b\x08", 3))
		return STREAM_GZIP;
	if (starts_with(head, n, "\x28\xb5\x2f\xfd", 4))
		return STREAM_ZSTD;
	/* A skippable frame, which pzstd and others put first. */
	if (n >= 4 && (head[0] & 0xf0) == 0x50 && memcmp(head + 1, "\x2a\x4d\x18", 3) == 0)
		return STREAM_ZSTD;
	if (starts_with(head, n,
		    "\xfd"
		    "7zXZ",
		    6))
		return STREAM_XZ;
	return STREAM_PLAIN;
}

static int open_gzip(struct stream *stream, struct error *err)
{
	stream->gzip = calloc(1, sizeof(*stream->gzip));
	if (!stream->gzip)
		return error_set(err, -ENOMEM, "cannot read the archive: %m");
	/* 16: a gzip header and trailer, whose checksum and length are compared. */
	if (inflateInit2(&stream->gzip->z, 15 + 16) != Z_OK)
		return error_set(err, -ENOMEM, "cannot read the archive: %m");
	return 0;
}

static int filter_error(struct archive *filter, struct error *err)
{
	const char *text = archive_error_string(filter);

	return error_set(err, archive_errno(filter) == ENOMEM ? -ENOMEM : -EBADMSG,
		"cannot be decompressed, it is damaged or incomplete (%s)",
		text ? text : "no reason known");
}

static int open_filter(struct stream *stream, struct error *err)
{
	int r;

	stream->filter = archive_read_new();
	if (!stream->filter)
		return error_set(err, -ENOMEM, "cannot read the archive: %m");
	r = stream->format == STREAM_XZ ? archive_read_support_filter_xz(stream->filter)
					: archive_read_support_filter_zstd(stream->filter);
	/* A warning would mean that an outside program does the work. */
	if (r != ARCHIVE_OK)
		return error_set(err, -EOPNOTSUPP,
			"cannot be read: libarchive on this host knows no %s",
			stream->format == STREAM_XZ ? "xz" : "zstd");
	if (archive_read_support_format_raw(stream->filter) != ARCHIVE_OK ||
		archive_read_open_fd(stream->filter, stream->fd, INPUT_BYTES) != ARCHIVE_OK ||
		archive_read_next_header(stream->filter, &stream->content) != ARCHIVE_OK)
		return filter_error(stream->filter, err);
	return 0;
}

int stream_open(struct stream *stream, int fd, struct error *err)
{
	unsigned char head[8];
	struct stat st;
	ssize_t n = pread(fd, head, sizeof(head), 0);

	*stream = (struct stream){ .fd = fd };
	if (n < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot be read: %m");
	if (n == 0)
		return error_set(err, -EBADMSG, "is empty");
	stream->file_bytes = (uint64_t)st.st_size;
	stream->format = recognise(head, (size_t)n);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* advice, no more */
	switch (stream->format) {
	case STREAM_PLAIN:
		return 0;
	case STREAM_GZIP:
		return open_gzip(stream, err);
	case STREAM_ZSTD:
	case STREAM_XZ:
		return open_filter(stream, err);
	}
	return 0;
}

static void unmap(struct stream *stream)
{
	if (stream->window)
		(void)munmap(stream->window, stream->window_bytes); /* fails only for a bug */
	stream->window = NULL;
}

void stream_done(struct stream *stream)
{
	unmap(stream);
	free(stream->block);
	if (stream->gzip) {
		(void)inflateEnd(&stream->gzip->z); /* fails only for what was never begun */
		free(stream->gzip);
	}
	if (stream->filter)
		(void)archive_read_free(stream->filter); /* all was read, or it failed */
	*stream = (struct stream){ .fd = -1 };
}

static ssize_t read_some(int fd, void *ret, size_t n, struct error *err)
{
	ssize_t r;

	do
		r = read(fd, ret, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? error_set(err, -errno, "cannot be read: %m") : r;
}

static ssize_t read_block(struct stream *stream, const void **ret, struct error *err)
{
	ssize_t n;

	if (!stream->block)
		stream->block = xmalloc(INPUT_BYTES);
	n = read_some(stream->fd, stream->block, INPUT_BYTES, err);
	if (n > 0)
		stream->read_bytes += (uint64_t)n;
	*ret = stream->block;
	return n;
}

/* Mapped, what is copied into the bundle is copied once, and not into a buffer before. */
static ssize_t read_plain(struct stream *stream, const void **ret, struct error *err)
{
	uint64_t left = stream->file_bytes - stream->read_bytes;
	size_t n = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;

	unmap(stream);
	if (stream->block)
		return read_block(stream, ret, err);
	if (n == 0)
		return 0;
	stream->window = mmap(NULL, n, PROT_READ, MAP_SHARED | MAP_POPULATE, stream->fd,
		(off_t)stream->read_bytes);
	if (stream->window == MAP_FAILED) {
		stream->window = NULL;
		if (lseek(stream->fd, (off_t)stream->read_bytes, SEEK_SET) < 0)
			return error_set(err, -errno, "cannot be read: %m");
		return read_block(stream, ret, err);
	}
	stream->window_bytes = n;
	stream->read_bytes += n;
	*ret = stream->window;
	return (ssize_t)n;
}

static int refill(struct stream *stream, struct error *err)
{
	struct stream_gzip *gzip = stream->gzip;
	ssize_t n = read_some(stream->fd, gzip->input, sizeof(gzip->input), err);

	if (n < 0)
		return (int)n;
	gzip->ended = n == 0;
	gzip->z.next_in = gzip->input;
	gzip->z.avail_in = (unsigned)n;
	stream->read_bytes += (uint64_t)n;
	return 0;
}

/*
 * At the end of a member another one may follow; anything else after it is padding, which the
 * format allows as zeros and gzip(1) ignores with a warning.
 */
static int next_member(struct stream_gzip *gzip, struct error *err)
{
	if (gzip->z.avail_in == 0 || gzip->z.next_in[0] != 0x1f) {
		gzip->ended = true;
		return 0;
	}
	if (inflateReset(&gzip->z) != Z_OK)
		return error_set(err, -EIO, "cannot be decompressed");
	gzip->inside = true;
	return 0;
}

static int inflate_more(struct stream *stream, struct error *err)
{
	struct stream_gzip *gzip = stream->gzip;
	int r = 0;
	int z;

	if (gzip->z.avail_in == 0 && !gzip->ended)
		r = refill(stream, err);
	if (r < 0)
		return r;
	if (gzip->ended && gzip->inside)
		return error_set(err, -EBADMSG, "is cut off in the middle of its gzip data");
	if (!gzip->inside)
		r = next_member(gzip, err);
	if (r < 0 || gzip->ended)
		return r;
	z = inflate(&gzip->z, Z_NO_FLUSH);
	if (z == Z_STREAM_END)
		gzip->inside = false;
	else if (z != Z_OK && z != Z_BUF_ERROR)
		return error_set(err, z == Z_MEM_ERROR ? -ENOMEM : -EBADMSG,
			"cannot be decompressed, its gzip data is damaged (%s)",
			gzip->z.msg ? gzip->z.msg : "no reason known");
	return 0;
}

static ssize_t read_gzip(struct stream *stream, const void **ret, struct error *err)
{
	struct stream_gzip *gzip = stream->gzip;

	gzip->z.next_out = gzip->output;
	gzip->z.avail_out = sizeof(gzip->output);
	while (gzip->z.avail_out > 0 && !gzip->ended) {
		int r = inflate_more(stream, err);

		if (r < 0)
			return r;
	}
	*ret = gzip->output;
	return (ssize_t)(sizeof(gzip->output) - gzip->z.avail_out);
}

static ssize_t read_filter(struct stream *stream, const void **ret, struct error *err)
{
	size_t n = 0;
	la_int64_t offset;
	int r;

	do
		r = archive_read_data_block(stream->filter, ret, &n, &offset);
	while (r == ARCHIVE_OK && n == 0);
	stream->read_bytes = (uint64_t)archive_filter_bytes(stream->filter, -1);
	if (r == ARCHIVE_EOF)
		return 0;
	return r == ARCHIVE_OK ? (ssize_t)n : filter_error(stream->filter, err);
}

ssize_t stream_read(struct stream *stream, const void **ret, struct error *err)
{
	switch (stream->format) {
	case STREAM_PLAIN:
		return read_plain(stream, ret, err);
	case STREAM_GZIP:
		return read_gzip(stream, ret, err);
	case STREAM_ZSTD:
	case STREAM_XZ:
		break;
	}
	return read_filter(stream, ret, err);
}
