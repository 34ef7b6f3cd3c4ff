/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/*
 * The schema's version is SQLite's user_version; migrations lead from each to the next, all
 * that are missing in one transaction. Before that the database is copied, for those who want
 * to go back to the version of Drover that knows it.
 */

/* "Drov": tells our databases from others. */
#define APPLICATION_ID INT64_C(0x44726f76)

static int check_application(struct store *store, struct error *err)
{
	int64_t id = 0;
	int64_t n_tables = 0;
	int r;

	r = store_read_number(store->db, store->path, "PRAGMA application_id", &id, err);
	if (r == 0)
		r = store_read_number(store->db, store->path,
			"SELECT count(*) FROM sqlite_master", &n_tables, err);
	if (r == 0 && id != APPLICATION_ID && n_tables > 0)
		r = error_set(err, -EINVAL, "%s is a database of another program", store->path);
	return r;
}

static int check_references(struct store *store, const char *name, struct error *err)
{
	int64_t n = 0;
	int r = store_read_number(store->db, store->path,
		"SELECT count(*) FROM pragma_foreign_key_check", &n, err);

	if (r == 0 && n > 0)
		r = error_set(err, -EINVAL, "%s leaves %" PRId64 " rows that refer to nothing",
			name, n);
	return r;
}

static int apply(
	struct store *store, const struct store_migration *migration, struct error *err)
{
	char set_version[64];
	int r = store_execute(store->db, store->path, migration->sql, err);

	(void)snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d",
		migration->version);
	if (r == 0)
		r = check_references(store, migration->name, err);
	if (r == 0)
		r = store_execute(store->db, store->path, set_version, err);
	return r < 0 ? error_wrap(err, "schema %s", migration->name) : 0;
}

static int apply_all(struct store *store, const struct store_migration *migrations,
	int64_t version, int64_t newest, struct error *err)
{
	char set_id[64];
	int r;

	(void)snprintf(
		set_id, sizeof(set_id), "PRAGMA application_id = %" PRId64, APPLICATION_ID);
	/* Tables may be made anew under the names that others refer to. */
	r = store_execute(
		store->db, store->path, "PRAGMA foreign_keys = OFF; BEGIN EXCLUSIVE", err);
	for (int64_t i = version; i < newest && r == 0; i++)
		r = apply(store, &migrations[i], err);
	if (r == 0)
		r = store_execute(store->db, store->path, set_id, err);
	if (r == 0)
		r = store_execute(store->db, store->path, "COMMIT", err);
	if (r < 0)
		store_undo(store);
	else
		r = store_execute(store->db, store->path, "PRAGMA foreign_keys = ON", err);
	return r;
}

static int back_up(struct store *store, int64_t version, struct error *err)
{
	cleanup_with(freep) char *path = xasprintf(
		"%s.%" PRId64 ".backup", store->path, version);

	return store_backup(store, path, err);
}

int store_migrate(struct store *store, const struct store_migration *migrations, size_t n,
	struct error *err)
{
	int64_t newest = (int64_t)n;
	int64_t version = 0;
	int r = check_application(store, err);

	if (r == 0)
		r = store_read_number(
			store->db, store->path, "PRAGMA user_version", &version, err);
	if (r < 0 || version == newest)
		return r;
	if (version > newest)
		return error_set(err, -ENOTSUP,
			"database %s is of schema %" PRId64
			", and this version of Drover knows "
			"%" PRId64 "; install the newer one again, or restore %s.%" PRId64
			".backup",
			store->path, version, newest, store->path, newest);
	if (version > 0)
		r = back_up(store, version, err);
	if (r == 0)
		r = apply_all(store, migrations, version, newest, err);
	return r < 0 ? error_wrap(err, "cannot bring database %s up to date", store->path) : 0;
}
