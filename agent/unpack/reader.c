/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/unpack/zip.h"

enum { BLOCK_BYTES = 128 * 1024 };

void reader_prepare(void)
{
	iconv_t converter;

	/*
	 * Names are bytes: in the C locale libarchive hands out those of tar as they are (and
	 * normalises none of them). It still asks for a converter, and times of zip entries
	 * for the local zone: let the C library read its own files now, not those that an
	 * archive puts in their place below our new root.
	 */
	converter = iconv_open("ANSI_X3.4-1968", "UTF-8");
	if (converter != (iconv_t)-1)
		(void)iconv_close(converter);
	tzset();
}

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "cannot be read: %m");
}

static int archive_failure(struct reader *reader, struct error *err)
{
	const char *text = archive_error_string(reader->archive);

	if (reader->stream_err.code < 0) {
		*err = reader->stream_err;
		return err->code;
	}
	if (archive_errno(reader->archive) == ENOMEM)
		return out_of_memory(err);
	return error_set(err, -EBADMSG, "is damaged or incomplete (%s)",
		text ? text : "no reason known");
}

static int failure_at_start(struct reader *reader, struct error *err)
{
	const char *text = archive_error_string(reader->archive);

	if (reader->stream_err.code == 0 && text &&
		strcmp(text, "Unrecognized archive format") == 0)
		return error_set(err, -EBADMSG,
			"is not a zip, tar, tgz, tar.zst or tar.xz file, or is damaged at its "
			"start or (a zip) cut off at its end");
	return archive_failure(reader, err);
}

static la_ssize_t on_read(struct archive *archive, void *userdata, const void **ret)
{
	struct reader *reader = userdata;
	ssize_t n = stream_read(&reader->stream, ret, &reader->stream_err);

	if (n >= 0)
		return n;
	archive_set_error(archive, (int)-n, "%s", reader->stream_err.text);
	return ARCHIVE_FATAL;
}

static int open_zip(struct reader *reader, const struct zip_end *end, struct error *err)
{
	reader->is_zip = true;
	reader->modes_are_made_up = !end->unix_modes;
	reader->names_are_changed = end->unix_modes && end->backslashes;
	if (end->n_entries == 0)
		return error_set(err, -EBADMSG, "has no entries");
	/* Only by the central directory: what stands in front of a cut is not the bundle. */
	if (archive_read_support_format_zip_seekable(reader->archive) != ARCHIVE_OK ||
		archive_read_open_fd(reader->archive, reader->stream.fd, BLOCK_BYTES) !=
			ARCHIVE_OK)
		return failure_at_start(reader, err);
	return 0;
}

static int open_tar(struct reader *reader, struct error *err)
{
	int r = archive_read_support_format_tar(reader->archive);

	if (r == ARCHIVE_OK)
		r = archive_read_open2(reader->archive, reader, NULL, on_read, NULL, NULL);
	return r == ARCHIVE_OK ? 0 : failure_at_start(reader, err);
}

/* A tar may well end with a zip, but a zip never begins with a header of tar. */
static bool is_tar(int fd)
{
	unsigned char block[512];
	char checksum[9] = { 0 };
	unsigned long sum = 0;

	if (pread(fd, block, sizeof(block), 0) != (ssize_t)sizeof(block))
		return false;
	memcpy(checksum, block + 148, 8);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += block[i];
	return strtoul(checksum, NULL, 8) == sum;
}

int reader_open(struct reader *reader, int fd, struct error *err)
{
	struct zip_end end = { 0 };
	int r;

	memset(reader, 0, sizeof(*reader));
	r = stream_open(&reader->stream, fd, err);
	if (r < 0)
		return r;
	reader->archive = archive_read_new();
	if (!reader->archive)
		return out_of_memory(err);
	if (reader->stream.format == STREAM_PLAIN && !is_tar(fd) && zip_read_end(fd, &end))
		return open_zip(reader, &end, err);
	return open_tar(reader, err);
}

void reader_done(struct reader *reader)
{
	if (reader->archive)
		(void)archive_read_free(reader->archive); /* nothing of it is of use any more */
	reader->archive = NULL;
	stream_done(&reader->stream);
}

/* After tar's end comes padding; it must be whole, for the compression's checksum is behind. */
static int drain(struct reader *reader, struct error *err)
{
	const void *block;
	ssize_t n = 1;

	if (reader->stream.format == STREAM_PLAIN)
		return 0;
	while (n > 0)
		n = stream_read(&reader->stream, &block, err);
	return (int)n;
}

static int end(struct reader *reader, struct error *err)
{
	if (reader->n_entries == 0)
		return error_set(err, -EBADMSG, "has no entries");
	if (reader->is_zip)
		return 0;
	/* Where a header was looked for there were no zeros, but the end. */
	if (archive_filter_bytes(reader->archive, 0) <=
		archive_read_header_position(reader->archive))
		return error_set(err, -EBADMSG,
			"is incomplete: tar's end mark is missing after its last entry");
	return drain(reader, err);
}

/* Conversions of names that we do not use, or read ourselves. */
static bool is_about_conversion(const char *text)
{
	return strstr(text, "can't be converted") || strstr(text, "cannot be converted");
}

static const char *find_name(struct reader *reader, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	if (!reader->is_zip || (name && !reader->names_are_changed))
		return name;
	if (zip_raw_name(reader->stream.fd, (uint64_t)archive_filter_bytes(reader->archive, 0),
		    reader->raw_name, sizeof(reader->raw_name)))
		return reader->raw_name;
	return name;
}

int reader_next(struct reader *reader, struct archive_entry **ret, const char **ret_name,
	const char **ret_warning, struct error *err)
{
	int r = archive_read_next_header(reader->archive, ret);
	const char *text = r == ARCHIVE_WARN ? archive_error_string(reader->archive) : NULL;

	if (r == ARCHIVE_EOF)
		return end(reader, err);
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return failure_at_start(reader, err);
	reader->n_entries++;
	*ret_warning = text && !is_about_conversion(text) ? text : NULL;
	/* Its two directories disagree. */
	if (*ret_warning && reader->is_zip)
		return archive_failure(reader, err);
	*ret_name = find_name(reader, *ret);
	if (!*ret_name)
		return error_set(err, -EBADMSG, "has an entry without a name");
	return 1;
}

int reader_block(struct reader *reader, const void **ret, size_t *ret_n, uint64_t *ret_offset,
	struct error *err)
{
	la_int64_t offset = 0;
	int r = archive_read_data_block(reader->archive, ret, ret_n, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK || offset < 0)
		return archive_failure(reader, err);
	*ret_offset = (uint64_t)offset;
	return 1;
}

uint64_t reader_read_bytes(const struct reader *reader)
{
	if (reader->stream.format != STREAM_PLAIN)
		return reader->stream.read_bytes;
	return (uint64_t)archive_filter_bytes(reader->archive, -1);
}
