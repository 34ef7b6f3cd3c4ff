/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Applications, configurations and groups. */

/* ---- applications ---- */

void store_put_application(struct store *store, const struct application *application)
{
	static const char PUT[] =
		"INSERT INTO applications (id, name, created_ms, created_by, changed_by,"
		" changed_ms) VALUES (?1, ?2, ?3, :actor, :actor, :now_ms)"
		" ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
		" created_ms = excluded.created_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(application->id),
		store_text(application->name), store_number(application->created_ms));
}

void store_rename_application(struct store *store, const char *id, const char *name)
{
	/* Its history goes with it: deployments are listed by the application's name. */
	static const char DEPLOYMENTS[] =
		"UPDATE deployments SET application_name = ?2, changed_by = :actor,"
		" changed_ms = :now_ms WHERE application_name ="
		" (SELECT name FROM applications WHERE id = ?1)";
	static const char APPLICATION[] =
		"UPDATE applications SET name = ?2, changed_by = :actor,"
		" changed_ms = :now_ms WHERE id = ?1";

	(void)store_change(store, DEPLOYMENTS, store_text(id), store_text(name));
	(void)store_change(store, APPLICATION, store_text(id), store_text(name));
}

void store_delete_application(struct store *store, const char *id)
{
	static const char DELETE[] = "DELETE FROM applications WHERE id = ?1";

	(void)store_change(store, DELETE, store_text(id));
}

int store_load_applications(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] =
		"SELECT id, name, created_ms FROM applications ORDER BY name";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(freep) struct application *application = xcalloc(
			1, sizeof(*application));

		row_text(&row, application->id, sizeof(application->id));
		row_text(&row, application->name, sizeof(application->name));
		application->created_ms = row_number(&row, UINT64_MAX);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_application(loader, take(&application)));
	}
	return r;
}

int store_page_applications(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err)
{
	static const char PAGE[] =
		"SELECT name FROM applications WHERE name > ?1 ORDER BY name LIMIT ?2";
	struct row row;
	int r = store_ask(store, &row, PAGE, err, store_text(after), store_number(limit));

	return store_ask_names(&row, r, on_name, context, err);
}

/* ---- configurations ---- */

void store_put_config(struct store *store, const struct deployment_config *config)
{
	static const char PUT[] =
		"INSERT INTO configs (id, name, minimum_type, minimum_value, created_ms,"
		" created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, :actor, :actor, :now_ms)"
		" ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
		" minimum_type = excluded.minimum_type,"
		" minimum_value = excluded.minimum_value, created_ms = excluded.created_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(config->id), store_text(config->name),
		store_number(config->minimum.type), store_number(config->minimum.value),
		store_number(config->created_ms));
}

void store_delete_config(struct store *store, const char *id)
{
	static const char DELETE[] = "DELETE FROM configs WHERE id = ?1";

	(void)store_change(store, DELETE, store_text(id));
}

int store_load_configs(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] = "SELECT id, name, minimum_type, minimum_value, created_ms"
				   " FROM configs ORDER BY name";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(freep) struct deployment_config *config = xcalloc(
			1, sizeof(*config));

		row_text(&row, config->id, sizeof(config->id));
		row_text(&row, config->name, sizeof(config->name));
		config->minimum.type = (enum minimum_type)row_number(
			&row, MINIMUM_MOST_CONCURRENCY);
		config->minimum.value = (uint32_t)row_number(&row, UINT32_MAX);
		config->created_ms = row_number(&row, UINT64_MAX);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_config(loader, take(&config)));
	}
	return r;
}

int store_page_configs(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err)
{
	static const char PAGE[] =
		"SELECT name FROM configs WHERE name > ?1 ORDER BY name LIMIT ?2";
	struct row row;
	int r = store_ask(store, &row, PAGE, err, store_text(after), store_number(limit));

	return store_ask_names(&row, r, on_name, context, err);
}

/* ---- groups ---- */

void store_put_group(struct store *store, const struct group *group)
{
	static const char PUT[] =
		"INSERT INTO groups (id, application_id, name, config_name, created_ms,"
		" settings, last_successful, last_attempted, target_revision,"
		" created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, :actor, :actor, :now_ms)"
		" ON CONFLICT (id) DO UPDATE SET application_id = excluded.application_id,"
		" name = excluded.name, config_name = excluded.config_name,"
		" created_ms = excluded.created_ms, settings = excluded.settings,"
		" last_successful = excluded.last_successful,"
		" last_attempted = excluded.last_attempted,"
		" target_revision = excluded.target_revision,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(group->id),
		store_text(group->application->id), store_text(group->name),
		store_text(group->config_name), store_number(group->created_ms),
		store_text(group->settings), store_text(group->last_successful),
		store_text(group->last_attempted), store_text(group->target_revision));
}

void store_rename_group(struct store *store, const char *id, const char *name)
{
	static const char DEPLOYMENTS[] =
		"UPDATE deployments SET group_name = ?2, changed_by = :actor,"
		" changed_ms = :now_ms WHERE group_id = ?1";
	static const char GROUP[] =
		"UPDATE groups SET name = ?2, changed_by = :actor, changed_ms = :now_ms"
		" WHERE id = ?1";

	(void)store_change(store, DEPLOYMENTS, store_text(id), store_text(name));
	(void)store_change(store, GROUP, store_text(id), store_text(name));
}

void store_delete_group(struct store *store, const char *id)
{
	static const char DELETE[] = "DELETE FROM groups WHERE id = ?1";

	(void)store_change(store, DELETE, store_text(id));
}

static void groupp(struct group **group)
{
	group_free(*group);
}

int store_load_groups(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] =
		"SELECT a.name, g.id, g.name, g.config_name, g.created_ms, g.settings,"
		" g.last_successful, g.last_attempted, g.target_revision"
		" FROM groups g JOIN applications a ON a.id = g.application_id"
		" ORDER BY a.name, g.name";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(groupp) struct group *group = xcalloc(1, sizeof(*group));
		char application_name[NAME_LENGTH + 1];

		row_text(&row, application_name, sizeof(application_name));
		row_text(&row, group->id, sizeof(group->id));
		row_text(&row, group->name, sizeof(group->name));
		row_text(&row, group->config_name, sizeof(group->config_name));
		group->created_ms = row_number(&row, UINT64_MAX);
		group->settings = row_string(&row);
		row_text(&row, group->last_successful, sizeof(group->last_successful));
		row_text(&row, group->last_attempted, sizeof(group->last_attempted));
		group->target_revision = row_string_or_null(&row);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(
				&row, loader->on_group(loader, take(&group), application_name));
	}
	return r;
}

int store_page_groups(struct store *store, const char *application_id, const char *after,
	size_t limit, store_name_fn *on_name, void *context, struct error *err)
{
	static const char PAGE[] = "SELECT name FROM groups WHERE application_id = ?1"
				   " AND name > ?2 ORDER BY name LIMIT ?3";
	struct row row;
	int r = store_ask(store, &row, PAGE, err, store_text(application_id), store_text(after),
		store_number(limit));

	return store_ask_names(&row, r, on_name, context, err);
}
