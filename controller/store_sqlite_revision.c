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

/* Those of one time are in the order of their locations. */
#define PAGE(column, order, direction, start)                                                  \
	"SELECT location FROM revisions WHERE application_id = ?1 AND (" column                \
	", location) " order " (coalesce((SELECT " column                                      \
	" FROM revisions WHERE application_id = ?1 AND location = ?2), " start "), ?2)"        \
	" ORDER BY " column " " direction ", location " direction " LIMIT ?3"
#define UP(column) PAGE(column, ">", "ASC", "-1")
#define DOWN(column) PAGE(column, "<", "DESC", "9223372036854775807")

int store_page_revisions(struct store *store, const char *application_id,
	enum revision_order order, bool descending, const char *after, size_t limit,
	store_name_fn *on_location, void *context, struct error *err)
{
	static const char LOCATION_UP[] =
		"SELECT location FROM revisions WHERE application_id = ?1 AND location > ?2"
		" ORDER BY location LIMIT ?3";
	static const char LOCATION_DOWN[] =
		"SELECT location FROM revisions WHERE application_id = ?1"
		" AND (?2 = '' OR location < ?2) ORDER BY location DESC LIMIT ?3";
	static const char REGISTERED_UP[] = UP("registered_ms");
	static const char REGISTERED_DOWN[] = DOWN("registered_ms");
	static const char FIRST_USED_UP[] = UP("first_used_ms");
	static const char FIRST_USED_DOWN[] = DOWN("first_used_ms");
	static const char LAST_USED_UP[] = UP("last_used_ms");
	static const char LAST_USED_DOWN[] = DOWN("last_used_ms");
	static const char *const pages[][2] = {
		[REVISIONS_BY_LOCATION] = { LOCATION_UP, LOCATION_DOWN },
		[REVISIONS_BY_REGISTERED] = { REGISTERED_UP, REGISTERED_DOWN },
		[REVISIONS_BY_FIRST_USED] = { FIRST_USED_UP, FIRST_USED_DOWN },
		[REVISIONS_BY_LAST_USED] = { LAST_USED_UP, LAST_USED_DOWN },
	};
	struct row row;
	int r = store_ask(store, &row, pages[order][descending], err,
		store_text(application_id), store_text(after), store_number(limit));

	return store_ask_names(&row, r, on_location, context, err);
}
