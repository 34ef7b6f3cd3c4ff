/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/workplace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

#define WORK ".unfinished"

/* All that is ever moved in, in this order. */
static const char *const results[] = { "keys", "elsewhere", "ca.pem", "admin.credentials",
	"droverd.db", "droverd.yml" };
static const char *const directories[] = { "keys", "elsewhere" };
enum { N_RESULTS = ARRAY_SIZE(results), CONFIG = N_RESULTS - 1 };

/* ---- the directory */

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int look_through(struct workplace *workplace, DIR *dir, struct error *err)
{
	static const char *const allowed[] = { ".", "..", "lost+found", WORK };
	bool was_killed = file_exists(workplace->fd, WORK);
	struct dirent *entry;

	while ((errno = 0, entry = readdir(dir))) {
		if (is_one_of(entry->d_name, allowed, ARRAY_SIZE(allowed)))
			continue;
		if (was_killed && is_one_of(entry->d_name, results, CONFIG))
			continue;
		return error_set(err, -EEXIST,
			"%s is not empty (it holds %s); give a new or an empty directory",
			workplace->path, entry->d_name);
	}
	return errno ? error_set(err, -errno, "cannot read %s: %m", workplace->path) : 0;
}

static int check_free(struct workplace *workplace, struct error *err)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	int fd;

	if (file_exists(workplace->fd, results[CONFIG]))
		return error_set(err, -EEXIST,
			"%s holds a controller already; nothing was changed (its keys are what "
			"hosts trust, and are never overwritten)",
			workplace->path);
	fd = openat(workplace->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		closep(&fd);
		return error_set(err, -errno, "cannot read %s: %m", workplace->path);
	}
	return look_through(workplace, dir, err);
}

static int open_directory(struct workplace *workplace, struct error *err)
{
	const char *path = workplace->path;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set(err, -errno, "cannot make %s: %m%s", path,
			errno == ENOENT ? "; make the directory above it first" : "");
	workplace->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (workplace->fd < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	if (flock(workplace->fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(err, -errno,
			"cannot lock %s (does another init or restore run?): %m", path);
	return check_free(workplace, err);
}

static int remove_remains(struct workplace *workplace, struct error *err)
{
	int r = 0;

	if (!file_exists(workplace->fd, WORK))
		return 0;
	for (size_t i = 0; i < CONFIG && r == 0; i++)
		r = file_remove_tree(workplace->fd, results[i], err);
	return r < 0 ? r : file_remove_tree(workplace->fd, WORK, err);
}

static int make_work(struct workplace *workplace, struct error *err)
{
	int r = remove_remains(workplace, err);

	if (r < 0)
		return r;
	if (mkdirat(workplace->fd, WORK, 0700) < 0)
		return error_set(err, -errno, "cannot make %s/" WORK ": %m", workplace->path);
	workplace->work_fd = openat(
		workplace->fd, WORK, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (workplace->work_fd < 0)
		return error_set(err, -errno, "cannot open %s/" WORK ": %m", workplace->path);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		if (mkdirat(workplace->work_fd, directories[i], 0700) < 0)
			return error_set(err, -errno, "cannot make %s/" WORK "/%s: %m",
				workplace->path, directories[i]);
	return 0;
}

int workplace_open(
	struct workplace *ret, const char *path, const struct owner *owner, struct error *err)
{
	int r;

	*ret = (struct workplace){ .path = path, .owner = owner, .fd = -1, .work_fd = -1 };
	r = open_directory(ret, err);
	if (r == 0)
		r = make_work(ret, err);
	if (r < 0)
		workplace_done(ret);
	return r;
}

void workplace_done(struct workplace *workplace)
{
	if (!workplace->path)
		return;
	if (workplace->work_fd >= 0)
		(void)remove_remains(workplace, NULL); /* else the next one does it */
	closep(&workplace->work_fd);
	closep(&workplace->fd);
	*workplace = (struct workplace){ 0 };
}

/* ---- its files */

int workplace_create(
	struct workplace *workplace, const char *name, mode_t mode, struct error *err)
{
	cleanup_with(closep) int fd = openat(workplace->work_fd, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0 || fchmod(fd, mode) < 0)
		return error_set(err, -errno, "cannot make %s/%s: %m", workplace->path, name);
	return take_fd(&fd);
}

int workplace_close(struct workplace *workplace, int fd, const char *name, struct error *err)
{
	int r = 0;

	if (owner_give(workplace->owner, fd) < 0 || fsync(fd) < 0)
		r = error_set(err, -errno, "cannot write %s/%s: %m", workplace->path, name);
	(void)close(fd); /* it is on disk */
	return r;
}

int workplace_write(struct workplace *workplace, const char *name, const struct buf *content,
	mode_t mode, struct error *err)
{
	int fd = workplace_create(workplace, name, mode, err);
	int r;

	if (fd < 0)
		return fd;
	r = file_write_all(fd, content->data, content->len);
	if (r < 0) {
		(void)close(fd);
		return error_set(err, r, "cannot write %s/%s: %m", workplace->path, name);
	}
	return workplace_close(workplace, fd, name, err);
}

/* ---- the move */

static int settle_directory(
	struct workplace *workplace, int dirfd, const char *name, struct error *err)
{
	cleanup_with(closep) int fd = openat(
		dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || owner_give(workplace->owner, fd) < 0 || fsync(fd) < 0)
		return error_set(
			err, -errno, "cannot hand over %s/%s: %m", workplace->path, name);
	return 0;
}

/* An empty directory is none of the results. */
static int settle_directories(struct workplace *workplace, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(directories) && r == 0; i++)
		if (unlinkat(workplace->work_fd, directories[i], AT_REMOVEDIR) < 0)
			r = settle_directory(
				workplace, workplace->work_fd, directories[i], err);
	if (r == 0 && fsync(workplace->work_fd) < 0)
		r = error_set(err, -errno, "cannot write %s: %m", workplace->path);
	return r;
}

/* Not all file systems know the flag; the directory is locked and was empty. */
static int rename_to_free(int from, int to, const char *name)
{
	if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL || file_exists(to, name))
		return -1;
	return renameat(from, name, to, name);
}

static int move(struct workplace *workplace, size_t i, struct error *err)
{
	if (!file_exists(workplace->work_fd, results[i]))
		return 0;
	/* What was moved before is on disk before droverd.yml says so. */
	if ((i == CONFIG && fsync(workplace->fd) < 0) ||
		rename_to_free(workplace->work_fd, workplace->fd, results[i]) < 0)
		return error_set(
			err, -errno, "cannot put %s into %s: %m", results[i], workplace->path);
	return 0;
}

int workplace_commit(struct workplace *workplace, struct error *err)
{
	int r = settle_directories(workplace, err);

	if (r == 0 && (owner_give(workplace->owner, workplace->fd) < 0 ||
			      fchmod(workplace->fd, 0700) < 0))
		r = error_set(err, -errno, "cannot hand over %s: %m", workplace->path);
	for (size_t i = 0; i < N_RESULTS && r == 0; i++)
		r = move(workplace, i, err);
	if (r < 0)
		return r;
	closep(&workplace->work_fd);
	workplace->work_fd = -1;
	(void)unlinkat(workplace->fd, WORK, AT_REMOVEDIR); /* empty; harms nobody if left */
	if (fsync(workplace->fd) < 0)
		return error_set(err, -errno,
			"%s is complete, but perhaps not on disk yet (run sync): %m",
			workplace->path);
	return 0;
}
