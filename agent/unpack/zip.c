/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/zip.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum {
	END_BYTES = 22,
	END64_BYTES = 56,
	LOCATOR_BYTES = 20,
	CENTRAL_BYTES = 46,
	LOCAL_BYTES = 30,
	COMMENT_MAX = 65535,
	NAME_AND_EXTRA_MAX = 2 * 65535,
	BLOCK_BYTES = 64 * 1024,
	UNICODE_PATH = 0x7075,
	MADE_ON_UNIX = 3,
	MADE_ON_DARWIN = 19,
};

static uint16_t le16(const unsigned char *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t le32(const unsigned char *at)
{
	return (uint32_t)le16(at) | (uint32_t)le16(at + 2) << 16;
}

static uint64_t le64(const unsigned char *at)
{
	return (uint64_t)le32(at) | (uint64_t)le32(at + 4) << 32;
}

static bool read_at(int fd, uint64_t offset, void *ret, size_t n)
{
	return offset <= INT64_MAX && pread(fd, ret, n, (off_t)offset) == (ssize_t)n;
}

/* The last record in the last 64 KiB, and where it stands. */
static bool find_end(int fd, uint64_t size, unsigned char ret[END_BYTES], uint64_t *ret_offset)
{
	cleanup_with(freep) unsigned char *tail = xmalloc(COMMENT_MAX + END_BYTES);
	size_t n = size < COMMENT_MAX + END_BYTES ? (size_t)size : COMMENT_MAX + END_BYTES;

	if (n < END_BYTES || !read_at(fd, size - n, tail, n))
		return false;
	for (size_t at = n - END_BYTES + 1; at-- > 0;) {
		if (memcmp(tail + at, "PK\5\6", 4) != 0)
			continue;
		memcpy(ret, tail + at, END_BYTES);
		*ret_offset = size - n + at;
		return true;
	}
	return false;
}

/* Number of entries and offset of the central directory, by the zip64 record if there is one.
 */
static void read_totals(int fd, const unsigned char *end, uint64_t end_offset, uint64_t *ret_n,
	uint64_t *ret_offset)
{
	unsigned char locator[LOCATOR_BYTES];
	unsigned char end64[END64_BYTES];

	*ret_n = le16(end + 10);
	*ret_offset = le32(end + 16);
	if (end_offset < LOCATOR_BYTES ||
		!read_at(fd, end_offset - LOCATOR_BYTES, locator, sizeof(locator)) ||
		memcmp(locator, "PK\6\7", 4) != 0 ||
		!read_at(fd, le64(locator + 8), end64, sizeof(end64)) ||
		memcmp(end64, "PK\6\6", 4) != 0)
		return;
	*ret_n = le64(end64 + 32);
	*ret_offset = le64(end64 + 48);
}

static bool has_backslash(int fd, uint64_t from, uint64_t end)
{
	cleanup_with(freep) unsigned char *block = xmalloc(BLOCK_BYTES);

	while (from < end) {
		size_t n = end - from < BLOCK_BYTES ? (size_t)(end - from) : BLOCK_BYTES;

		if (!read_at(fd, from, block, n))
			return false;
		if (memchr(block, '\\', n))
			return true;
		from += n;
	}
	return false;
}

bool zip_read_end(int fd, struct zip_end *ret)
{
	unsigned char central[CENTRAL_BYTES];
	unsigned char end[END_BYTES];
	uint64_t end_offset;
	uint64_t offset;
	struct stat st;

	if (fstat(fd, &st) < 0 || !find_end(fd, (uint64_t)st.st_size, end, &end_offset))
		return false;
	read_totals(fd, end, end_offset, &ret->n_entries, &offset);
	ret->unix_modes = read_at(fd, offset, central, sizeof(central)) &&
			  memcmp(central, "PK\1\2", 4) == 0 &&
			  (central[5] == MADE_ON_UNIX || central[5] == MADE_ON_DARWIN);
	ret->backslashes = has_backslash(fd, offset, end_offset);
	return true;
}

static bool take_name(char *ret, size_t size, const unsigned char *name, size_t n)
{
	if (n == 0 || n >= size || memchr(name, '\0', n))
		return false;
	memcpy(ret, name, n);
	ret[n] = '\0';
	return true;
}

/* The UTF-8 name of an extra field that was made for just this name. */
static bool take_unicode_name(char *ret, size_t size, const unsigned char *name, size_t n_name,
	const unsigned char *extra, size_t n_extra)
{
	while (n_extra >= 4) {
		size_t n = le16(extra + 2);

		if (n > n_extra - 4)
			return false;
		if (le16(extra) == UNICODE_PATH && n > 5 && extra[4] == 1 &&
			le32(extra + 5) == crc32(0, name, (unsigned)n_name))
			return take_name(ret, size, extra + 9, n - 5);
		extra += 4 + n;
		n_extra -= 4 + n;
	}
	return false;
}

bool zip_raw_name(int fd, uint64_t data_offset, char *ret, size_t size)
{
	size_t n = data_offset < LOCAL_BYTES + NAME_AND_EXTRA_MAX
			   ? (size_t)data_offset
			   : LOCAL_BYTES + NAME_AND_EXTRA_MAX;
	cleanup_with(freep) unsigned char *before = xmalloc(n + 1);

	if (n < LOCAL_BYTES || !read_at(fd, data_offset - n, before, n))
		return false;
	/* Backwards to a header whose lengths end just where the data begins. */
	for (size_t at = n - LOCAL_BYTES + 1; at-- > 0;) {
		const unsigned char *local = before + at;
		size_t n_name, n_extra;

		if (memcmp(local, "PK\3\4", 4) != 0)
			continue;
		n_name = le16(local + 26);
		n_extra = le16(local + 28);
		if (at + LOCAL_BYTES + n_name + n_extra != n)
			continue;
		local += LOCAL_BYTES;
		return take_unicode_name(ret, size, local, n_name, local + n_name, n_extra) ||
		       take_name(ret, size, local, n_name);
	}
	return false;
}
