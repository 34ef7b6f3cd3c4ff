/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* ---- errors ---- */

static int last_errno(sqlite3 *db, int which)
{
	sqlite3_file *file = NULL;
	int error = 0;

	if (sqlite3_file_control(db, "main", which, (void *)&file) == SQLITE_OK && file &&
		file->pMethods)
		(void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
	return error;
}

static bool means_full(int error)
{
	/* EFBIG: a limit on the size of files. */
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/*
 * SQLite knows ENOSPC alone for a full disk. For all else the log and the database are asked
 * what became of their last write; sqlite3_system_errno() is often overwritten on the way here.
 */
static int errno_of_io(sqlite3 *db)
{
	return means_full(sqlite3_system_errno(db)) ||
			       means_full(last_errno(db, SQLITE_FCNTL_JOURNAL_POINTER)) ||
			       means_full(last_errno(db, SQLITE_FCNTL_FILE_POINTER))
		       ? -ENOSPC
		       : -EIO;
}

static int errno_of(sqlite3 *db)
{
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_IOERR:
		return errno_of_io(db);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EACCES;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EINVAL; /* constraints, and mistakes of ours */
	}
}

static const char *remedy_of(int r)
{
	switch (r) {
	case -ENOSPC:
		return "; make space on its file system";
	case -EIO:
		return "; see the kernel's log for the state of the disk";
	case -EBADMSG:
		return "; put a backup in its place (droverd restore)";
	case -EBUSY:
		return "; another program holds it";
	case -EACCES:
		return "; its directory must be writable for the controller's user";
	default:
		return "";
	}
}

int store_failed(sqlite3 *db, const char *path, const char *what, struct error *err)
{
	int r = errno_of(db);

	return error_set(err, r, "cannot %s database %s: %s%s", what, path, sqlite3_errmsg(db),
		remedy_of(r));
}

int store_execute(sqlite3 *db, const char *path, const char *sql, struct error *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_failed(db, path, "use", err);
	return 0;
}

int store_read_number(
	sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *err)
{
	sqlite3_stmt *stmt = NULL;
	int r = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK ||
		sqlite3_step(stmt) != SQLITE_ROW)
		r = store_failed(db, path, "read", err);
	else
		*ret = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt); /* repeats the failure of the step */
	return r;
}

/* ---- statements ---- */

static struct store_statement *find_statement(struct store *store, const char *sql)
{
	for (size_t i = 0; i < store->n_statements; i++) {
		if (store->statements[i].sql == sql)
			return &store->statements[i];
	}
	return NULL;
}

static int statement_for(
	struct store *store, const char *sql, struct store_statement **ret, struct error *err)
{
	struct store_statement *statement = find_statement(store, sql);

	if (!statement) {
		assert(store->n_statements < ARRAY_SIZE(store->statements));
		statement = &store->statements[store->n_statements];
		if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
			    &statement->stmt, NULL) != SQLITE_OK) {
			*ret = NULL;
			return store_failed(store->db, store->path, "use", err);
		}
		statement->sql = sql;
		statement->actor = sqlite3_bind_parameter_index(statement->stmt, ":actor");
		statement->now = sqlite3_bind_parameter_index(statement->stmt, ":now_ms");
		store->n_statements++;
	}
	*ret = statement;
	return 0;
}

/* The text is borrowed by the statement until it is reset. */
static int bind_value(sqlite3_stmt *stmt, int number, const struct store_value *value)
{
	switch (value->type) {
	case VALUE_NULL:
		return sqlite3_bind_null(stmt, number);
	case VALUE_NUMBER:
		return sqlite3_bind_int64(stmt, number, value->number);
	case VALUE_TEXT:
		return sqlite3_bind_text(stmt, number, value->data, -1, SQLITE_STATIC);
	case VALUE_BLOB:
		return sqlite3_bind_blob64(stmt, number, value->data, value->n, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

static int bind(struct store *store, const struct store_statement *statement,
	const struct store_value *values, size_t n, struct error *err)
{
	int code = SQLITE_OK;

	/* Numbers first in the text of a statement: a name takes the next that is free. */
	assert(statement->actor == 0 || (size_t)statement->actor > n);
	assert(statement->now == 0 || (size_t)statement->now > n);
	for (size_t i = 0; i < n && code == SQLITE_OK; i++)
		code = bind_value(statement->stmt, (int)i + 1, &values[i]);
	if (statement->actor && code == SQLITE_OK)
		code = sqlite3_bind_text(
			statement->stmt, statement->actor, store->actor, -1, SQLITE_STATIC);
	if (statement->now && code == SQLITE_OK)
		code = sqlite3_bind_int64(
			statement->stmt, statement->now, (int64_t)store->now_ms);
	return code == SQLITE_OK ? 0 : store_failed(store->db, store->path, "use", err);
}

/* ---- changes ---- */

static int step(struct store *store, const char *sql, const struct store_value *values,
	size_t n, struct error *err)
{
	struct store_statement *statement;
	int r = statement_for(store, sql, &statement, err);

	if (statement)
		r = bind(store, statement, values, n, err);
	if (!statement || r < 0)
		return r;
	if (sqlite3_step(statement->stmt) != SQLITE_DONE)
		r = store_failed(store->db, store->path, "write to", err);
	(void)sqlite3_reset(statement->stmt); /* repeats the failure of the step */
	return r;
}

static int begin(struct store *store, struct error *err)
{
	static const char BEGIN[] = "BEGIN IMMEDIATE";
	int r = 0;

	if (!store->is_open)
		r = step(store, BEGIN, NULL, 0, err);
	if (r == 0)
		store->is_open = true;
	return r;
}

int store_change_values(
	struct store *store, const char *sql, const struct store_value *values, size_t n)
{
	if (store->failure.code < 0)
		return 0;
	if (begin(store, &store->failure) < 0 ||
		step(store, sql, values, n, &store->failure) < 0)
		return 0;
	return sqlite3_changes(store->db);
}

/* ---- rows ---- */

int store_ask_values(struct store *store, struct row *ret, const char *sql,
	const struct store_value *values, size_t n, struct error *err)
{
	struct store_statement *statement;
	int r = statement_for(store, sql, &statement, err);

	if (statement)
		r = bind(store, statement, values, n, err);
	if (statement && r == 0)
		*ret = (struct row){ .store = store, .stmt = statement->stmt };
	return r;
}

int row_next(struct row *row, struct error *err)
{
	int r = 0;

	row->column = 0;
	switch (sqlite3_step(row->stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		break;
	default:
		r = store_failed(row->store->db, row->store->path, "read", err);
	}
	row_end(row);
	return r;
}

void row_end(struct row *row)
{
	(void)sqlite3_reset(row->stmt); /* repeats the failure of the step */
}

int row_check(struct row *row, struct error *err)
{
	int r;

	if (!row->is_damaged)
		return 0;
	r = error_set(err, -EBADMSG, "cannot read database %s: a value in %s is not possible%s",
		row->store->path, sqlite3_sql(row->stmt), remedy_of(-EBADMSG));
	row_end(row);
	return r;
}

int row_yield(struct row *row, int r)
{
	if (r < 0)
		row_end(row);
	return r;
}

const char *row_borrow(struct row *row)
{
	const char *text = (const char *)sqlite3_column_text(row->stmt, row->column++);

	return text ? text : "";
}

void row_text(struct row *row, char *ret, size_t size)
{
	const char *text = row_borrow(row);
	size_t n = strlen(text);

	if (n >= size) {
		row->is_damaged = true;
		n = 0;
	}
	memcpy(ret, text, n);
	ret[n] = '\0';
}

char *row_string(struct row *row)
{
	return xstrdup(row_borrow(row));
}

char *row_string_or_null(struct row *row)
{
	if (sqlite3_column_type(row->stmt, row->column) != SQLITE_NULL)
		return row_string(row);
	row->column++;
	return NULL;
}

int64_t row_signed(struct row *row)
{
	return sqlite3_column_int64(row->stmt, row->column++);
}

uint64_t row_number(struct row *row, uint64_t limit)
{
	int64_t number = row_signed(row);

	if (number >= 0 && (uint64_t)number <= limit)
		return (uint64_t)number;
	row->is_damaged = true;
	return 0;
}

bool row_flag(struct row *row)
{
	return row_number(row, 1);
}

void row_bytes(struct row *row, uint8_t *ret, size_t n)
{
	const void *data = sqlite3_column_blob(row->stmt, row->column);
	int length = sqlite3_column_bytes(row->stmt, row->column++);

	if (data && (size_t)length == n)
		memcpy(ret, data, n);
	else
		row->is_damaged = true;
}

int store_ask_names(
	struct row *row, int r, store_name_fn *on_name, void *context, struct error *err)
{
	while (r == 0 && (r = row_next(row, err)) > 0) {
		on_name(context, row_borrow(row));
		r = 0;
	}
	return r;
}
