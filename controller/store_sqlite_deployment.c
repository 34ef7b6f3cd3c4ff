/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

/* ---- put ---- */

/*
 * Status and completion stand in indices, which each row that names them would write anew,
 * changed or not; most puts change neither.
 */
static void put_status(struct store *store, const struct deployment_record *record)
{
	static const char PUT[] = "UPDATE deployments SET status = ?2, completed_ms = ?3"
				  " WHERE id = ?1 AND (status <> ?2 OR completed_ms <> ?3)";
	/* Nothing is under way any more. */
	static const char END[] = "DELETE FROM deliveries WHERE deployment_id = ?1";

	if (store_change(store, PUT, store_text(record->id), store_text(record->status),
		    store_number(record->completed_ms)) > 0 &&
		record->completed_ms > 0)
		(void)store_change(store, END, store_text(record->id));
}

/* What a deployment is made with (application, group, creation) is not changed by a put. */
void store_put_deployment(struct store *store, const struct deployment_record *record)
{
	static const char PUT[] =
		"INSERT INTO deployments (id, application_name, group_id, group_name,"
		" config_name, status, created_ms, started_ms, completed_ms, pending,"
		" in_progress, succeeded, failed, skipped, ready, creator, error_code,"
		" error_message, ignore_application_stop_failures, only_outdated, restart,"
		" file_exists, rolled_back_by, rollback_of, rollback_message, description,"
		" revision, previous_revision, auto_rollback, alarm_override, messages,"
		" rollout, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
		" ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30,"
		" ?31, ?32, ?33, :actor, :now_ms)"
		" ON CONFLICT (id) DO UPDATE SET group_name = excluded.group_name,"
		" started_ms = excluded.started_ms, pending = excluded.pending,"
		" in_progress = excluded.in_progress, succeeded = excluded.succeeded,"
		" failed = excluded.failed, skipped = excluded.skipped,"
		" ready = excluded.ready, error_code = excluded.error_code,"
		" error_message = excluded.error_message,"
		" rolled_back_by = excluded.rolled_back_by,"
		" rollback_of = excluded.rollback_of,"
		" rollback_message = excluded.rollback_message,"
		" revision = excluded.revision,"
		" previous_revision = excluded.previous_revision,"
		" auto_rollback = excluded.auto_rollback, messages = excluded.messages,"
		" rollout = excluded.rollout,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	put_status(store, record);
	(void)store_change(store, PUT, store_text(record->id),
		store_text(record->application_name), store_text(record->group_id),
		store_text(record->group_name), store_text(record->config_name),
		store_text(record->status), store_number(record->created_ms),
		store_number(record->started_ms), store_number(record->completed_ms),
		store_number(record->overview[0]), store_number(record->overview[1]),
		store_number(record->overview[2]), store_number(record->overview[3]),
		store_number(record->overview[4]), store_number(record->overview[5]),
		store_text(record->creator), store_text(record->error_code),
		store_text(record->error_message),
		store_number(record->ignore_application_stop_failures),
		store_number(record->only_outdated), store_number(record->restart),
		store_text(record->file_exists), store_text(record->rolled_back_by),
		store_text(record->rollback_of), store_text(record->rollback_message),
		store_text(record->description), store_text(record->revision),
		store_text(record->previous_revision), store_text(record->auto_rollback),
		store_text(record->alarm_override), store_text(record->messages),
		store_text(record->rollout), store_text(record->created_by));
}

/* ---- read ---- */

#define COLUMNS                                                                                \
	"id, application_name, group_id, group_name, config_name, revision,"                   \
	" previous_revision, description, creator, created_by, created_ms, started_ms,"        \
	" completed_ms, status, error_code, error_message, pending, in_progress, succeeded,"   \
	" failed, skipped, ready, ignore_application_stop_failures, only_outdated, restart,"   \
	" file_exists, auto_rollback, alarm_override, messages, rolled_back_by, rollback_of,"  \
	" rollback_message, rollout"

static void read_record(struct row *row, struct deployment_record *record)
{
	row_text(row, record->id, sizeof(record->id));
	row_text(row, record->application_name, sizeof(record->application_name));
	row_text(row, record->group_id, sizeof(record->group_id));
	row_text(row, record->group_name, sizeof(record->group_name));
	row_text(row, record->config_name, sizeof(record->config_name));
	record->revision = row_string(row);
	record->previous_revision = row_string_or_null(row);
	record->description = row_string(row);
	row_text(row, record->creator, sizeof(record->creator));
	record->created_by = row_string(row);
	record->created_ms = row_number(row, UINT64_MAX);
	record->started_ms = row_number(row, UINT64_MAX);
	record->completed_ms = row_number(row, UINT64_MAX);
	row_text(row, record->status, sizeof(record->status));
	record->error_code = row_string_or_null(row);
	record->error_message = row_string_or_null(row);
	for (size_t i = 0; i < ARRAY_SIZE(record->overview); i++)
		record->overview[i] = (uint32_t)row_number(row, UINT32_MAX);
	record->ignore_application_stop_failures = row_flag(row);
	record->only_outdated = row_flag(row);
	record->restart = row_flag(row);
	row_text(row, record->file_exists, sizeof(record->file_exists));
	record->auto_rollback = row_string(row);
	record->alarm_override = row_string_or_null(row);
	record->messages = row_string(row);
	row_text(row, record->rolled_back_by, sizeof(record->rolled_back_by));
	row_text(row, record->rollback_of, sizeof(record->rollback_of));
	record->rollback_message = row_string_or_null(row);
	record->rollout = row_string(row);
}

int store_find_deployment(
	struct store *store, const char *id, struct deployment_record *ret, struct error *err)
{
	static const char FIND[] = "SELECT " COLUMNS " FROM deployments WHERE id = ?1";
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct row row;
	int r = store_ask(store, &row, FIND, err, store_text(id));

	if (r == 0)
		r = row_next(&row, err);
	if (r <= 0)
		return r;
	read_record(&row, &record);
	r = row_check(&row, err);
	if (r < 0)
		return r;
	row_end(&row);
	*ret = record;
	record = (struct deployment_record){ 0 };
	return 1;
}

static void recordp(struct deployment_record **record)
{
	deployment_record_done(*record);
	free(*record);
}

int store_load_deployments(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] = "SELECT " COLUMNS
				   " FROM deployments WHERE completed_ms = 0 ORDER BY number";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(recordp) struct deployment_record *record = xcalloc(
			1, sizeof(*record));

		read_record(&row, record);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_deployment(loader, take(&record)));
	}
	return r;
}

/* ---- pages ---- */

/* Where a page goes on: behind the deployment `after`, or at the newest. */
static int find_place(struct store *store, const char *after, int64_t *ret_created_ms,
	int64_t *ret_number, struct error *err)
{
	static const char FIND[] = "SELECT created_ms, number FROM deployments WHERE id = ?1";
	struct row row;
	int r;

	*ret_created_ms = INT64_MAX;
	*ret_number = INT64_MAX;
	if (*after == '\0')
		return 0;
	r = store_ask(store, &row, FIND, err, store_text(after));
	if (r == 0)
		r = row_next(&row, err);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(
			err, -ENOENT, "there is no deployment %s to go on from", after);
	*ret_created_ms = row_signed(&row);
	*ret_number = row_signed(&row);
	row_end(&row);
	return 0;
}

/* ",Created,InProgress,", or "" for all. */
static char *statuses_text(const struct deployment_filter *filter)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < filter->n_statuses && filter->statuses; i++)
		buf_printf(&text, "%s%s,", i == 0 ? "," : "", filter->statuses[i]);
	return buf_steal(&text);
}

/* Read from an index alone, newest first. */
#define PAGE(index, where)                                                                     \
	"SELECT id FROM deployments INDEXED BY " index " WHERE " where                         \
	" (created_ms, number) < (?3, ?4) AND created_ms >= ?5 AND created_ms <= ?6"           \
	" AND (?7 = '' OR instr(?7, ',' || status || ',') > 0)"                                \
	" ORDER BY created_ms DESC, number DESC LIMIT ?8"

int store_page_deployments(struct store *store, const struct deployment_filter *filter,
	const char *after, size_t limit, store_name_fn *on_id, void *context, struct error *err)
{
	static const char OF_ALL[] = PAGE("deployments_by_time", "");
	static const char OF_GROUP[] = PAGE(
		"deployments_by_group", "group_id = ?1 AND (?2 IS NULL OR ?2 <> '') AND");
	static const char OF_APPLICATION[] = PAGE(
		"deployments_by_application", "application_name = ?2 AND");
	const char *sql = filter->group_id           ? OF_GROUP
			  : filter->application_name ? OF_APPLICATION
						     : OF_ALL;
	cleanup_with(freep) char *statuses = statuses_text(filter);
	int64_t created_ms;
	int64_t number;
	struct row row;
	int r = find_place(store, after, &created_ms, &number, err);

	if (r == 0)
		r = store_ask(store, &row, sql, err, store_text(filter->group_id),
			store_text(filter->application_name), store_signed(created_ms),
			store_signed(number), store_number(filter->created_from_ms),
			store_signed(filter->created_to_ms ? (int64_t)filter->created_to_ms
							   : INT64_MAX),
			store_text(statuses), store_number(limit));
	return store_ask_names(&row, r, on_id, context, err);
}
