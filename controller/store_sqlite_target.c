/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/store_sqlite.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Targets, their lifecycle events, and the deliveries of commands. */

/* ---- targets ---- */

/* The host of a position never changes; leaving it out spares the index by host. */
void store_put_target(
	struct store *store, const char *deployment_id, const struct target_record *record)
{
	static const char PUT[] =
		"INSERT INTO targets (deployment_id, position, host_name, healthy, revision,"
		" gone, held, gone_since_ms, state, reason, step, events, touched, vanished,"
		" since_ms, updated_ms, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
		" ?16, :actor, :actor, :now_ms)"
		" ON CONFLICT (deployment_id, position) DO UPDATE SET"
		" healthy = excluded.healthy, revision = excluded.revision,"
		" gone = excluded.gone, held = excluded.held,"
		" gone_since_ms = excluded.gone_since_ms, state = excluded.state,"
		" reason = excluded.reason, step = excluded.step, events = excluded.events,"
		" touched = excluded.touched, vanished = excluded.vanished,"
		" since_ms = excluded.since_ms, updated_ms = excluded.updated_ms,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";
	const struct target *target = &record->target;

	(void)store_change(store, PUT, store_text(deployment_id),
		store_number(record->position), store_text(record->host_name),
		store_number(target->history.healthy), store_number(target->history.revision),
		store_number(target->gone), store_number(target->held),
		store_number(target->gone_since_ms), store_number(target->state),
		store_number(target->reason), store_number(target->step),
		store_blob(target->events, sizeof(target->events)),
		store_number(target->touched), store_number(target->vanished),
		store_number(target->since_ms), store_number(record->updated_ms));
}

#define TARGET_COLUMNS                                                                         \
	"t.position, t.host_name, t.healthy, t.revision, t.gone, t.held, t.gone_since_ms,"     \
	" t.state, t.reason, t.step, t.events, t.touched, t.vanished, t.since_ms,"             \
	" t.updated_ms"

static void read_target(struct row *row, struct target_record *record)
{
	struct target *target = &record->target;

	*record = (struct target_record){ 0 };
	record->position = (uint32_t)row_number(row, UINT32_MAX);
	row_text(row, record->host_name, sizeof(record->host_name));
	target->history.healthy = row_flag(row);
	target->history.revision = (enum revision_health)row_number(row, REVISION_CURRENT);
	target->gone = row_flag(row);
	target->held = row_flag(row);
	target->gone_since_ms = row_number(row, UINT64_MAX);
	target->state = (enum target_state)row_number(row, N_TARGET_STATES - 1);
	target->reason = (enum rollout_reason)row_number(row, N_ROLLOUT_REASONS - 1);
	target->step = (uint8_t)row_number(row, N_TARGET_EVENTS);
	row_bytes(row, target->events, sizeof(target->events));
	for (size_t i = 0; i < sizeof(target->events); i++) {
		if (target->events[i] > EVENT_STATUS_SKIPPED)
			row->is_damaged = true;
	}
	target->touched = row_flag(row);
	target->vanished = row_flag(row);
	target->since_ms = row_number(row, UINT64_MAX);
	record->updated_ms = row_number(row, UINT64_MAX);
}

int store_find_target(struct store *store, const char *deployment_id, const char *host_name,
	struct target_record *ret, struct error *err)
{
	static const char FIND[] =
		"SELECT " TARGET_COLUMNS
		" FROM targets t WHERE deployment_id = ?1 AND host_name = ?2";
	struct target_record record;
	struct row row;
	int r = store_ask(
		store, &row, FIND, err, store_text(deployment_id), store_text(host_name));

	if (r == 0)
		r = row_next(&row, err);
	if (r <= 0)
		return r;
	read_target(&row, &record);
	r = row_check(&row, err);
	if (r < 0)
		return r;
	row_end(&row);
	*ret = record;
	return 1;
}

int store_page_targets(struct store *store, const char *deployment_id, uint32_t states,
	int64_t after, size_t limit, store_target_fn *on_target, void *context,
	struct error *err)
{
	static const char PAGE[] =
		"SELECT " TARGET_COLUMNS
		" FROM targets t WHERE deployment_id = ?1 AND position > ?2"
		" AND (?3 = 0 OR (1 << state) & ?3) ORDER BY position LIMIT ?4";
	struct row row;
	int r = store_ask(store, &row, PAGE, err, store_text(deployment_id),
		store_signed(after), store_number(states), store_number(limit));

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		struct target_record record;

		read_target(&row, &record);
		r = row_check(&row, err);
		if (r == 0)
			on_target(context, &record);
	}
	return r;
}

int store_load_targets(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] =
		"SELECT t.deployment_id, " TARGET_COLUMNS
		" FROM deployments d JOIN targets t ON t.deployment_id = d.id"
		" WHERE d.completed_ms = 0 ORDER BY d.number, t.position";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		char deployment_id[DEPLOYMENT_ID_LENGTH + 1];
		struct target_record record;

		row_text(&row, deployment_id, sizeof(deployment_id));
		read_target(&row, &record);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_target(loader, deployment_id, &record));
	}
	return r;
}

/* ---- events ---- */

void store_put_event(struct store *store, const char *deployment_id, uint32_t position,
	const struct event_record *record)
{
	static const char PUT[] =
		"INSERT INTO events (deployment_id, position, event, status, started_ms,"
		" ended_ms, error_code, script_name, message, log_tail, created_by,"
		" changed_by, changed_ms)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, :actor, :actor, :now_ms)"
		" ON CONFLICT (deployment_id, position, event) DO UPDATE SET"
		" status = excluded.status, started_ms = excluded.started_ms,"
		" ended_ms = excluded.ended_ms, error_code = excluded.error_code,"
		" script_name = excluded.script_name, message = excluded.message,"
		" log_tail = excluded.log_tail,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";

	(void)store_change(store, PUT, store_text(deployment_id), store_number(position),
		store_number(record->event), store_number(record->status),
		store_number(record->started_ms), store_number(record->ended_ms),
		store_signed(record->error_code), store_text(record->script_name),
		store_text(record->message), store_text(record->log_tail));
}

int store_read_events(struct store *store, const char *deployment_id, uint32_t position,
	store_event_fn *on_event, void *context, struct error *err)
{
	static const char READ[] =
		"SELECT event, status, started_ms, ended_ms, error_code, script_name, message,"
		" log_tail FROM events WHERE deployment_id = ?1 AND position = ?2"
		" ORDER BY event";
	struct row row;
	int r = store_ask(
		store, &row, READ, err, store_text(deployment_id), store_number(position));

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		cleanup_with(event_record_done) struct event_record record = { 0 };

		record.event = (enum target_event)row_number(&row, N_TARGET_EVENTS - 1);
		record.status = (enum event_status)row_number(&row, EVENT_STATUS_SKIPPED);
		record.started_ms = row_number(&row, UINT64_MAX);
		record.ended_ms = row_number(&row, UINT64_MAX);
		record.error_code = (int)row_signed(&row);
		record.script_name = row_string_or_null(&row);
		record.message = row_string_or_null(&row);
		record.log_tail = row_string_or_null(&row);
		r = row_check(&row, err);
		if (r == 0)
			on_event(context, &record);
	}
	return r;
}

/* ---- deliveries ---- */

static void put_first_delivery(struct store *store, const char *deployment_id,
	uint32_t position, enum target_event event, const struct delivery *delivery)
{
	static const char PUT[] =
		"INSERT INTO deliveries (deployment_id, position, number, event, id,"
		" offered_ms, is_acknowledged, is_noop, created_by, changed_by, changed_ms)"
		" VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, :actor, :actor, :now_ms)"
		" ON CONFLICT (deployment_id, position, number) DO UPDATE SET"
		" event = excluded.event, id = excluded.id, offered_ms = excluded.offered_ms,"
		" is_acknowledged = excluded.is_acknowledged, is_noop = excluded.is_noop,"
		" created_by = excluded.created_by,"
		" changed_by = excluded.changed_by, changed_ms = excluded.changed_ms";
	static const char DROP[] = "DELETE FROM deliveries"
				   " WHERE deployment_id = ?1 AND position = ?2 AND number > 0";

	(void)store_change(store, PUT, store_text(deployment_id), store_number(position),
		store_number(event), store_text(delivery->id),
		store_number(delivery->offered_ms), store_number(delivery->is_acknowledged),
		store_number(delivery->is_noop));
	(void)store_change(store, DROP, store_text(deployment_id), store_number(position));
}

static void put_next_delivery(struct store *store, const char *deployment_id, uint32_t position,
	enum target_event event, const struct delivery *delivery)
{
	static const char UPDATE[] =
		"UPDATE deliveries SET offered_ms = ?4, is_acknowledged = ?5, is_noop = ?6,"
		" changed_by = :actor, changed_ms = :now_ms"
		" WHERE deployment_id = ?1 AND position = ?2 AND id = ?3";
	static const char ADD[] =
		"INSERT INTO deliveries (deployment_id, position, number, event, id,"
		" offered_ms, is_acknowledged, is_noop, created_by, changed_by, changed_ms)"
		" SELECT ?1, ?2, coalesce(max(number) + 1, 0), ?3, ?4, ?5, ?6, ?7, :actor,"
		" :actor, :now_ms FROM deliveries WHERE deployment_id = ?1 AND position = ?2";

	if (store_change(store, UPDATE, store_text(deployment_id), store_number(position),
		    store_text(delivery->id), store_number(delivery->offered_ms),
		    store_number(delivery->is_acknowledged),
		    store_number(delivery->is_noop)) > 0)
		return;
	(void)store_change(store, ADD, store_text(deployment_id), store_number(position),
		store_number(event), store_text(delivery->id),
		store_number(delivery->offered_ms), store_number(delivery->is_acknowledged),
		store_number(delivery->is_noop));
}

void store_put_delivery(struct store *store, const char *deployment_id, uint32_t position,
	enum target_event event, const struct delivery *delivery, bool first)
{
	if (first)
		put_first_delivery(store, deployment_id, position, event, delivery);
	else
		put_next_delivery(store, deployment_id, position, event, delivery);
}

int store_load_deliveries(struct store *store, struct store_loader *loader, struct error *err)
{
	static const char LOAD[] =
		"SELECT y.deployment_id, y.position, y.event, y.id, y.offered_ms,"
		" y.is_acknowledged, y.is_noop"
		" FROM deployments d JOIN deliveries y ON y.deployment_id = d.id"
		" WHERE d.completed_ms = 0 ORDER BY d.number, y.position, y.number";
	struct row row;
	int r = store_ask_values(store, &row, LOAD, NULL, 0, err);

	while (r == 0 && (r = row_next(&row, err)) > 0) {
		char deployment_id[DEPLOYMENT_ID_LENGTH + 1];
		struct delivery delivery = { 0 };
		enum target_event event;
		uint32_t position;

		row_text(&row, deployment_id, sizeof(deployment_id));
		position = (uint32_t)row_number(&row, UINT32_MAX);
		event = (enum target_event)row_number(&row, N_TARGET_EVENTS - 1);
		row_text(&row, delivery.id, sizeof(delivery.id));
		delivery.offered_ms = row_number(&row, UINT64_MAX);
		delivery.is_acknowledged = row_flag(&row);
		delivery.is_noop = row_flag(&row);
		r = row_check(&row, err);
		if (r == 0)
			r = row_yield(&row, loader->on_delivery(loader, deployment_id, position,
						    event, &delivery));
	}
	return r;
}
