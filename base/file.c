/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { COPY_BLOCK_BYTES = 128 * 1024 };

int file_read_fd(int fd, const char *name, size_t limit, struct buf *ret, struct error *err)
{
	struct stat st;
	char block[16384];
	size_t total = 0;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot look at %s: %m", name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "%s is not a regular file", name);

	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -errno, "cannot read %s: %m", name);
		total += (size_t)n;
		if (total > limit)
			return error_set(err, -EFBIG,
				"%s is larger than %zu bytes, the most allowed", name, limit);
		buf_append(ret, block, (size_t)n);
	}
	buf_append(ret, "", 0);
	return 0;
}

int file_read(int dirfd, const char *path, size_t limit, struct buf *ret, struct error *err)
{
	cleanup_with(closep) int fd = -1;

	/* Non-blocking, so that a fifo planted in place of a file cannot hold us. */
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	return file_read_fd(fd, path, limit, ret, err);
}

int file_write_all(int fd, const void *data, size_t n)
{
	const char *bytes = data;

	while (n > 0) {
		ssize_t written = write(fd, bytes, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		n -= (size_t)written;
	}
	return 0;
}

int file_sync_dir(int dirfd, const char *path)
{
	cleanup_with(closep) int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int write_temporary(int dirfd, const char *path, const void *data, size_t n, mode_t mode)
{
	cleanup_with(closep) int fd = -1;
	int r;

	if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0 || fchmod(fd, mode) < 0)
		return -errno;
	r = file_write_all(fd, data, n);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int file_write_atomic(
	int dirfd, const char *path, const void *data, size_t n, mode_t mode, struct error *err)
{
	cleanup_with(freep) char *directory = NULL;
	cleanup_with(freep) char *temporary = NULL;
	const char *base = path_base(path);
	int r;

	directory = base == path ? xstrdup(".") : xstrndup(path, (size_t)(base - path));
	temporary = xasprintf("%.*s.%s.tmp", (int)(base - path), path, base);

	r = write_temporary(dirfd, temporary, data, n, mode);
	if (r < 0)
		goto failed;
	if (renameat(dirfd, temporary, dirfd, path) < 0) {
		r = -errno;
		goto failed;
	}
	r = file_sync_dir(dirfd, directory);
	if (r < 0)
		return error_set(err, r, "cannot sync the directory of %s: %m", path);
	return 0;

failed:
	(void)unlinkat(dirfd, temporary, 0); /* the write's failure is the one to report */
	return error_set(err, r, "cannot write %s: %m", path);
}

static int make_dir(int dirfd, const char *path, mode_t mode)
{
	struct stat st;

	if (mkdirat(dirfd, path, mode) == 0)
		return fchmodat(dirfd, path, mode, 0) < 0 ? -errno : 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(dirfd, path, &st, 0) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int file_make_dirs(int dirfd, const char *path, mode_t mode, struct error *err)
{
	cleanup_with(freep) char *copy = xstrdup(path);
	struct stat st;
	char *slash = copy;
	int r;

	if (fstatat(dirfd, path, &st, 0) == 0 && S_ISDIR(st.st_mode))
		return 0;
	while ((slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		r = make_dir(dirfd, copy, mode);
		if (r < 0)
			return error_set(err, r, "cannot make directory %s: %m", copy);
		*slash = '/';
	}
	r = make_dir(dirfd, copy, mode);
	if (r < 0)
		return error_set(err, r, "cannot make directory %s: %m", copy);
	return 0;
}

/*
 * Removal of a tree. Descriptors are few and trees may be deep, so below MAX_OPEN_LEVELS a
 * directory is first moved up into the root of the tree, where a later pass finds it.
 */
enum { MAX_OPEN_LEVELS = 32 };

struct removal {
	int top_fd;
	dev_t device;
	unsigned n_moved;
	int first_failure;
	char first_name[256]; /* what it was met at */
};

static int remove_content(struct removal *removal, int fd, unsigned level);

static void note_failure(struct removal *removal, int r, const char *name)
{
	if (removal->first_failure != 0)
		return;
	removal->first_failure = r;
	(void)snprintf(removal->first_name, sizeof(removal->first_name), "%s", name);
}

/* Not through a mount point, be it one of a directory on the same file system. */
static int open_for_removal(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

static int move_up(struct removal *removal, int dirfd, const char *name)
{
	char moved[64];
	int r;

	do {
		(void)snprintf(moved, sizeof(moved), ".moved-up-%u", removal->n_moved++);
		r = renameat2(dirfd, name, removal->top_fd, moved, RENAME_NOREPLACE);
	} while (r < 0 && errno == EEXIST);
	return r < 0 ? -errno : 0;
}

static int remove_directory(
	struct removal *removal, int dirfd, const char *name, unsigned level)
{
	cleanup_with(closep) int fd = -1;
	struct stat st;
	int r;

	if (level >= MAX_OPEN_LEVELS)
		return move_up(removal, dirfd, name);
	fd = open_for_removal(dirfd, name);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != removal->device)
		return -EXDEV;
	r = remove_content(removal, take_fd(&fd), level + 1);
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

/* Takes fd over. Failures of entries are noted and the rest is removed all the same. */
static int remove_content(struct removal *removal, int fd, unsigned level)
{
	cleanup_with(closep) int owned = fd;
	cleanup_with(closedirp) DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int refused;
	int r = 0;

	if (!dir)
		return -errno;
	(void)take_fd(&owned);

	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		refused = -errno;
		r = refused == -EISDIR || refused == -EPERM
			    ? remove_directory(removal, fd, entry->d_name, level)
			    : refused;
		if (r < 0)
			note_failure(removal, r == -ENOTDIR ? refused : r, entry->d_name);
	}
	return errno ? -errno : 0;
}

static int remove_top(struct removal *removal, int dirfd, const char *name)
{
	unsigned moved_before;
	int r;

	do {
		moved_before = removal->n_moved;
		removal->first_failure = 0;
		r = fcntl(removal->top_fd, F_DUPFD_CLOEXEC, 3);
		if (r < 0)
			return -errno;
		(void)lseek(r, 0, SEEK_SET); /* the duplicate shares its position */
		r = remove_content(removal, r, 1);
	} while (r == 0 && removal->n_moved > moved_before);

	if (removal->first_failure < 0)
		return removal->first_failure;
	if (r < 0)
		return r;
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int file_remove_tree(int dirfd, const char *name, struct error *err)
{
	cleanup_with(closep) int fd = -1;
	struct removal removal = { 0 };
	struct stat st;
	int r;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_set(err, -errno, "cannot remove %s: %m", name);
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot remove %s: %m", name);
	removal.top_fd = fd;
	removal.device = st.st_dev;
	r = remove_top(&removal, dirfd, name);
	if (r < 0 && removal.first_failure)
		return error_set(
			err, r, "cannot remove %s in %s: %m", removal.first_name, name);
	return r < 0 ? error_set(err, r, "cannot remove %s: %m", name) : 0;
}

int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	/* EAGAIN: a rename elsewhere on the system raced with a ".."; the kernel asks to be
	 * asked again. */
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

static int copy_by_hand(int from, int to, off_t size)
{
	cleanup_with(freep) char *block = xmalloc(COPY_BLOCK_BYTES);

	while (size > 0) {
		ssize_t n = read(
			from, block, size < COPY_BLOCK_BYTES ? (size_t)size : COPY_BLOCK_BYTES);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO; /* it shrank under us */
		r = file_write_all(to, block, (size_t)n);
		if (r < 0)
			return r;
		size -= n;
	}
	return 0;
}

int file_copy_data(int from, int to, off_t size, bool *may_reflink)
{
	if (size > 0 && *may_reflink) {
		if (ioctl(to, FICLONE, from) == 0)
			return 0;
		/* Others, such as EINVAL and ETXTBSY, are about these two files. */
		if (errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY)
			*may_reflink = false;
	}
	/* Small files: one read and one write cost less than the kernel's splice. */
	if (size <= COPY_BLOCK_BYTES)
		return copy_by_hand(from, to, size);
	while (size > 0) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 &&
			(errno == ENOSPC || errno == EIO || errno == EDQUOT || errno == EFBIG))
			return -errno;
		if (n <= 0)
			return copy_by_hand(
				from, to, size); /* not between these two; go on from here */
		size -= n;
	}
	return 0;
}

bool file_exists(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

char *path_normalise(const char *base, const char *path)
{
	cleanup_with(freep) char *joined = path[0] == '/' ? xstrdup(path)
							  : xasprintf("%s/%s", base, path);
	cleanup_with(buf_done) struct buf result = { 0 };
	char *rest = joined;
	char *part;

	while ((part = strsep(&rest, "/"))) {
		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		buf_putc(&result, '/');
		buf_puts(&result, part);
	}
	if (result.len == 0)
		buf_putc(&result, '/');
	return buf_steal(&result);
}

bool path_is_below(const char *path, const char *parent)
{
	size_t n = strlen(parent);

	if (n == 1 && parent[0] == '/')
		return path[0] == '/';
	return strncmp(path, parent, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

bool path_has_dotdot(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, ".."))) {
		if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/'))
			return true;
		at += 2;
	}
	return false;
}

char *path_join(const char *directory, const char *name)
{
	size_t n = strlen(directory);

	while (n > 0 && directory[n - 1] == '/')
		n--;
	while (name[0] == '/')
		name++;
	return xasprintf("%.*s/%s", (int)n, directory, name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
