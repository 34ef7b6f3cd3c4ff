/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/*
 * A transaction begins at the first change and ends in store_commit() or store_undo(). A change
 * that fails spoils it: what follows is not tried, and the commit takes all back.
 */

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->n_statements; i++)
		(void)sqlite3_finalize(store->statements[i].stmt);
	/* Without statements it cannot fail; what was not committed is gone. */
	(void)sqlite3_close(store->db);
	closep(&store->lock_fd);
	free(store->path);
	free(store);
}

void store_closep(struct store **store)
{
	store_close(*store);
}

void store_set_actor(struct store *store, const char *key_id, uint64_t now_ms)
{
	(void)snprintf(store->actor, sizeof(store->actor), "%s", key_id);
	store->now_ms = now_ms;
}

bool store_is_changed(const struct store *store)
{
	return store->is_open || store->failure.code < 0;
}

void store_undo(struct store *store)
{
	/* Some failures of the disk have undone it already. */
	if (!sqlite3_get_autocommit(store->db))
		(void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	store->is_open = false;
	store->failure = ERROR_NONE;
}

static int commit(struct store *store, struct error *err)
{
	if (store->failure.code < 0) {
		if (err)
			*err = store->failure;
		return store->failure.code;
	}
	if (sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return store_failed(store->db, store->path, "write to", err);
	store->is_open = false;
	return 0;
}

int store_commit(struct store *store, struct error *err)
{
	int r;

	if (!store_is_changed(store))
		return 0;
	r = commit(store, err);
	if (r < 0)
		store_undo(store);
	return r;
}

/* ---- audit and values ---- */

void store_put_audit(struct store *store, const char *what, const char *object)
{
	static const char PUT[] = "INSERT INTO audit (what, object, created_ms, created_by)"
				  " VALUES (?1, ?2, :now_ms, :actor)";

	(void)store_change(store, PUT, store_text(what), store_text(object));
}

void store_put_value(struct store *store, const char *name, const char *value)
{
	static const char PUT[] =
		"INSERT INTO controller_values VALUES (?1, ?2, :actor, :actor, :now_ms)"
		" ON CONFLICT (name) DO UPDATE SET value = excluded.value,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	static const char FORGET[] = "DELETE FROM controller_values WHERE name = ?1";

	if (value)
		(void)store_change(store, PUT, store_text(name), store_text(value));
	else
		(void)store_change(store, FORGET, store_text(name));
}

char *store_get_value(struct store *store, const char *name)
{
	static const char GET[] = "SELECT value FROM controller_values WHERE name = ?1";
	struct row row;
	struct error err = ERROR_NONE;
	char *value = NULL;
	int r = store_ask(store, &row, GET, &err, store_text(name));

	if (r == 0)
		r = row_next(&row, &err);
	if (r > 0) {
		value = row_string(&row);
		row_end(&row);
	}
	/* What could not be read must not be taken for absent, and be made anew. */
	if (r < 0 && store->failure.code == 0)
		store->failure = err;
	return value;
}

/* ---- load ---- */

typedef int load_fn(struct store *store, struct store_loader *loader, struct error *err);

int store_load(struct store *store, struct store_loader *loader, struct error *err)
{
	const struct {
		bool is_wanted;
		load_fn *load;
	} kinds[] = {
		{ loader->on_application, store_load_applications },
		{ loader->on_config, store_load_configs },
		{ loader->on_group, store_load_groups },
		{ loader->on_host, store_load_hosts },
		{ loader->on_key, store_load_keys },
		{ loader->on_deployment, store_load_deployments },
		{ loader->on_target, store_load_targets },
		{ loader->on_delivery, store_load_deliveries },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct error reason = ERROR_NONE;
		int r = kinds[i].is_wanted ? kinds[i].load(store, loader, &reason) : 0;

		if (r < 0 && reason.code == 0)
			return error_set(
				err, r, "cannot take up what %s holds: %m", store->path);
		if (r < 0) {
			if (err)
				*err = reason;
			return r;
		}
	}
	return 0;
}
