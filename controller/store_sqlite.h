/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "controller/store.h"

/*
 * The store on SQLite, inside. One connection, one thread. Statements are prepared once, known
 * by the address of their text, which must be static.
 */
struct store_statement {
	const char *sql;
	sqlite3_stmt *stmt;
	int actor; /* number of the parameter :actor; 0: has none */
	int now;   /* :now_ms */
};

struct store {
	sqlite3 *db;
	char *path;
	int lock_fd;
	char actor[ACCESS_KEY_LENGTH + 1];
	uint64_t now_ms;
	bool is_open;         /* a transaction is */
	struct error failure; /* of the first put that failed since the last commit */
	struct store_statement statements[96];
	size_t n_statements;
};

/* ---- store_sqlite_query.c: statements, values in and out, errors */

struct store_value {
	enum { VALUE_NULL, VALUE_NUMBER, VALUE_TEXT, VALUE_BLOB } type;
	int64_t number;
	const void *data;
	size_t n;
};

static inline struct store_value store_text(const char *text)
{
	return (struct store_value){ .type = text ? VALUE_TEXT : VALUE_NULL, .data = text };
}

static inline struct store_value store_number(uint64_t number)
{
	return (struct store_value){ .type = VALUE_NUMBER, .number = (int64_t)number };
}

static inline struct store_value store_signed(int64_t number)
{
	return (struct store_value){ .type = VALUE_NUMBER, .number = number };
}

static inline struct store_value store_blob(const void *data, size_t n)
{
	return (struct store_value){ .type = VALUE_BLOB, .data = data, .n = n };
}

#define STORE_VALUES(...)                                                                      \
	(const struct store_value[]){ __VA_ARGS__ },                                           \
		sizeof((const struct store_value[]){ __VA_ARGS__ }) /                          \
			sizeof(struct store_value)

/*
 * Changes rows: begins the transaction if need be, binds the values to ?1, ?2... and actor and
 * time to :actor and :now_ms. Returns how many rows changed; 0 after a failure, which is kept.
 */
int store_change_values(
	struct store *store, const char *sql, const struct store_value *values, size_t n);
#define store_change(store, sql, ...) store_change_values(store, sql, STORE_VALUES(__VA_ARGS__))

/*
 * Reads rows: `for (r = store_ask(...); r == 0 && (r = row_next(&row, &err)) > 0;)`. The
 * statement is free again after the last row or a failure, else by row_end().
 */
struct row {
	struct store *store;
	sqlite3_stmt *stmt;
	int column;      /* the next to be read */
	bool is_damaged; /* a value was not what the schema says */
};

int store_ask_values(struct store *store, struct row *ret, const char *sql,
	const struct store_value *values, size_t n, struct error *err);
#define store_ask(store, ret, sql, err, ...)                                                   \
	store_ask_values(store, ret, sql, STORE_VALUES(__VA_ARGS__), err)

int row_next(struct row *row, struct error *err); /* 1: a row; 0: no more */
void row_end(struct row *row);
/* -EBADMSG if anything read of the row was not as it must be; the rows end then. */
int row_check(struct row *row, struct error *err);

/* What a callback says of the row: a failure ends the rows. Returns r. */
int row_yield(struct row *row, int r);

/* Each reads the next column. */
void row_text(struct row *row, char *ret, size_t size);
const char *row_borrow(struct row *row); /* until the next row; "" for NULL */
char *row_string(struct row *row);       /* for the caller to free; "" for NULL */
char *row_string_or_null(struct row *row);
uint64_t row_number(struct row *row, uint64_t limit);
int64_t row_signed(struct row *row);
bool row_flag(struct row *row);
void row_bytes(struct row *row, uint8_t *ret, size_t n); /* of exactly that length */

/* Calls back with the first column of each row. */
int store_ask_names(
	struct row *row, int r, store_name_fn *on_name, void *context, struct error *err);

/* What SQLite's last failure on the connection was, as an errno and a sentence. */
int store_failed(sqlite3 *db, const char *path, const char *what, struct error *err);

/* Text without parameters, many statements, no rows. */
int store_execute(sqlite3 *db, const char *path, const char *sql, struct error *err);

/* The number that a statement, say a pragma, answers with. */
int store_read_number(
	sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *err);

/* ---- store_sqlite_schema.c */

struct store_migration {
	int version; /* 1 for the first, and so on */
	const char *name;
	const char *sql;
};
extern const struct store_migration store_migrations[];
extern const size_t store_n_migrations;

int store_migrate(struct store *store, const struct store_migration *migrations, size_t n,
	struct error *err);

/* ---- store_sqlite_open.c */

/* store_open() with other migrations, for tests. */
int store_open_with(struct store **ret, const char *path,
	const struct store_migration *migrations, size_t n, struct error *err);

/* The directory that a file lies in, for the caller to free. */
char *store_directory_of(const char *path);

/* ---- loads, by noun */

int store_load_applications(
	struct store *store, struct store_loader *loader, struct error *err);
int store_load_configs(struct store *store, struct store_loader *loader, struct error *err);
int store_load_groups(struct store *store, struct store_loader *loader, struct error *err);
int store_load_hosts(struct store *store, struct store_loader *loader, struct error *err);
int store_load_keys(struct store *store, struct store_loader *loader, struct error *err);
int store_load_deployments(struct store *store, struct store_loader *loader, struct error *err);
int store_load_targets(struct store *store, struct store_loader *loader, struct error *err);
int store_load_deliveries(struct store *store, struct store_loader *loader, struct error *err);
