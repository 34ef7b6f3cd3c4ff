/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/unpack/message.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"

enum {
	PROGRESS_MS = 100,
	DEPTH_MAX = 256, /* each level holds two descriptors */
	ATTRIBUTES_MAX = 65536,
};

struct copy {
	int control_fd;
	bool as_root;
	bool may_reflink;
	struct message_progress progress;
	uint64_t told_ms;
	struct buf path; /* of what is being copied, below the root, for messages */
	char names[ATTRIBUTES_MAX];
	char value[ATTRIBUTES_MAX];
};

static int fail(const struct copy *copy, const char *what, struct error *err)
{
	return error_set(err, -errno, "cannot %s %s: %m", what, copy->path.data);
}

static void tell(struct copy *copy, bool last)
{
	uint64_t now_ms = time_boot_ms();

	if (!last && now_ms - copy->told_ms < PROGRESS_MS)
		return;
	copy->told_ms = now_ms;
	(void)message_send_progress(copy->control_fd, &copy->progress);
}

static mode_t kept_mode(struct copy *copy, const struct stat *st)
{
	cleanup_with(freep) char *text = NULL;

	if (st->st_mode & 06000) {
		text = xasprintf("%s loses its %s bit; ask for such a mode in the appspec's "
				 "permissions",
			copy->path.data, st->st_mode & 04000 ? "setuid" : "setgid");
		(void)message_send_warning(copy->control_fd, text); /* the result fails too */
	}
	return st->st_mode & 01777;
}

/* Those that belong to the file rather than to its system: labels and capabilities stay. */
static bool is_kept(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

static int copy_attribute(
	struct copy *copy, int from, int to, const char *name, struct error *err)
{
	ssize_t n = fgetxattr(from, name, copy->value, sizeof(copy->value));

	if (n < 0)
		return fail(copy, "read the attributes of", err);
	if (fsetxattr(to, name, copy->value, (size_t)n, 0) < 0 && errno != EOPNOTSUPP)
		return fail(copy, "set the attributes of the copy of", err);
	return 0;
}

static int copy_attributes(struct copy *copy, int from, int to, struct error *err)
{
	ssize_t n = flistxattr(from, copy->names, sizeof(copy->names));
	int r = 0;

	if (n < 0 && errno != EOPNOTSUPP)
		return fail(copy, "list the attributes of", err);
	for (const char *name = copy->names; r == 0 && name < copy->names + n;
		name += strlen(name) + 1)
		if (is_kept(name))
			r = copy_attribute(copy, from, to, name, err);
	return r;
}

static int finish(struct copy *copy, int from, int to, const struct stat *st, struct error *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	int r;

	if (copy->as_root && (st->st_uid != 0 || st->st_gid != 0) &&
		fchown(to, st->st_uid, st->st_gid) < 0)
		return fail(copy, "set the owner of the copy of", err);
	r = copy_attributes(copy, from, to, err);
	if (r < 0)
		return r;
	if (futimens(to, times) < 0)
		return fail(copy, "set the time of the copy of", err);
	return 0;
}

static int copy_file(
	struct copy *copy, int from_dir, int to_dir, const char *name, struct error *err)
{
	/* Non-blocking: it may have become a fifo since it was looked at. */
	cleanup_with(closep) int from = openat(
		from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	cleanup_with(closep) int to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return fail(copy, "open", err);
	if (!S_ISREG(st.st_mode))
		return error_set(
			err, -EBUSY, "%s changed while it was copied", copy->path.data);
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		kept_mode(copy, &st));
	if (to < 0)
		return fail(copy, "make the copy of", err);
	r = file_copy_data(from, to, st.st_size, &copy->may_reflink);
	if (r < 0)
		return error_set(err, r, "cannot copy %s: %m", copy->path.data);
	copy->progress.bytes += (uint64_t)st.st_size;
	return finish(copy, from, to, &st, err);
}

static int copy_link(struct copy *copy, int from_dir, int to_dir, const char *name,
	const struct stat *st, struct error *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st->st_mtim };
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail(copy, "read the link", err);
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
		(copy->as_root && fchownat(to_dir, name, st->st_uid, st->st_gid,
					  AT_SYMLINK_NOFOLLOW) < 0) ||
		utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(copy, "make the copy of", err);
	return 0;
}

static int copy_content(
	struct copy *copy, int from_fd, int to_fd, unsigned depth, struct error *err);

static int copy_directory(struct copy *copy, int from_dir, int to_dir, const char *name,
	unsigned depth, struct error *err)
{
	cleanup_with(closep) int from = openat(
		from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_with(closep) int to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return fail(copy, "open", err);
	if (depth >= DEPTH_MAX)
		return error_set(err, -ELOOP, "%s lies more than %d directories deep",
			copy->path.data, DEPTH_MAX);
	if (mkdirat(to_dir, name, 0700) < 0)
		return fail(copy, "make the copy of", err);
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return fail(copy, "make the copy of", err);
	r = copy_content(copy, from, to, depth + 1, err);
	if (r < 0)
		return r;
	if (fchmod(to, kept_mode(copy, &st)) < 0)
		return fail(copy, "set the mode of the copy of", err);
	return finish(copy, from, to, &st, err);
}

static int copy_entry(struct copy *copy, int from_fd, int to_fd, const char *name,
	unsigned depth, struct error *err)
{
	struct stat st;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(copy, "look at", err);
	copy->progress.entries++;
	tell(copy, false);
	if (S_ISREG(st.st_mode))
		return copy_file(copy, from_fd, to_fd, name, err);
	if (S_ISDIR(st.st_mode))
		return copy_directory(copy, from_fd, to_fd, name, depth, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(copy, from_fd, to_fd, name, &st, err);
	return error_set(err, -EPERM,
		"%s is a fifo, socket or device, which a bundle cannot hold", copy->path.data);
}

static int copy_content(
	struct copy *copy, int from_fd, int to_fd, unsigned depth, struct error *err)
{
	cleanup_with(closep) int listing = openat(
		from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = listing < 0 ? NULL : fdopendir(listing);
	size_t length = copy->path.len;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return fail(copy, "list", err);
	(void)take_fd(&listing);
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (length > 0)
			buf_putc(&copy->path, '/');
		buf_puts(&copy->path, entry->d_name);
		r = copy_entry(copy, from_fd, to_fd, entry->d_name, depth, err);
		copy->path.len = length;
		copy->path.data[length] = '\0';
		errno = 0;
	}
	if (r == 0 && errno != 0)
		return fail(copy, "list", err);
	return r;
}

int bundle_copy(int from_fd, int to_fd, int control_fd, struct error *err)
{
	cleanup_with(freep) struct copy *copy = xcalloc(1, sizeof(*copy));
	int r;

	copy->control_fd = control_fd;
	copy->as_root = geteuid() == 0;
	copy->may_reflink = true;
	buf_puts(&copy->path, "");
	(void)umask(0);
	r = copy_content(copy, from_fd, to_fd, 0, err);
	if (r == 0)
		tell(copy, true);
	buf_done(&copy->path);
	return r;
}
