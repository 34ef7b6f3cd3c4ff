/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_case.h"

/* Migrations, backups, and that lists are read from indices. */

static void put_application(struct store *store, const char *name)
{
	struct application application = application_of(name);

	store_put_application(store, &application);
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
	int64_t number = -1;

	ck_assert_int_eq(store_read_number(db, "", sql, &number, NULL), 0);
	return number;
}

/* Of a file that may be a backup; without touching it. */
static int64_t number_in(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	int64_t number;

	ck_assert_int_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	number = number_of(db, sql);
	(void)sqlite3_close(db);
	return number;
}

static char *beside(const char *suffix)
{
	return xasprintf("%s%s", database_path(), suffix);
}

/* ---- migrations ---- */

/* The schema as it is, and a second version. */
static int open_second(struct store **ret, const char *sql, struct error *err)
{
	const struct store_migration migrations[] = {
		store_migrations[0],
		{ 2, "0002-colour.sql", sql },
	};

	return store_open_with(ret, database_path(), migrations, 2, err);
}

#define COLOUR "ALTER TABLE applications ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';"

START_TEST(a_new_database_is_of_the_newest_version)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(freep) char *backup = beside(".0.backup");

	ck_assert_int_eq(
		number_of(store->db, "PRAGMA user_version"), (int64_t)store_n_migrations);
	ck_assert_int_eq(number_of(store->db, "PRAGMA application_id"), 0x44726f76);
	ck_assert_int_ne(access(backup, F_OK), 0);
}
END_TEST

START_TEST(a_migration_keeps_what_is_there_and_a_copy_of_before)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(freep) char *backup = beside(".1.backup");
	struct error err = ERROR_NONE;
	struct store *second = NULL;
	struct stat status;
	int r;

	put_application(store, "a");
	must_commit(store);
	store_close(store);
	store = NULL;
	r = open_second(&second, COLOUR "UPDATE applications SET colour = 'blue';", &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_eq(number_of(second->db, "PRAGMA user_version"), 2);
	ck_assert_int_eq(number_of(second->db, "PRAGMA foreign_keys"), 1);
	ck_assert_int_eq(number_of(second->db, "SELECT count(*) FROM applications WHERE name = "
					       "'a' AND colour = 'blue'"),
		1);
	store_close(second);
	ck_assert_int_eq(number_in(backup, "PRAGMA user_version"), 1);
	ck_assert_int_eq(
		number_in(backup, "SELECT count(*) FROM applications WHERE name = 'a'"), 1);
	ck_assert_int_eq(stat(backup, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);

	/* Once is enough. */
	ck_assert_int_eq(unlink(backup), 0);
	ck_assert_int_eq(open_second(&second, COLOUR, &err), 0);
	store_close(second);
	ck_assert_int_ne(access(backup, F_OK), 0);
}
END_TEST

START_TEST(a_newer_database_is_refused_and_its_older_copy_is_not)
{
	cleanup_with(freep) char *backup = beside(".1.backup");
	struct error err = ERROR_NONE;
	struct store *store = open_store();

	put_application(store, "a");
	must_commit(store);
	store_close(store);
	ck_assert_int_eq(open_second(&store, COLOUR, NULL), 0);
	store_close(store);
	store = NULL;
	ck_assert_int_eq(store_open(&store, database_path(), &err), -ENOTSUP);
	ck_assert_ptr_null(store);
	ck_assert_ptr_nonnull(
		strstr(err.text, "is of schema 2, and this version of Drover knows 1;"));
	ck_assert_ptr_nonnull(strstr(err.text, "core.db.1.backup"));
	/* As the sentence says. */
	ck_assert_int_eq(rename(backup, database_path()), 0);
	store = open_store();
	ck_assert_int_eq(number_of(store->db, "SELECT count(*) FROM applications"), 1);
	store_close(store);
}
END_TEST

START_TEST(a_migration_that_fails_changes_nothing)
{
	struct error err = ERROR_NONE;
	struct store *store = open_store();

	put_application(store, "a");
	must_commit(store);
	store_close(store);
	store = NULL;
	ck_assert_int_lt(
		open_second(&store, COLOUR "INSERT INTO nowhere VALUES (1);", &err), 0);
	ck_assert_ptr_null(store);
	ck_assert_ptr_nonnull(strstr(err.text, "0002-colour.sql"));
	ck_assert_ptr_nonnull(strstr(err.text, "no such table: nowhere"));
	ck_assert_int_eq(open_second(&store,
				 "DELETE FROM applications; INSERT INTO groups VALUES"
				 " ('g', 'x', 'n', 'c', 1, '', '', '', '', '', '', 1);",
				 &err),
		-EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "leaves 1 rows that refer to nothing"));
	store = open_store();
	ck_assert_int_eq(number_of(store->db, "PRAGMA user_version"), 1);
	ck_assert_int_eq(number_of(store->db, "SELECT count(*) FROM applications"), 1);
	ck_assert_int_eq(
		number_of(store->db, "SELECT count(*) FROM pragma_table_info('applications')"
				     " WHERE name = 'colour'"),
		0);
	store_close(store);
}
END_TEST

/* Without room for the copy there is no migration. */
START_TEST(a_migration_waits_for_its_backup)
{
	cleanup_with(freep) char *backup = beside(".1.backup");
	struct error err = ERROR_NONE;
	struct store *store = NULL;

	store_close(open_store());
	ck_assert_int_eq(mkdir(backup, 0700), 0);
	ck_assert_int_lt(open_second(&store, COLOUR, &err), 0);
	ck_assert_ptr_null(store);
	store_close(open_store());
	ck_assert_int_eq(rmdir(backup), 0);
	ck_assert_int_eq(open_second(&store, COLOUR, &err), 0);
	store_close(store);
}
END_TEST

/* ---- backup ---- */

START_TEST(a_backup_holds_what_is_committed)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(freep) char *copy = beside(".copy");
	cleanup_with(freep) char *log = beside(".copy-wal");
	cleanup_with(freep) char *left = beside(".copy.tmp");
	struct error err = ERROR_NONE;
	struct stat status;
	int fd = open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	int r;

	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	put_application(store, "a");
	must_commit(store);
	put_application(store, "b");
	r = store_backup(store, copy, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_int_ne(access(left, F_OK), 0);
	ck_assert_int_eq(stat(copy, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	ck_assert_int_eq(number_in(copy, "SELECT count(*) FROM applications"), 1);
	ck_assert_int_ne(access(log, F_OK), 0);

	/* The transaction goes on; the next copy takes the place of this one. */
	must_commit(store);
	ck_assert_int_eq(store_backup(store, copy, &err), 0);
	ck_assert_int_eq(number_in(copy, "SELECT count(*) FROM applications"), 2);
	put_application(store, "c");
	must_commit(store);
	ck_assert_int_eq(number_of(store->db, "SELECT count(*) FROM applications"), 3);
}
END_TEST

START_TEST(a_backup_is_a_database_to_start_from)
{
	struct store *store = open_store();
	cleanup_with(freep) char *copy = beside(".copy");

	put_application(store, "a");
	must_commit(store);
	ck_assert_int_eq(store_backup_file(database_path(), copy, NULL), 0);
	store_close(store);
	ck_assert_int_eq(rename(copy, database_path()), 0);
	store = open_store();
	ck_assert_int_eq(number_of(store->db, "SELECT count(*) FROM applications"), 1);
	store_close(store);
}
END_TEST

START_TEST(a_backup_that_cannot_be_made_is_said)
{
	cleanup_with(store_closep) struct store *store = open_store();
	cleanup_with(freep) char *link = beside(".link");
	cleanup_with(freep) char *missing = beside(".d/copy");
	struct error err = ERROR_NONE;

	ck_assert_int_eq(store_backup(store, missing, &err), -ENOENT);
	ck_assert_int_eq(symlink("core.db", link), 0);
	ck_assert_int_eq(store_backup(store, link, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "is the database itself"));
	ck_assert_int_eq(store_backup(store, database_path(), &err), -EINVAL);
	ck_assert_int_eq(store_backup_file(missing, link, &err), -ENOENT);
}
END_TEST

/* ---- lists at a hundred thousand deployments ---- */

static int add_plan(void *context, int n, char **values, char **names)
{
	struct names *plan = context;

	(void)names;
	ck_assert_int_eq(n, 4);
	add_name(plan, values[3]);
	return 0;
}

/* Of each statement that store_page_deployments() has prepared. */
START_TEST(deployments_are_listed_from_an_index_alone)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct deployment_filter filters[] = {
		{ 0 },
		{ .group_id = "g" },
		{ .application_name = "a" },
	};
	unsigned n_plans = 0;

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		ck_assert_int_eq(
			store_page_deployments(store, &filters[i], "", 1, add_name, NULL, NULL),
			0);
	for (size_t i = 0; i < store->n_statements; i++) {
		cleanup_with(freep) char *explain = xasprintf(
			"EXPLAIN QUERY PLAN %s", store->statements[i].sql);
		struct names plan = { 0 };

		if (!strstr(explain, "FROM deployments INDEXED BY"))
			continue;
		n_plans++;
		ck_assert_int_eq(
			sqlite3_exec(store->db, explain, add_plan, &plan, NULL), SQLITE_OK);
		ck_assert_msg(strstr(plan.text, "USING COVERING INDEX") &&
				      !strstr(plan.text, "TEMP B-TREE"),
			"%s", plan.text);
	}
	ck_assert_uint_eq(n_plans, 3);
}
END_TEST

TESTS("store_schema", a_new_database_is_of_the_newest_version,
	a_migration_keeps_what_is_there_and_a_copy_of_before,
	a_newer_database_is_refused_and_its_older_copy_is_not,
	a_migration_that_fails_changes_nothing, a_migration_waits_for_its_backup,
	a_backup_holds_what_is_committed, a_backup_is_a_database_to_start_from,
	a_backup_that_cannot_be_made_is_said, deployments_are_listed_from_an_index_alone)
