/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct error;

/*
 * Files below a directory descriptor (or AT_FDCWD). Nothing here follows a symbolic link at the
 * last component. Names are bytes.
 */

/*
 * Reads a whole regular file of at most `limit` bytes and appends it to `ret`. -EFBIG if it is
 * larger, -EINVAL if it is not a regular file, -ENOENT (with err filled) if it is not there.
 */
int file_read(int dirfd, const char *path, size_t limit, struct buf *ret, struct error *err);

/* The same from where an open descriptor stands; `name` is for messages. */
int file_read_fd(int fd, const char *name, size_t limit, struct buf *ret, struct error *err);

/*
 * Replaces a file so that after a power cut either the old or the new content is there, whole:
 * writes a temporary neighbour (".<name>.tmp"), syncs it, renames, syncs the directory.
 */
int file_write_atomic(int dirfd, const char *path, const void *data, size_t n, mode_t mode,
	struct error *err);

/* Writes all of it, over short writes and EINTR. Returns 0 or a negative errno. */
int file_write_all(int fd, const void *data, size_t n);

/* Makes a directory and its missing parents, each with `mode` whatever the umask. A directory
 * already there is fine. */
int file_make_dirs(int dirfd, const char *path, mode_t mode, struct error *err);

/*
 * Removes a file or a whole tree without following links or leaving the file system that `name`
 * is on. Nothing there is fine. Goes on after a failure and reports the first one.
 */
int file_remove_tree(int dirfd, const char *name, struct error *err);

/* Opens `path` below dirfd; neither "..", nor an absolute path, nor any link leads outside
 * (-EXDEV). Returns the fd. */
int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/*
 * Copies `size` bytes from the start of one open file to another: by reflink, else inside the
 * kernel, else by read and write. The result is the same; holes may become zeros.
 *
 * *may_reflink is true at first, and false from the moment that the two file systems turn out
 * not to, so that it need not be asked again for the next files.
 */
int file_copy_data(int from, int to, off_t size, bool *may_reflink);

/* Makes the names in a directory durable. Returns 0 or a negative errno. */
int file_sync_dir(int dirfd, const char *path);

/* True if something is there (a dangling link counts). */
bool file_exists(int dirfd, const char *path);

/*
 * The absolute path with "//", "/./" and a trailing slash removed, lexically. ".." is kept:
 * callers refuse or resolve it. A relative path is taken below `base` (which is absolute). The
 * caller frees.
 */
char *path_normalise(const char *base, const char *path);

/* True if `path` equals `parent` or lies below it; both normalised. */
bool path_is_below(const char *path, const char *parent);

/* True if any component is "..". */
bool path_has_dotdot(const char *path);

/* Joins with exactly one slash between. The caller frees. */
char *path_join(const char *directory, const char *name);

/* The part after the last slash (borrowed). */
const char *path_base(const char *path);
