/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rates DIRECTORY: prints what this machine does a second of the two things that a controller
 * cannot avoid: verifying a signature, and making a lifecycle event durable in SQLite (one row
 * updated, one appended), alone and in batches. tests/bench/controller.sh compares with these.
 */
#include <err.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/sigv4.h"

#define HOSTS 10000
#define EVENTS 9
#define SECONDS 1.0

static double now(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- signatures */

static const char body[] = "{\"HostIdentifier\":\"arn:aws:iam::000000000000:user/host-00001\"}";
static const char secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

static void measure_signatures(void)
{
	uint8_t digest[DIGEST_BYTES];
	uint8_t key[DIGEST_BYTES];
	char hash[DIGEST_HEX_SIZE];
	const struct header headers[] = {
		{ "Content-Type", "application/x-amz-json-1.1" },
		{ "Host", "127.0.0.1:8443" },
		{ "X-Amz-Content-Sha256", hash },
		{ "X-Amz-Date", "20261120T165603Z" },
		{ "X-Amz-Target", "CodeDeployCommandService_v20141006.PollHostCommand" },
		{ "X-Amz-Codedeploy-Agent-Version", "2.1.0" },
	};
	const struct sigv4_request request = {
		.method = "POST",
		.path = "/",
		.headers = headers,
		.n_headers = ARRAY_SIZE(headers),
		.payload_hash = hash,
	};
	const struct sigv4_scope scope = {
		.date = "20261120", .region = "local", .service = "codedeploy-commands"
	};
	struct sigv4_authorization authorization;
	cleanup_with(freep) char *value = NULL;
	struct error error = ERROR_NONE;
	uint64_t date_ms = 0;
	unsigned long n = 0;
	double began;

	digest_of(body, sizeof(body) - 1, digest);
	digest_format(digest, hash);
	if (sigv4_sign(&value, &request, "AKIDEXAMPLE", secret, &scope, &error) < 0 ||
		sigv4_time(&request, &date_ms, &error) < 0)
		errx(EXIT_FAILURE, "%s", error.text);
	sigv4_derive_key(secret, &scope, key);
	began = now(CLOCK_PROCESS_CPUTIME_ID);
	do {
		digest_of(body, sizeof(body) - 1, digest);
		digest_format(digest, hash);
		if (sigv4_parse(&authorization, value, &error) < 0 ||
			sigv4_verify(&request, &authorization, key, "codedeploy-commands", NULL,
				date_ms, &error) != SIGV4_VALID)
			errx(EXIT_FAILURE, "%s", error.text);
		n++;
	} while (n % 100 != 0 || now(CLOCK_PROCESS_CPUTIME_ID) - began < SECONDS);
	printf("signatures %.0f\n", (double)n / (now(CLOCK_PROCESS_CPUTIME_ID) - began));
}

/* ---- store */

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		errx(EXIT_FAILURE, "%s: %s", sql, sqlite3_errmsg(db));
}

static void step(sqlite3 *db, sqlite3_stmt *statement, int host, int event)
{
	if (sqlite3_bind_int(statement, 1, host) != SQLITE_OK ||
		sqlite3_bind_int(statement, 2, event) != SQLITE_OK ||
		sqlite3_step(statement) != SQLITE_DONE)
		errx(EXIT_FAILURE, "a statement: %s", sqlite3_errmsg(db));
	(void)sqlite3_reset(statement);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		errx(EXIT_FAILURE, "%s: %s", sql, sqlite3_errmsg(db));
	return statement;
}

static sqlite3 *make_store(const char *path)
{
	sqlite3_stmt *insert;
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		errx(EXIT_FAILURE, "cannot open %s: %s", path, sqlite3_errmsg(db));
	run(db, "PRAGMA journal_mode = WAL");
	run(db, "PRAGMA synchronous = FULL");
	run(db, "PRAGMA wal_autocheckpoint = 4000");
	run(db, "CREATE TABLE host_event (host INTEGER, event INTEGER, status INTEGER, "
		"started INTEGER, ended INTEGER, PRIMARY KEY (host, event)) WITHOUT ROWID");
	run(db, "CREATE TABLE event_log (id INTEGER PRIMARY KEY, host INTEGER, event INTEGER, "
		"status INTEGER, at INTEGER, message TEXT)");
	run(db, "BEGIN IMMEDIATE");
	insert = prepare(db, "INSERT INTO host_event VALUES (?1, ?2, 0, 0, 0)");
	for (int host = 0; host < HOSTS; host++)
		for (int event = 0; event < EVENTS; event++)
			step(db, insert, host, event);
	sqlite3_finalize(insert);
	run(db, "COMMIT");
	return db;
}

static void measure_batch(sqlite3 *db, int batch)
{
	sqlite3_stmt *update = prepare(db,
		"UPDATE host_event SET status = 2, ended = 1795190163118"
		" WHERE host = ?1 AND event = ?2");
	sqlite3_stmt *append = prepare(db,
		"INSERT INTO event_log (host, event, status, at, message) VALUES (?1, ?2, 2, "
		"1795190163118, 'Succeeded')");
	double began = now(CLOCK_MONOTONIC);
	unsigned long n = 0;

	do {
		run(db, "BEGIN IMMEDIATE");
		for (int i = 0; i < batch; i++, n++) {
			step(db, update, (int)(n / EVENTS % HOSTS), (int)(n % EVENTS));
			step(db, append, (int)(n / EVENTS % HOSTS), (int)(n % EVENTS));
		}
		run(db, "COMMIT");
	} while (now(CLOCK_MONOTONIC) - began < SECONDS);
	printf("store%d %.0f\n", batch, (double)n / (now(CLOCK_MONOTONIC) - began));
	sqlite3_finalize(update);
	sqlite3_finalize(append);
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	sqlite3 *db;

	if (argc != 2)
		errx(2, "rates DIRECTORY");
	measure_signatures();
	(void)snprintf(path, sizeof(path), "%s/rates.db", argv[1]);
	db = make_store(path);
	measure_batch(db, 1);
	measure_batch(db, 100);
	measure_batch(db, 1000);
	sqlite3_close(db);
	(void)unlink(path);
	return EXIT_SUCCESS;
}
