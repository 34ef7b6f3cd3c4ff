/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void store_put_revision(struct store *store, const struct revision_record *record)
{
	static const char PUT[] =
		"INSERT INTO revisions (application_id, location, description, registered_ms,"
		" first_used_ms, last_used_ms, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, :actor, :actor, :now_ms)"
		" ON CONFLICT (application_id, location) DO UPDATE SET"
		" description = excluded.description,"
		" registered_ms = excluded.registered_ms,"
		" first_used_ms = excluded.first_used_ms,"
		" last_used_ms = excluded.last_used_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(record->application_id),
		store_text(record->location), store_text(record->description),
		store_number(record->registered_ms), store_number(record->first_used_ms),
		store_number(record->last_used_ms));
}

int store_find_revision(struct store *store, const char *application_id, const char *location,
	struct revision_record *ret, struct error *err)
{
	static const char FIND[] =
		"SELECT application_id, location, description, registered_ms, first_used_ms,"
		" last_used_ms FROM revisions WHERE application_id = ?1 AND location = ?2";
	struct revision_record record = { 0 };
	struct row row;
	int r = store_ask(
		store, &row, FIND, err, store_text(application_id), store_text(location));

	if (r == 0)
		r = row_next(&row, err);
	if (r <= 0)
		return r;
	row_text(&row, record.application_id, sizeof(record.application_id));
	record.location = row_string(&row);
	record.description = row_string(&row);
	record.registered_ms = row_number(&row, UINT64_MAX);
	record.first_used_ms = row_number(&row, UINT64_MAX);
	record.last_used_ms = row_number(&row, UINT64_MAX);
	r = row_check(&row, err);
	if (r < 0) {
		revision_record_done(&record);
		return r;
	}
	row_end(&row);
	*ret = record;
	return 1;
}
