/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an archive: it is read to its end or to its first mistake, and what it says
 * about its entries is judged. Nothing is unpacked.
 */
#include <archive_entry.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/unpack/entry.h"
#include "agent/unpack/extended.h"
#include "agent/unpack/reader.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* More would only teach the engine how to be slow. */
enum { ENTRIES = 1000, CONTENT_BYTES = 4 << 20 };

static int file_of(const uint8_t *data, size_t n)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(file_write_all(fd, data, n) == 0);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static int read_content(struct reader *reader, size_t *total, struct error *err)
{
	const void *block;
	uint64_t offset;
	size_t n = 0;
	int r;

	while ((r = reader_block(reader, &block, &n, &offset, err)) > 0) {
		assert(n == 0 || block);
		*total += n;
		if (*total > CONTENT_BYTES)
			return -1;
	}
	return r;
}

static void judge(struct archive_entry *entry, const char *name)
{
	char path[ENTRY_PATH_MAX + 1];
	const char *target = archive_entry_symlink(entry);
	struct buf acl = { 0 };
	struct entry_link link;

	if (!entry_path_normalise(path, name) && path[0] && target)
		(void)entry_link_judge(&link, path, target);
	if (extended_is_there(entry))
		extended_default_acl(&acl, entry);
	buf_done(&acl);
}

static void read_all(struct reader *reader)
{
	struct error err = ERROR_NONE;
	struct archive_entry *entry;
	const char *warning = NULL;
	const char *name = NULL;
	size_t total = 0;
	int r = 1;

	for (size_t i = 0; i < ENTRIES && r > 0; i++) {
		r = reader_next(reader, &entry, &name, &warning, &err);
		if (r <= 0)
			break;
		judge(entry, name);
		if (read_content(reader, &total, &err) < 0)
			r = -1;
	}
	assert(r >= 0 || total > CONTENT_BYTES || err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct reader *reader = malloc(sizeof(*reader));
	struct error err = ERROR_NONE;
	int fd = file_of(data, n);

	assert(reader);
	if (reader_open(reader, fd, &err) == 0)
		read_all(reader);
	else
		assert(err.code < 0 && err.text[0]);
	reader_done(reader);
	free(reader);
	assert(close(fd) == 0);
	return 0;
}
