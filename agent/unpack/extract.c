/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/extract.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/unpack/entry.h"
#include "agent/unpack/extended.h"
#include "agent/unpack/message.h"
#include "agent/unpack/reader.h"
#include "agent/unpack/tree.h"
#include "agent/unpack/stream.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"

enum {
	PROGRESS_MS = 100,
	WARNINGS_MAX = 100,
	WRITEBACK_BYTES = 8 * 1024 * 1024,
};

/* Below this a bundle may be as dense as it likes: a page of zeros is no bomb. */
static const uint64_t ratio_free_bytes = 64ULL << 20;

struct extract {
	const struct extract_request *request;
	struct reader reader;
	struct tree tree;
	struct archive_entry *entry;
	char path[ENTRY_PATH_MAX + 1]; /* of entry */
	uint64_t entries;
	uint64_t bytes;
	uint64_t told_ms;
	unsigned n_warnings;
	char *first_through_root; /* the first link that passes through the root */
};

static char *printable(const char *name)
{
	struct buf text = { 0 };

	entry_append_printable(&text, name);
	return buf_steal(&text);
}

/* Turns "is a fifo" into "entry 'x' is a fifo". */
static int blame(const char *name, int r, const char *reason, struct error *err)
{
	cleanup_with(freep) char *text = printable(name);

	return error_set(err, r, "entry '%s' %s", text, reason);
}

static int blame_inner(const char *name, const struct error *inner, struct error *err)
{
	return blame(name, inner->code, inner->text, err);
}

static void warn(struct extract *x, const char *text)
{
	cleanup_with(freep) char *name = NULL;
	cleanup_with(freep) char *line = NULL;

	if (x->n_warnings++ >= WARNINGS_MAX)
		return;
	name = printable(x->path);
	line = xasprintf("entry '%s' %s", name, text);
	(void)message_send_warning(x->request->control_fd, line); /* the result will fail too */
}

static void summarise_warnings(struct extract *x)
{
	cleanup_with(freep) char *line = NULL;

	if (x->n_warnings <= WARNINGS_MAX)
		return;
	line = xasprintf("%u more warnings about entries", x->n_warnings - WARNINGS_MAX);
	(void)message_send_warning(x->request->control_fd, line);
}

static void tell(struct extract *x, bool last)
{
	uint64_t now_ms = time_boot_ms();
	struct message_progress progress = {
		.entries = x->entries,
		.bytes = x->bytes,
		.read_bytes = reader_read_bytes(&x->reader),
		.total_bytes = x->reader.stream.file_bytes,
	};

	if (!last && now_ms - x->told_ms < PROGRESS_MS)
		return;
	x->told_ms = now_ms;
	(void)message_send_progress(x->request->control_fd, &progress);
}

/* Before `n` more bytes are written or left out as a hole. */
static int count_bytes(struct extract *x, uint64_t n, struct error *err)
{
	uint64_t packed = x->reader.stream.file_bytes;

	if (n > x->request->max_bytes - x->bytes)
		return error_set(err, -EFBIG,
			"brings the bundle over %" PRIu64 " bytes, the most allowed",
			x->request->max_bytes);
	x->bytes += n;
	if (x->bytes > ratio_free_bytes && x->bytes / x->request->max_ratio > packed)
		return error_set(err, -EFBIG,
			"brings the bundle over %u times the size of its archive, the most "
			"allowed",
			x->request->max_ratio);
	return 0;
}

static int write_at(int fd, const char *data, size_t n, uint64_t offset, struct error *err)
{
	while (n > 0) {
		ssize_t written = pwrite(fd, data, n, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EFAULT)
			return error_set(
				err, -EIO, "cannot be read: the archive " STREAM_CUT_OFF);
		if (written < 0)
			return error_set(err, -errno, "cannot be written: %m");
		data += written;
		offset += (uint64_t)written;
		n -= (size_t)written;
	}
	return 0;
}

/* Large files start on their way to the disk at once: the sync at the end waits less. */
static void write_back(int fd, uint64_t *started, uint64_t end)
{
	if (end - *started < WRITEBACK_BYTES)
		return;
	(void)sync_file_range(fd, (off_t)*started, (off_t)(end - *started),
		SYNC_FILE_RANGE_WRITE); /* a hint; the sync reports what fails */
	*started = end;
}

static int copy_content(struct extract *x, int fd, struct error *err)
{
	uint64_t size = 0, started = 0, offset;
	const void *block;
	size_t n;
	int r;

	while ((r = reader_block(&x->reader, &block, &n, &offset, err)) > 0) {
		if (n == 0)
			continue;
		if (offset < size)
			return error_set(err, -EBADMSG, "has content in a wrong order");
		r = count_bytes(x, offset - size + n, err);
		if (r == 0)
			r = write_at(fd, block, n, offset, err);
		if (r < 0)
			return r;
		size = offset + n;
		write_back(fd, &started, size);
		tell(x, false);
	}
	if (r < 0)
		return r;
	offset = (uint64_t)archive_entry_size(x->entry);
	if (!archive_entry_size_is_set(x->entry) || offset <= size)
		return 0;
	/* Ends in a hole. */
	r = count_bytes(x, offset - size, err);
	if (r == 0 && ftruncate(fd, (off_t)offset) < 0)
		return error_set(err, -errno, "cannot be written: %m");
	return r;
}

static int apply_extended(struct extract *x, int fd, struct error *err)
{
	cleanup_with(buf_done) struct buf dropped = { 0 };
	cleanup_with(freep) char *text = NULL;
	int r = extended_apply(fd, x->entry, &dropped, err);

	if (dropped.len > 0) {
		text = xasprintf(
			"loses attributes that a bundle cannot bring: %s", dropped.data);
		warn(x, text);
	}
	return r;
}

static int make_file(
	struct extract *x, const struct tree_attributes *attributes, struct error *err)
{
	cleanup_with(closep) int fd = -1;
	int64_t size = archive_entry_size(x->entry);
	int r;

	/* What is too large is refused before it fills the disk. */
	if (size < 0)
		return error_set(err, -EBADMSG, "has a negative size");
	if ((uint64_t)size > x->request->max_bytes - x->bytes)
		return count_bytes(x, (uint64_t)size, err);
	fd = tree_create_file(&x->tree, x->path, attributes->mode, err);
	if (fd < 0)
		return fd;
	r = copy_content(x, fd, err);
	if (r == 0 && extended_is_there(x->entry))
		r = apply_extended(x, fd, err);
	if (r == 0)
		r = tree_finish_file(fd, attributes, err);
	return r;
}

static int make_dir(
	struct extract *x, const struct tree_attributes *attributes, struct error *err)
{
	bool extended = extended_is_there(x->entry);
	cleanup_with(buf_done) struct buf acl = { 0 };
	cleanup_with(closep) int fd = -1;
	int r;

	if (extended)
		extended_default_acl(&acl, x->entry);
	r = tree_make_dir(
		&x->tree, x->path, attributes, acl.data, acl.len, extended ? &fd : NULL, err);
	if (r == 0 && extended)
		r = apply_extended(x, fd, err);
	return r;
}

static int make_link(
	struct extract *x, const struct tree_attributes *attributes, struct error *err)
{
	const char *target = archive_entry_symlink(x->entry);
	struct entry_link link;
	const char *reason;

	reason = entry_link_judge(&link, x->path, target ? target : "");
	if (reason)
		return error_set(err, -EPERM, "%s", reason);
	if (link.visits_root && !x->first_through_root)
		x->first_through_root = xstrdup(x->path);
	return tree_make_link(&x->tree, x->path, target, attributes, link.needs_look, err);
}

static int make_hardlink(struct extract *x, const char *target, struct error *err)
{
	char path[ENTRY_PATH_MAX + 1];
	const char *reason = entry_path_normalise(path, target);
	cleanup_with(freep) char *name = NULL;

	if (!reason && path[0])
		return tree_make_hardlink(&x->tree, x->path, path, err);
	name = printable(target);
	return error_set(err, -EPERM, "is a hard link to '%s', which %s", name,
		reason ? reason : "is the bundle's root");
}

static void read_attributes(struct extract *x, struct tree_attributes *ret)
{
	mode_t mode = archive_entry_perm(x->entry);
	long nanoseconds = archive_entry_mtime_nsec(x->entry);

	*ret = (struct tree_attributes){ .mode = mode & 01777 };
	if ((mode & 06000) && archive_entry_filetype(x->entry) != AE_IFLNK)
		warn(x, mode & 04000 ? "loses its setuid bit; ask for such a mode in the "
				       "appspec's permissions"
				     : "loses its setgid bit; ask for such a mode in the "
				       "appspec's permissions");
	/* libarchive's own guess, without the group's right to write. */
	if (x->reader.is_zip && x->reader.modes_are_made_up)
		ret->mode &= ~022U;
	if (archive_entry_mtime_is_set(x->entry) && nanoseconds >= 0 &&
		nanoseconds < 1000000000) {
		ret->has_mtime = true;
		ret->mtime.tv_sec = archive_entry_mtime(x->entry);
		ret->mtime.tv_nsec = nanoseconds;
	}
}

/* Those of a zip belong to root: the numbers in it are of another machine. */
static int read_owner(struct extract *x, struct tree_attributes *ret, struct error *err)
{
	int64_t uid = archive_entry_uid(x->entry);
	int64_t gid = archive_entry_gid(x->entry);

	if (x->reader.is_zip)
		return 0;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return error_set(err, -EINVAL, "has a user or group number out of range");
	ret->uid = (uid_t)uid;
	ret->gid = (gid_t)gid;
	return 0;
}

static int refuse_kind(mode_t type, struct error *err)
{
	const char *kind = type == AE_IFCHR || type == AE_IFBLK ? "a device"
			   : type == AE_IFIFO                   ? "a fifo"
			   : type == AE_IFSOCK                  ? "a socket"
								: "of an unknown kind";

	return error_set(err, -EPERM, "is %s", kind);
}

static int make_entry(struct extract *x, struct error *err)
{
	const char *hardlink = archive_entry_hardlink(x->entry);
	struct tree_attributes attributes;
	int r;

	if (archive_entry_is_encrypted(x->entry))
		return error_set(err, -EPERM, "is encrypted");
	if (hardlink)
		return make_hardlink(x, hardlink, err);
	read_attributes(x, &attributes);
	r = read_owner(x, &attributes, err);
	if (r < 0)
		return r;
	switch (archive_entry_filetype(x->entry)) {
	case AE_IFREG:
		return make_file(x, &attributes, err);
	case AE_IFDIR:
		return make_dir(x, &attributes, err);
	case AE_IFLNK:
		return make_link(x, &attributes, err);
	default:
		return refuse_kind(archive_entry_filetype(x->entry), err);
	}
}

static int take_entry(
	struct extract *x, const char *name, const char *warning, struct error *err)
{
	const char *reason = entry_path_normalise(x->path, name);
	struct error inner = ERROR_NONE;

	if (reason)
		return blame(name, -EPERM, reason, err);
	if (x->entries++ >= x->request->max_entries) {
		(void)error_set(&inner, -EFBIG,
			"is one more than %" PRIu64 " entries, the most allowed",
			x->request->max_entries);
		return blame_inner(name, &inner, err);
	}
	if (warning) {
		cleanup_with(freep) char *text = xasprintf(
			"may not be what it was (%s)", warning);

		warn(x, text);
	}
	if (x->path[0] == '\0') {
		if (archive_entry_filetype(x->entry) != AE_IFDIR)
			return blame(name, -EPERM, "would replace the bundle's root", err);
		return 0;
	}
	if (make_entry(x, &inner) < 0)
		return blame_inner(name, &inner, err);
	tell(x, false);
	return 0;
}

static int take_all(struct extract *x, struct error *err)
{
	const char *warning;
	const char *name;
	int r;

	while ((r = reader_next(&x->reader, &x->entry, &name, &warning, err)) > 0) {
		r = take_entry(x, name, warning, err);
		if (r < 0)
			return r;
	}
	if (r < 0 && x->path[0]) {
		cleanup_with(freep) char *last = printable(x->path);
		const struct error inner = *err;

		return error_set(err, r, "%s, after entry '%s'", inner.text, last);
	}
	return r;
}

static int finish(struct extract *x, bool *ret_wrapped, struct error *err)
{
	cleanup_with(freep) char *wrapper = NULL;
	struct error inner = ERROR_NONE;
	const char *path;
	int r = tree_find_wrapper(&x->tree, &wrapper, err);

	if (r < 0)
		return r;
	if (wrapper && x->first_through_root)
		return blame(x->first_through_root, -EPERM,
			"is a link that points outside the bundle once the directory around "
			"everything is taken off",
			err);
	if (tree_finish(&x->tree, wrapper ? wrapper : "", &path, &inner) < 0)
		return blame_inner(path, &inner, err);
	*ret_wrapped = wrapper;
	return 0;
}

static void done(struct extract *x)
{
	tree_done(&x->tree);
	reader_done(&x->reader);
	free(x->first_through_root);
}

int extract(const struct extract_request *request, bool *ret_wrapped, struct error *err)
{
	cleanup_with(freep) struct extract *x = xcalloc(1, sizeof(*x));
	int r;

	x->request = request;
	tree_init(&x->tree, request->directory_fd);
	r = reader_open(&x->reader, request->archive_fd, err);
	if (r == 0)
		r = take_all(x, err);
	summarise_warnings(x);
	if (r == 0)
		r = finish(x, ret_wrapped, err);
	if (r == 0)
		tell(x, true);
	done(x);
	return r;
}
