/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/revision_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

/* A tree deeper than this cannot have been unpacked by us. */
enum { MAX_DEPTH = 512, BLOCK_BYTES = 64 * 1024 };

/* Fills a block over short reads; less than a block only at the end. */
static ssize_t read_block(int fd, char *block)
{
	size_t n = 0;

	while (n < BLOCK_BYTES) {
		ssize_t got = read(fd, block + n, BLOCK_BYTES - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int files_equal(int a_dir, int b_dir, const char *name)
{
	enum { FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };
	cleanup_with(closep) int a = openat(a_dir, name, FLAGS);
	cleanup_with(closep) int b = openat(b_dir, name, FLAGS);
	cleanup_with(freep) char *blocks = xmalloc(2 * BLOCK_BYTES);
	ssize_t n_a, n_b;

	if (a < 0 || b < 0)
		return -errno;
	do {
		n_a = read_block(a, blocks);
		n_b = read_block(b, blocks + BLOCK_BYTES);
		if (n_a < 0 || n_b < 0)
			return (int)(n_a < 0 ? n_a : n_b);
		if (n_a != n_b || memcmp(blocks, blocks + BLOCK_BYTES, (size_t)n_a) != 0)
			return 0;
	} while (n_a == BLOCK_BYTES);
	return 1;
}

static int links_equal(int a_dir, int b_dir, const char *name)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n_a = readlinkat(a_dir, name, a, sizeof(a));
	ssize_t n_b = readlinkat(b_dir, name, b, sizeof(b));

	if (n_a < 0 || n_b < 0)
		return -errno;
	return n_a == n_b && memcmp(a, b, (size_t)n_a) == 0;
}

static int directories_equal(int a_dir, int b_dir, const char *name, unsigned depth);

static int entries_equal(int a_dir, int b_dir, const char *name, unsigned depth)
{
	struct stat a, b;

	if (fstatat(a_dir, name, &a, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (fstatat(b_dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid)
		return 0;
	if (S_ISDIR(a.st_mode))
		return directories_equal(a_dir, b_dir, name, depth);
	if (S_ISLNK(a.st_mode))
		return links_equal(a_dir, b_dir, name);
	return a.st_size == b.st_size && S_ISREG(a.st_mode) ? files_equal(a_dir, b_dir, name)
							    : 0;
}

static bool is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static DIR *open_directory(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

/* Every name of a is in b and equal there, and b has no more of them. */
static int directories_equal(int a_dir, int b_dir, const char *name, unsigned depth)
{
	cleanup_with(closedirp) DIR *a = open_directory(a_dir, name);
	cleanup_with(closedirp) DIR *b = open_directory(b_dir, name);
	struct dirent *entry;
	size_t n = 0;

	if (!a || !b)
		return -errno;
	if (depth > MAX_DEPTH)
		return -ELOOP;
	while ((entry = readdir(a))) {
		int r = is_entry(entry)
				? entries_equal(dirfd(a), dirfd(b), entry->d_name, depth + 1)
				: 1;

		if (r <= 0)
			return r;
		n += is_entry(entry);
	}
	while ((entry = readdir(b)))
		n -= is_entry(entry);
	return n == 0;
}

int revision_trees_equal(const char *path_a, const char *path_b, struct error *err)
{
	cleanup_with(closep) int a = open(path_a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closep) int b = open(path_b, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = a < 0 || b < 0 ? -errno : directories_equal(a, b, ".", 0);

	return r < 0 ? error_set(err, r, "cannot compare %s with %s: %m", path_a, path_b) : r;
}
