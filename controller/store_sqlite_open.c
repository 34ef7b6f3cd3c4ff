/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* How the database is used; each connection is told anew. */
static const char PRAGMAS[] =
	/* Commits are durable when they return: the log is synced at each. */
	"PRAGMA synchronous = FULL;"
	/* Pages of the log at which it is taken over into the database. */
	"PRAGMA wal_autocheckpoint = 4000;"
	"PRAGMA journal_size_limit = 67108864;"
	"PRAGMA cache_size = -16384;" /* KiB */
	"PRAGMA foreign_keys = ON;"
	/* Else REPLACE would delete past the triggers that keep the audit. */
	"PRAGMA recursive_triggers = ON;"
	"PRAGMA temp_store = MEMORY;"
	/* Secrets that are deleted leave no trace where that is free. */
	"PRAGMA secure_delete = FAST;"
	"PRAGMA trusted_schema = OFF;"
	"PRAGMA cell_size_check = ON;";

/* A person looking in with sqlite3(1) may hold the lock for a moment. */
#define BUSY_MS 1000

char *store_directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* The controller's secrets are in the database: nobody else may read or replace it. */
static int check_private(
	const struct stat *status, const char *what, const char *path, struct error *err)
{
	uid_t user = geteuid();

	if (status->st_mode & 077)
		return error_set(err, -EPERM,
			"%s %s is open to other users (mode %04o), and it holds secrets: chmod "
			"%04o %s",
			what, path, status->st_mode & 07777, status->st_mode & 0700, path);
	if (user != 0 && status->st_uid != user)
		return error_set(err, -EPERM,
			"%s %s belongs to user %u, and the controller runs as %u: chown it",
			what, path, status->st_uid, user);
	return 0;
}

static int check_directory(const char *path, struct error *err)
{
	cleanup_with(freep) char *directory = store_directory_of(path);
	struct stat status;

	if (stat(directory, &status) < 0)
		return error_set(err, -errno, "cannot use directory %s: %m", directory);
	return check_private(&status, "directory", directory, err);
}

/*
 * A lock of our own: SQLite's let several processes in. It must stand before the database is
 * opened, since closing any descriptor of that file would drop SQLite's locks in this process.
 */
static int take_lock(struct store *store, struct error *err)
{
	cleanup_with(freep) char *path = xasprintf("%s.lock", store->path);

	store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return error_set(err, -errno, "cannot open lock %s: %m", path);
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return error_set(err, -EBUSY,
			"database %s is in use by another controller; end that one first",
			store->path);
	return error_set(err, -errno, "cannot lock %s: %m", path);
}

/* Makes the file, empty, with the mode it shall have; SQLite's other files follow it. */
static int check_file(const char *path, struct error *err)
{
	cleanup_with(closep) int fd = open(
		path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat status;

	if (fd < 0)
		return error_set(err, -errno, "cannot open database %s: %m", path);
	if (fstat(fd, &status) < 0)
		return error_set(err, -errno, "cannot look at database %s: %m", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, -EINVAL, "database %s is not a regular file", path);
	return check_private(&status, "database", path, err);
}

/* Asks for a write-ahead log; SQLite answers with what the file system allows. */
static int set_journal(struct store *store, struct error *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL) !=
			SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW)
		r = store_failed(store->db, store->path, "open", err);
	else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0)
		r = error_set(err, -ENOTSUP,
			"cannot open database %s: no write-ahead log is possible on its file "
			"system; put it on a local one",
			store->path);
	(void)sqlite3_finalize(stmt); /* repeats the failure of the step */
	return r;
}

static int connect_database(struct store *store, struct error *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	int r;

	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
		return store->db ? store_failed(store->db, store->path, "open", err) : -ENOMEM;
	(void)sqlite3_extended_result_codes(store->db, 1);
	(void)sqlite3_busy_timeout(store->db, BUSY_MS);
	(void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	r = set_journal(store, err);
	if (r == 0)
		r = store_execute(store->db, store->path, PRAGMAS, err);
	return r;
}

int store_open_with(struct store **ret, const char *path,
	const struct store_migration *migrations, size_t n, struct error *err)
{
	cleanup_with(store_closep) struct store *store = xcalloc(1, sizeof(*store));
	int r;

	store->lock_fd = -1;
	store->path = xstrdup(path);
	r = check_directory(path, err);
	if (r == 0)
		r = take_lock(store, err);
	if (r == 0)
		r = check_file(path, err);
	if (r == 0)
		r = connect_database(store, err);
	if (r == 0)
		r = store_migrate(store, migrations, n, err);
	if (r == 0)
		*ret = take(&store);
	return r;
}

int store_open(struct store **ret, const char *path, struct error *err)
{
	return store_open_with(ret, path, store_migrations, store_n_migrations, err);
}
