/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/tags.h"

/* Hosts with their tags, what they bring into deployments, and keys. */

/* ---- hosts ---- */

static void put_tags(struct store *store, const struct host *host)
{
	static const char CLEAR[] = "DELETE FROM host_tags WHERE host_name = ?1";
	static const char PUT[] = "INSERT INTO host_tags (host_name, key, value, created_by,"
				  " changed_by, changed_ms)"
				  " VALUES (?1, ?2, ?3, :actor, :actor, :now_ms)";

	(void)store_change(store, CLEAR, store_text(host->name));
	for (size_t i = 0; i < host->tags.n; i++)
		(void)store_change(store, PUT, store_text(host->name),
			store_text(host->tags.items[i].key),
			store_text(host->tags.items[i].value));
}

void store_put_host(struct store *store, const struct host *host)
{
	static const char PUT[] =
		"INSERT INTO hosts (name, iam_arn, is_session_arn, instance_arn,"
		" registered_ms, deregistered_ms, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, :actor, :actor, :now_ms)"
		" ON CONFLICT (name) DO UPDATE SET iam_arn = excluded.iam_arn,"
		" is_session_arn = excluded.is_session_arn,"
		" instance_arn = excluded.instance_arn,"
		" registered_ms = excluded.registered_ms,"
		" deregistered_ms = excluded.deregistered_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(host->name), store_text(host->iam_arn),
		store_number(host->is_session_arn), store_text(host->instance_arn),
		store_number(host->registered_ms), store_number(host->deregistered_ms));
	put_tags(store, host);
}

static int load_tags(struct store *store, struct host *host, struct error *err)
{
	static const char LOAD[] =
		"SELECT key, value FROM host_tags WHERE host_name = ?1 ORDER BY key";
	struct row row;
	int r = store_ask(store, &row, LOAD, err, store_text(host->name));

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(freep) char *key = row_string(&row);

		tags_set(&host->tags, key, row_borrow(&row));
		r = 0;
	}
	return r;
}

static void hostp(struct host **host)
{
	host_free(*host);
}

int store_load_hosts(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] = "SELECT name, iam_arn, is_session_arn, instance_arn,"
				   " registered_ms, deregistered_ms FROM hosts ORDER BY name";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(hostp) struct host *host = xcalloc(1, sizeof(*host));

		row_text(&row, host->name, sizeof(host->name));
		host->iam_arn = row_string(&row);
		host->is_session_arn = row_flag(&row);
		host->instance_arn = row_string(&row);
		host->registered_ms = row_number(&row, UINT64_MAX);
		host->deregistered_ms = row_number(&row, UINT64_MAX);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, load_tags(store, host, err));
		if (r == 0)
			r = row_yield(&row, loader->on_host(loader, take(&host)));
	}
	return r;
}

int store_page_hosts(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err)
{
	static const char PAGE[] =
		"SELECT name FROM hosts WHERE name > ?1 ORDER BY name LIMIT ?2";
	struct row row;
	int r = store_ask(store, &row, PAGE, err, store_text(after), store_number(limit));

	return store_ask_names(&row, r, on_name, context, err);
}

/* ---- what hosts bring along ---- */

void store_put_host_record(struct store *store, const char *host_name, const char *group_id,
	const struct host_record *record)
{
	static const char PUT[] =
		"INSERT INTO host_records (group_id, host_name, healthy, revision,"
		" deployment_id, changed_ms, created_by, changed_by)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, :actor, :actor)"
		" ON CONFLICT (group_id, host_name) DO UPDATE SET healthy = excluded.healthy,"
		" revision = excluded.revision, deployment_id = excluded.deployment_id,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(group_id), store_text(host_name),
		store_number(record->history.healthy), store_number(record->history.revision),
		store_text(record->deployment_id), store_number(record->written_ms));
}

int store_find_host_record(struct store *store, const char *host_name, const char *group_id,
	struct host_record *ret, struct error *err)
{
	static const char FIND[] =
		"SELECT healthy, revision, deployment_id, changed_ms FROM host_records"
		" WHERE group_id = ?1 AND host_name = ?2";
	struct host_record record = { 0 };
	struct row row;
	int r = store_ask(store, &row, FIND, err, store_text(group_id), store_text(host_name));

	if (r == 0)
		r = row_next(&row, err);
	if (r <= 0)
		return r;
	record.history.healthy = row_flag(&row);
	record.history.revision = (enum revision_health)row_number(&row, REVISION_CURRENT);
	row_text(&row, record.deployment_id, sizeof(record.deployment_id));
	record.written_ms = row_number(&row, UINT64_MAX);
	r = row_check(&row, err);
	if (r < 0)
		return r;
	row_end(&row);
	*ret = record;
	return 1;
}

/* ---- keys ---- */

void store_put_key(struct store *store, const struct key *key)
{
	static const char PUT[] =
		"INSERT INTO keys (id, name, role, user_arn, applications, secret, disabled,"
		" created_ms, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, :actor, :actor, :now_ms)"
		" ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,"
		" user_arn = excluded.user_arn, applications = excluded.applications,"
		" secret = excluded.secret, disabled = excluded.disabled,"
		" created_ms = excluded.created_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(key->id), store_text(key->name),
		store_number(key->role), store_text(key->user_arn),
		store_text(key->applications), store_text(key->secret),
		store_number(key->disabled), store_number(key->created_ms));
}

void store_delete_key(struct store *store, const char *id)
{
	static const char DELETE[] = "DELETE FROM keys WHERE id = ?1";

	(void)store_change(store, DELETE, store_text(id));
}

static void keyp(struct key **key)
{
	key_free(*key);
}

int store_load_keys(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] = "SELECT id, name, role, user_arn, applications, secret,"
				   " disabled, created_ms FROM keys ORDER BY id";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(keyp) struct key *key = xcalloc(1, sizeof(*key));

		row_text(&row, key->id, sizeof(key->id));
		row_text(&row, key->name, sizeof(key->name));
		key->role = (enum key_role)row_number(&row, KEY_HOST);
		key->user_arn = row_string(&row);
		key->applications = row_string(&row);
		key->secret = row_string(&row);
		key->disabled = row_flag(&row);
		key->created_ms = row_number(&row, UINT64_MAX);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_key(loader, take(&key)));
	}
	return r;
}
