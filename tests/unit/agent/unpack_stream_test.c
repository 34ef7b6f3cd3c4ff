/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/stream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "unit.h"

static void read_all(int fd, struct buf *ret)
{
	struct error err = ERROR_NONE;
	struct stream stream;
	const void *data;
	ssize_t n;

	ck_assert_int_eq(stream_open(&stream, fd, &err), 0);
	while ((n = stream_read(&stream, &data, &err)) > 0)
		buf_append(ret, data, (size_t)n);
	ck_assert_int_eq(n, 0);
	ck_assert_uint_eq(stream.read_bytes, ret->len);
	stream_done(&stream);
}

START_TEST(a_plain_file_comes_whole_and_in_order)
{
	cleanup_with(buf_done) struct buf data = { 0 };
	cleanup_with(buf_done) struct buf copy = { 0 };
	cleanup_with(closep) int fd = -1;

	while (data.len < 2500000)
		buf_printf(&data, "%zu,", data.len);
	ck_assert_int_eq(
		file_write_atomic(test_dir_fd(), "a", data.data, data.len, 0600, NULL), 0);
	fd = openat(test_dir_fd(), "a", O_RDONLY | O_CLOEXEC);
	read_all(fd, &copy);
	ck_assert_uint_eq(copy.len, data.len);
	ck_assert_ptr_nonnull(copy.data);
	ck_assert_int_eq(memcmp(copy.data, data.data, data.len), 0);
}
END_TEST

/* Such as files of sysfs. */
START_TEST(a_file_that_cannot_be_mapped_is_read)
{
	cleanup_with(buf_done) struct buf data = { 0 };
	cleanup_with(buf_done) struct buf copy = { 0 };
	cleanup_with(closep) int fd = open("/sys/kernel/notes", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return; /* a root without sysfs */
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(
		file_read(AT_FDCWD, "/sys/kernel/notes", (size_t)st.st_size, &data, NULL), 0);
	read_all(fd, &copy);
	ck_assert_uint_eq(copy.len, data.len);
	ck_assert_ptr_nonnull(copy.data);
	ck_assert_int_eq(memcmp(copy.data, data.data, data.len), 0);
}
END_TEST

TESTS("unpack_stream", a_plain_file_comes_whole_and_in_order,
	a_file_that_cannot_be_mapped_is_read)
