/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/switch.h"
#include "agent/switch_internal.h"
#include "agent/xattr.h"
#include "base/error.h"

/* What is right already is not touched: a directory that nobody may change is no obstacle. */
static int set_time(int fd, const struct metadata *to)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = to->mtime_s, .tv_nsec = to->mtime_ns } };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_mtim.tv_sec == to->mtime_s && st.st_mtim.tv_nsec == to->mtime_ns)
		return 0;
	return futimens(fd, times) < 0 ? -errno : 0;
}

static int set_metadata(int fd, const struct metadata *from, const struct metadata *to)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_uid != to->uid || st.st_gid != to->gid) && fchown(fd, to->uid, to->gid) < 0)
		return -errno;
	r = xattrs_change(fd, from->xattrs, from->xattrs_n, to->xattrs, to->xattrs_n);
	if (r < 0)
		return r;
	/* After the ACL, whose mask shows as the group's bits; the mode says the same. */
	if (fstat(fd, &st) < 0 || (st.st_mode != to->mode && fchmod(fd, to->mode & 07777) < 0))
		return -errno;
	return set_time(fd, to);
}

static int settle_done(int fd, const struct journal_directory *directory)
{
	if (directory->flags & DIRECTORY_SET)
		return set_metadata(fd, &directory->before, &directory->after);
	return 0;
}

static int settle_undone(int fd, const struct journal_directory *directory)
{
	if (directory->flags & DIRECTORY_SET)
		return set_metadata(fd, &directory->after, &directory->before);
	return directory->path[0] ? set_time(fd, &directory->before) : 0;
}

static int settle_over(int fd, const struct journal_directory *directory)
{
	if (directory->flags & DIRECTORY_SET)
		return set_time(fd, &directory->after);
	return directory->flags & DIRECTORY_QUIET ? set_time(fd, &directory->before) : 0;
}

static int (*const functions[])(int fd, const struct journal_directory *directory) = {
	[SETTLE_DONE] = settle_done,
	[SETTLE_UNDONE] = settle_undone,
	[SETTLE_OVER] = settle_over,
};

int settle_directories(struct switcher *switcher, enum settle settle, struct error *err)
{
	int first = 0;

	for (uint32_t i = 0; i < switcher->section->n_directories; i++) {
		const struct journal_directory *directory = &switcher->section->directories[i];
		int fd = switch_directory_fd(switcher, i);
		int r = fd < 0 ? fd : functions[settle](fd, directory);

		/* Removed by this very install, or by others: nothing to settle. */
		if (r == -ESTALE)
			continue;
		if (r < 0 && first == 0)
			first = error_set(err, r, "cannot set owner, mode or time of %s: %m",
				directory->path);
	}
	return first;
}
