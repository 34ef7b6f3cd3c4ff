/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/*
 * A copy by SQLite's backup calls, over a connection of its own, so that it holds what is
 * committed and nothing of a transaction under way.
 */

/* Milliseconds to wait for another connection that recovers or closes the database. */
#define BUSY_MS 10000

static void sqlite_closep(sqlite3 **db)
{
	(void)sqlite3_close(*db);
}

static int open_source(sqlite3 **ret, const char *path, struct error *err)
{
	/* Not read-only: after a crash the log must be taken up before it can be read. */
	if (sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK)
		return *ret ? store_failed(*ret, path, "open", err) : -ENOMEM;
	(void)sqlite3_busy_timeout(*ret, BUSY_MS);
	return 0;
}

static int copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct error *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int code;

	if (!backup)
		return store_failed(to, path, "write", err);
	do {
		code = sqlite3_backup_step(backup, -1);
	} while (code == SQLITE_OK);
	(void)sqlite3_backup_finish(backup); /* repeats the failure of the step */
	return code == SQLITE_DONE ? 0 : store_failed(to, path, "copy into", err);
}

/* The file `temporary` is there, empty. Nothing is synced: that is done at the end. */
static int copy(sqlite3 *from, const char *temporary, struct error *err)
{
	cleanup_with(sqlite_closep) sqlite3 *to = NULL;
	int r;

	if (sqlite3_open_v2(temporary, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return to ? store_failed(to, temporary, "open", err) : -ENOMEM;
	r = store_execute(
		to, temporary, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY", err);
	if (r == 0)
		r = copy_pages(from, to, temporary, err);
	/* Else reading it would need a log beside it. */
	if (r == 0)
		r = store_execute(to, temporary, "PRAGMA journal_mode = DELETE", err);
	return r;
}

static int check_not_itself(const char *database, const char *path, struct error *err)
{
	struct stat a;
	struct stat b;

	if (stat(database, &a) < 0)
		return error_set(err, -errno, "cannot read database %s: %m", database);
	if (stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return error_set(err, -EINVAL, "%s is the database itself", path);
	return 0;
}

static int keep(int fd, const char *temporary, const char *path, struct error *err)
{
	cleanup_with(freep) char *directory = store_directory_of(path);
	int r;

	if (fsync(fd) < 0)
		return error_set(err, -errno, "cannot sync %s: %m", temporary);
	if (rename(temporary, path) < 0)
		return error_set(err, -errno, "cannot rename %s: %m", temporary);
	r = file_sync_dir(AT_FDCWD, directory);
	return r < 0 ? error_set(err, r, "cannot sync directory %s: %m", directory) : 0;
}

/* With what SQLite may leave beside it when the disk is full. */
static void remove_temporary(const char *temporary)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		cleanup_with(freep) char *path = xasprintf("%s%s", temporary, suffixes[i]);

		(void)unlink(path); /* mostly not there */
	}
}

int store_backup_file(const char *database, const char *path, struct error *err)
{
	cleanup_with(freep) char *temporary = xasprintf("%s.tmp", path);
	cleanup_with(closep) int fd = -1;
	cleanup_with(sqlite_closep) sqlite3 *from = NULL;
	int r = check_not_itself(database, path, err);

	if (r < 0)
		return r;
	remove_temporary(temporary); /* of one that was interrupted */
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, -errno, "cannot make %s: %m", temporary);
	r = open_source(&from, database, err);
	if (r == 0)
		r = copy(from, temporary, err);
	if (r == 0)
		r = keep(fd, temporary, path, err);
	if (r < 0)
		remove_temporary(temporary);
	return r;
}

int store_backup(struct store *store, const char *path, struct error *err)
{
	return store_backup_file(store->path, path, err);
}
