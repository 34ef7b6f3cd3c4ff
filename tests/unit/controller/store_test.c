/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/store_sqlite.h"
#include "store_case.h"

/* Transactions, and what happens to them when the disk, the schema or the process fails. */

static void put_application(struct store *store, const char *name)
{
	struct application application = application_of(name);

	store_put_application(store, &application);
}

#define assert_applications(store, expected)                                                   \
	do {                                                                                   \
		struct names names_ = { 0 };                                                   \
		ck_assert_int_eq(                                                              \
			store_page_applications(store, "", 1000, add_name, &names_, NULL), 0); \
		ck_assert_str_eq(names_.text, expected);                                       \
	} while (0)

#define assert_number(store, sql, expected)                                                    \
	do {                                                                                   \
		int64_t number_ = -1;                                                          \
		ck_assert_int_eq(                                                              \
			store_read_number((store)->db, (store)->path, sql, &number_, NULL),    \
			0);                                                                    \
		ck_assert_int_eq(number_, expected);                                           \
	} while (0)

START_TEST(what_is_committed_stays_and_what_is_undone_does_not)
{
	cleanup_with(store_closep) struct store *store = open_store();

	ck_assert(!store_is_changed(store));
	ck_assert_int_eq(store_commit(store, NULL), 0);
	put_application(store, "a");
	ck_assert(store_is_changed(store));
	must_commit(store);
	ck_assert(!store_is_changed(store));
	put_application(store, "b");
	assert_applications(store, "a b ");
	store_undo(store);
	ck_assert(!store_is_changed(store));
	store_undo(store);
	assert_applications(store, "a ");
	put_application(store, "c");
	store = reopen(store);
	assert_applications(store, "a ");
}
END_TEST

START_TEST(a_change_that_is_refused_takes_all_of_its_transaction_back)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct application twin = application_of("a");
	struct error err = ERROR_NONE;

	put_application(store, "a");
	must_commit(store);
	put_application(store, "b");
	set_text(twin.id, "another");
	store_put_application(store, &twin);
	put_application(store, "c");
	ck_assert(store_is_changed(store));
	ck_assert_int_eq(store_commit(store, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "core.db: UNIQUE constraint failed"));
	ck_assert(!store_is_changed(store));
	assert_applications(store, "a ");
	put_application(store, "d");
	must_commit(store);
	assert_applications(store, "a d ");
}
END_TEST

START_TEST(every_row_says_who_made_it_and_who_changed_it_when)
{
	cleanup_with(store_closep) struct store *store = open_store();

	store_set_actor(store, "AKIAMAKER", 100);
	put_application(store, "a");
	store_put_value(store, "v", "1");
	store_put_audit(store, "CreateApplication", "a");
	must_commit(store);
	store_set_actor(store, "", 200);
	store_rename_application(store, "id-a", "b");
	store_put_value(store, "v", "2");
	must_commit(store);
	assert_number(store,
		"SELECT count(*) FROM applications WHERE created_by = 'AKIAMAKER'"
		" AND changed_by = '' AND changed_ms = 200",
		1);
	assert_number(store,
		"SELECT count(*) FROM controller_values WHERE created_by = 'AKIAMAKER'"
		" AND changed_by = '' AND changed_ms = 200",
		1);
	assert_number(store,
		"SELECT count(*) FROM audit WHERE created_by = 'AKIAMAKER'"
		" AND created_ms = 100 AND what = 'CreateApplication' AND object = 'a'",
		1);
}
END_TEST

/* Tables whose rows are changed bear all three, so that a table added later does as well. */
START_TEST(every_table_has_the_columns_for_it)
{
	cleanup_with(store_closep) struct store *store = open_store();

	assert_number(store,
		"SELECT count(*) FROM sqlite_master m WHERE type = 'table'"
		" AND name NOT LIKE 'sqlite_%' AND name <> 'audit' AND 3 <>"
		" (SELECT count(*) FROM pragma_table_info(m.name) WHERE name IN"
		" ('created_by', 'changed_by', 'changed_ms'))",
		0);
}
END_TEST

START_TEST(the_audit_is_only_added_to)
{
	cleanup_with(store_closep) struct store *store = open_store();

	store_put_audit(store, "DeleteGroup", "shop/web");
	must_commit(store);
	ck_assert_int_eq(
		sqlite3_exec(store->db, "UPDATE audit SET what = 'x'", NULL, NULL, NULL),
		SQLITE_CONSTRAINT_TRIGGER);
	ck_assert_int_eq(sqlite3_exec(store->db, "DELETE FROM audit", NULL, NULL, NULL),
		SQLITE_CONSTRAINT_TRIGGER);
	ck_assert_int_eq(
		sqlite3_exec(store->db, "REPLACE INTO audit VALUES (1, 1, '', 'x', '')", NULL,
			NULL, NULL),
		SQLITE_CONSTRAINT_TRIGGER);
	assert_number(store, "SELECT count(*) FROM audit WHERE what = 'DeleteGroup'", 1);
}
END_TEST

START_TEST(commits_wait_for_the_disk)
{
	cleanup_with(store_closep) struct store *store = open_store();

	assert_number(store, "PRAGMA synchronous", 2);
	assert_number(store, "PRAGMA foreign_keys", 1);
	assert_number(store,
		"SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'", 1);
}
END_TEST

/* ---- the disk ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void put_many_events(struct store *store)
{
	char log[2000];

	memset(log, 'x', sizeof(log) - 1);
	log[sizeof(log) - 1] = '\0';
	for (uint32_t i = 0; i < 3000; i++) {
		struct event_record record = { TARGET_INSTALL, EVENT_STATUS_FAILED, 1, 2, 1,
			NULL, NULL, log };

		store_put_event(store, "d-000000001", i, &record);
	}
}

START_TEST(a_full_disk_fails_the_commit_and_nothing_else)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct error err = ERROR_NONE;

	(void)signal(SIGXFSZ, SIG_IGN);
	put_application(store, "a");
	must_commit(store);
	limit_files(2 * 1024 * 1024);
	put_application(store, "b");
	put_many_events(store);
	ck_assert_int_eq(store_commit(store, &err), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.text, "core.db"));
	ck_assert_ptr_nonnull(strstr(err.text, "make space"));
	assert_applications(store, "a ");
	assert_number(store, "SELECT count(*) FROM events", 0);

	limit_files(RLIM_INFINITY);
	put_application(store, "c");
	put_many_events(store);
	must_commit(store);
	assert_applications(store, "a c ");
	store = reopen(store);
	assert_applications(store, "a c ");
	assert_number(store, "SELECT count(*) FROM events", 3000);
	assert_number(store,
		"SELECT count(*) FROM pragma_integrity_check"
		" WHERE integrity_check <> 'ok'",
		0);
}
END_TEST

START_TEST(a_disk_too_full_for_the_database_is_said_at_open)
{
	struct store *store = NULL;
	struct error err = ERROR_NONE;

	(void)signal(SIGXFSZ, SIG_IGN);
	/* From the first page to the last one of the schema, and the files beside it. */
	for (rlim_t bytes = 0; bytes <= 100 * 1024; bytes += 10 * 1024) {
		limit_files(bytes);
		ck_assert_int_eq(store_open(&store, database_path(), &err), -ENOSPC);
		ck_assert_ptr_null(store);
	}
	limit_files(RLIM_INFINITY);
	store = open_store();
	store_close(store);
}
END_TEST

/* A child that commits "a", changes more, and is killed; with as much as the cache spills. */
static _Noreturn void wait_to_be_killed(const char *path, bool spills, int ready_fd)
{
	struct store *store = NULL;

	if (store_open(&store, path, NULL) < 0)
		_exit(1);
	put_application(store, "a");
	if (store_commit(store, NULL) < 0)
		_exit(2);
	put_application(store, "b");
	if (spills) {
		(void)sqlite3_exec(store->db, "PRAGMA cache_size = 10", NULL, NULL, NULL);
		put_many_events(store);
	}
	if (write(ready_fd, "", 1) != 1)
		_exit(3);
	for (;;)
		(void)pause();
}

START_TEST(a_kill_amid_a_transaction_leaves_the_state_before)
{
	const char *path = database_path();

	for (int spills = 0; spills < 2; spills++) {
		cleanup_with(store_closep) struct store *store = NULL;
		int ready[2];
		int status;
		char byte;
		pid_t child;

		ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
		child = fork();
		if (child == 0)
			wait_to_be_killed(path, spills, ready[1]);
		(void)close(ready[1]);
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
		(void)close(ready[0]);
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));
		store = open_store();
		assert_applications(store, "a ");
		assert_number(store, "SELECT count(*) FROM events", 0);
	}
}
END_TEST

/* ---- open ---- */

START_TEST(one_controller_at_a_time)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct store *second = NULL;
	struct error err = ERROR_NONE;

	ck_assert_int_eq(store_open(&second, database_path(), &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "in use by another controller"));
	put_application(store, "a");
	must_commit(store);
	store_close(store);
	store = NULL;
	store = open_store();
	assert_applications(store, "a ");
}
END_TEST

/* A program that writes to it beside us, against the rules, is not overwritten. */
START_TEST(a_writer_from_outside_makes_the_commit_fail)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct error err = ERROR_NONE;
	sqlite3 *outside = NULL;

	ck_assert_int_eq(sqlite3_open(database_path(), &outside), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(outside, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_busy_timeout(store->db, 1);
	put_application(store, "a");
	ck_assert_int_eq(store_commit(store, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.text, "another program holds it"));
	(void)sqlite3_close(outside);
	put_application(store, "a");
	must_commit(store);
}
END_TEST

static int open_fails(const char *path, struct error *err)
{
	struct store *store = NULL;
	int r = store_open(&store, path, err);

	ck_assert_ptr_null(store);
	return r;
}

START_TEST(nobody_else_may_read_it)
{
	const char *path = database_path();
	struct error err = ERROR_NONE;
	struct stat status;

	(void)umask(0);
	store_close(open_store());
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(open_fails(path, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "mode 0640), and it holds secrets: chmod 0600"));
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(chmod(test_dir(), 0750), 0);
	ck_assert_int_eq(open_fails(path, &err), -EPERM);
	ck_assert_ptr_nonnull(strstr(err.text, "chmod 0700"));
	store_close(open_store());
}
END_TEST

START_TEST(files_beside_it_are_private_too)
{
	const char *path = database_path();
	cleanup_with(freep) char *log = xasprintf("%s-wal", path);
	cleanup_with(freep) char *index = xasprintf("%s-shm", path);
	cleanup_with(store_closep) struct store *store = NULL;
	struct stat status;

	(void)umask(0);
	store = open_store();
	put_application(store, "a");
	must_commit(store);
	ck_assert_int_eq(stat(log, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(index, &status), 0);
	ck_assert_int_eq(status.st_mode & 07777, 0600);
}
END_TEST

static void write_file(const char *path, const void *data, size_t n, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, data, n, at), (ssize_t)n);
	(void)close(fd);
}

START_TEST(what_is_no_database_of_ours_is_left_alone)
{
	const char *path = database_path();
	struct error err = ERROR_NONE;
	char page[4096];
	sqlite3 *foreign = NULL;

	memset(page, 'x', sizeof(page));
	write_file(path, page, sizeof(page), 0);
	ck_assert_int_eq(open_fails(path, &err), -EBADMSG);
	ck_assert_ptr_nonnull(
		strstr(err.text, "core.db: file is not a database; put a backup"));

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(sqlite3_open(path, &foreign), SQLITE_OK);
	ck_assert_int_eq(
		sqlite3_exec(foreign, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(foreign);
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(open_fails(path, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "is a database of another program"));

	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	ck_assert_int_eq(open_fails(path, &err), -ELOOP);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(open_fails(path, &err), -EINVAL);
	ck_assert_int_eq(open_fails("/nowhere/core.db", &err), -ENOENT);
}
END_TEST

START_TEST(damage_is_said_and_not_loaded)
{
	const char *path = database_path();
	cleanup_with(store_closep) struct store *store = open_store();
	struct error err = ERROR_NONE;
	struct names names = { 0 };
	char page[4096];
	int64_t root = 0;

	put_application(store, "a");
	must_commit(store);
	ck_assert_int_eq(store_read_number(store->db, path,
				 "SELECT rootpage FROM sqlite_master WHERE name = "
				 "'sqlite_autoindex_applications_2'",
				 &root, NULL),
		0);
	ck_assert_int_gt(root, 1);
	store_close(store);
	store = NULL;
	memset(page, 0xff, sizeof(page));
	write_file(path, page, sizeof(page), (root - 1) * (off_t)sizeof(page));
	store = open_store();
	ck_assert_int_eq(
		store_page_applications(store, "", 10, add_name, &names, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "malformed; put a backup in its place"));
	put_application(store, "b");
	ck_assert_int_eq(store_commit(store, &err), -EBADMSG);
}
END_TEST

/* Values that a schema of ours cannot hold, as after a repair by hand. */
START_TEST(an_impossible_value_is_damage)
{
	cleanup_with(store_closep) struct store *store = open_store();
	struct target_record found;
	struct error err = ERROR_NONE;
	struct deployment_record deployment = deployment_of("d-000000001", 1);
	struct target_record target = target_of(0);

	store_put_deployment(store, &deployment);
	store_put_target(store, deployment.id, &target);
	must_commit(store);
	ck_assert_int_eq(sqlite3_exec(store->db,
				 "PRAGMA ignore_check_constraints = ON;"
				 "UPDATE targets SET state = 6",
				 NULL, NULL, NULL),
		SQLITE_OK);
	ck_assert_int_eq(
		store_find_target(store, deployment.id, target.host_name, &found, &err),
		-EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "FROM targets"));
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_is_said)
{
	const char *path = database_path();
	struct error err = ERROR_NONE;
	int r;

	if (geteuid() == 0) {
		ck_assert_int_eq(chown(test_dir(), 65534, 65534), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
	ck_assert_int_eq(chmod(test_dir(), 0500), 0);
	r = open_fails(path, &err);
	ck_assert_int_eq(chmod(test_dir(), 0700), 0);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(r, -EACCES);
	ck_assert_ptr_nonnull(strstr(err.text, "core.db"));
}
END_TEST

TESTS("store", what_is_committed_stays_and_what_is_undone_does_not,
	a_change_that_is_refused_takes_all_of_its_transaction_back,
	every_row_says_who_made_it_and_who_changed_it_when, every_table_has_the_columns_for_it,
	the_audit_is_only_added_to, commits_wait_for_the_disk,
	a_full_disk_fails_the_commit_and_nothing_else,
	a_disk_too_full_for_the_database_is_said_at_open,
	a_kill_amid_a_transaction_leaves_the_state_before, one_controller_at_a_time,
	a_writer_from_outside_makes_the_commit_fail, nobody_else_may_read_it,
	files_beside_it_are_private_too, what_is_no_database_of_ours_is_left_alone,
	damage_is_said_and_not_loaded, an_impossible_value_is_damage,
	a_directory_that_cannot_be_written_is_said)
