/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "hooks/runner/note.h"

static void write_heading(int fd)
{
	time_t now = time(NULL);
	char line[96];
	struct tm tm;
	size_t n;

	(void)localtime_r(&now, &tm);
	n = strftime(line, sizeof(line),
		"# Logfile created on %Y-%m-%d %H:%M:%S %z by drover-hook\n", &tm);
	(void)file_write_all(fd, line, n); /* the first entry will find out as well */
}

static int open_regular(const char *path, int flags)
{
	int fd = open(path,
		flags | O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		0644);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EINVAL;
	}
	return fd;
}

static int open_or_create(const char *path, bool *ret_created)
{
	int fd = open_regular(path, 0);

	*ret_created = false;
	if (fd != -ENOENT)
		return fd;
	fd = open_regular(path, O_CREAT | O_EXCL);
	*ret_created = fd >= 0;
	return fd == -EEXIST ? open_regular(path, 0) : fd;
}

static int reopen(struct log_file *log)
{
	bool created;
	int fd = open_or_create(log->path, &created);

	if (fd == -ENOENT) {
		cleanup_with(freep) char *parent = xstrndup(
			log->path, (size_t)(path_base(log->path) - log->path));
		int r = file_make_dirs(AT_FDCWD, parent, 0755, NULL);

		fd = r < 0 ? r : open_or_create(log->path, &created);
	}
	if (fd < 0)
		return fd;
	if (created && log->with_heading)
		write_heading(fd);
	closep(&log->fd);
	log->fd = fd;
	return 0;
}

/* A power cut may have left half a line, to which the next entry must not be glued. */
static bool ends_in_half_a_line(int fd)
{
	struct stat st;
	char last;

	return fstat(fd, &st) == 0 && st.st_size > 0 &&
	       pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

static void lose(struct log_file *log, int error, size_t n)
{
	if (log->error == 0)
		log->error = error;
	log->lost_bytes += n;
}

void log_file_open(struct log_file *log, const char *path, bool with_heading)
{
	int r;

	*log = (struct log_file){
		.path = path,
		.with_heading = with_heading,
		.limit_bytes = LOG_FILE_LIMIT_BYTES,
		.fd = -1,
	};
	if (!path)
		return;
	r = reopen(log);
	if (r < 0)
		lose(log, -r, 0);
	else
		log->torn = ends_in_half_a_line(log->fd);
}

void log_file_done(struct log_file *log)
{
	closep(&log->fd);
	log->fd = -1;
}

static bool is_still_ours(const struct log_file *log, const struct stat *own)
{
	struct stat st;

	return lstat(log->path, &st) == 0 && st.st_dev == own->st_dev &&
	       st.st_ino == own->st_ino;
}

static void shift_names(const char *path)
{
	for (int i = LOG_FILE_KEPT - 1; i >= 0; i--) {
		cleanup_with(freep) char *to = xasprintf("%s.%d", path, i);
		cleanup_with(freep) char *from = i > 0 ? xasprintf("%s.%d", path, i - 1)
						       : xstrdup(path);

		(void)rename(from, to); /* there may be fewer yet */
	}
}

/*
 * Several runners may find the log full at once. Who holds the lock of the file that still
 * bears the name moves it away; the others find the name gone to a new file and follow.
 */
static void rotate_if_full(struct log_file *log)
{
	struct stat st;

	if (fstat(log->fd, &st) < 0 || (uint64_t)st.st_size < log->limit_bytes)
		return;
	if (flock(log->fd, LOCK_EX) < 0)
		return;
	if (is_still_ours(log, &st))
		shift_names(log->path);
	/* The old descriptor's end releases the lock. If there is no new file, go on in the
	 * old one: that is better than losing the output. */
	if (reopen(log) < 0)
		(void)flock(log->fd, LOCK_UN);
}

void log_file_write(struct log_file *log, const char *data, size_t n)
{
	ssize_t written;

	if (!log->path || n == 0)
		return;
	if (log->fd < 0) {
		lose(log, log->error, n);
		return;
	}
	rotate_if_full(log);
	if (log->torn) {
		if (write(log->fd, "\n", 1) != 1) {
			lose(log, errno, n);
			return;
		}
		log->torn = false;
	}
	while (n > 0) {
		written = write(log->fd, data, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			lose(log, written < 0 ? errno : EIO, n);
			return;
		}
		log->torn = data[written - 1] != '\n';
		data += written;
		n -= (size_t)written;
	}
}

void log_file_note(const struct log_file *log, struct buf *notes)
{
	if (log->error == 0)
		return;
	if (log->fd < 0)
		note(notes, "cannot open the log %s: %s", log->path, strerror(log->error));
	else
		note(notes, "%" PRIu64 " bytes of output are missing in %s: %s",
			log->lost_bytes, log->path, strerror(log->error));
}
