/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/model.h"

struct error;

/*
 * What outlives the core: load, commit, and pages of history. Nothing else knows SQL.
 *
 * Changes are put at any time and are one transaction until store_commit(); reads see them at
 * once. A put cannot fail: what went wrong is kept and is the result of the commit, which then
 * undoes all of it, so that the caller must load anew. Nothing may be told to anybody before
 * the commit that it rests on.
 *
 * Who makes a change stands beside it in every row: store_set_actor().
 */
struct store;

/*
 * Opens the database, makes it if `path` does not exist, and brings its schema up to date after
 * a copy of the file to "<path>.<old version>.backup". One process at a time (-EBUSY), by a
 * lock on "<path>.lock". A database of a newer version is refused (-ENOTSUP), and one that
 * others may read, itself or its directory (-EPERM): it holds the secrets of keys. -EBADMSG if
 * it is damaged, -ENOSPC if the disk is full.
 */
int store_open(struct store **ret, const char *path, struct error *err);
void store_close(struct store *store);
void store_closep(struct store **store);

/*
 * Who makes the changes that follow, and when: the key id whose request is handled now, "" for
 * the controller itself, by the core's clock. Copied.
 */
void store_set_actor(struct store *store, const char *key_id, uint64_t now_ms);

bool store_is_changed(const struct store *store);

/*
 * Makes all changes since the last commit durable (they survive a loss of power), or none.
 * -ENOSPC when the disk is full, -EIO and -EBADMSG when it is broken, -EINVAL for a change that
 * the schema refuses. Without changes it does nothing. The next change is a new beginning: once
 * there is space again it goes through.
 */
int store_commit(struct store *store, struct error *err);

/* Forgets the changes since the last commit. */
void store_undo(struct store *store);

/*
 * A copy of what is committed; written to "<path>.tmp", synced, renamed; mode 0600. One file,
 * complete without any beside it. Takes as long as the database is large.
 */
int store_backup(struct store *store, const char *path, struct error *err);

/* The same by another process, while the controller runs or not. */
int store_backup_file(const char *database, const char *path, struct error *err);

/* ---- changes; a put replaces the row of the same key */

void store_put_application(struct store *store, const struct application *application);
void store_rename_application(struct store *store, const char *id, const char *name);
void store_delete_application(struct store *store, const char *id);
void store_put_config(struct store *store, const struct deployment_config *config);
void store_delete_config(struct store *store, const char *id);
void store_put_group(struct store *store, const struct group *group);
/* In the rows of its deployments too, which are shown under the new name. */
void store_rename_group(struct store *store, const char *id, const char *name);
void store_delete_group(struct store *store, const char *id); /* and its host records */
void store_put_host(struct store *store, const struct host *host);
void store_put_host_record(struct store *store, const char *host_name, const char *group_id,
	const struct host_record *record);
void store_put_key(struct store *store, const struct key *key);
void store_delete_key(struct store *store, const char *id);

void store_put_deployment(struct store *store, const struct deployment_record *record);
void store_put_target(
	struct store *store, const char *deployment_id, const struct target_record *record);
void store_put_event(struct store *store, const char *deployment_id, uint32_t position,
	const struct event_record *record);
/* A delivery of the event under way; those of earlier events are dropped with `first`. */
void store_put_delivery(struct store *store, const char *deployment_id, uint32_t position,
	enum target_event event, const struct delivery *delivery, bool first);

/* One line of the audit: the actor did `what` ("CreateApplication") to `object` ("shop"). */
void store_put_audit(struct store *store, const char *what, const char *object);

/* Small values of the controller itself, by name: clock, sequence of orders. NULL forgets it.
 */
void store_put_value(struct store *store, const char *name, const char *value);

/* ---- load */

/*
 * Called for each row, in this order of kinds: what a row refers to has come before. Objects
 * are on the heap and become the callee's. Return 0, or a negative errno to end the load. Kinds
 * whose function is NULL are left out.
 */
struct store_loader {
	int (*on_application)(struct store_loader *loader, struct application *application);
	int (*on_config)(struct store_loader *loader, struct deployment_config *config);
	/* group->application is not set */
	int (*on_group)(
		struct store_loader *loader, struct group *group, const char *application_name);
	int (*on_host)(struct store_loader *loader, struct host *host);
	int (*on_key)(struct store_loader *loader, struct key *key);
	/* Of deployments that have not ended only, then their targets and deliveries. */
	int (*on_deployment)(struct store_loader *loader, struct deployment_record *record);
	int (*on_target)(struct store_loader *loader, const char *deployment_id,
		const struct target_record *record);
	int (*on_delivery)(struct store_loader *loader, const char *deployment_id,
		uint32_t position, enum target_event event, const struct delivery *delivery);
};
int store_load(struct store *store, struct store_loader *loader, struct error *err);

/* The value, for the caller to free, or NULL. */
char *store_get_value(struct store *store, const char *name);

/* ---- history and pages */

/* 1 and the record (for deployment_record_done()), 0 if there is none, or a negative errno. */
int store_find_deployment(
	struct store *store, const char *id, struct deployment_record *ret, struct error *err);

/* 1 and the record, 0 if there is none, or a negative errno. */
int store_find_host_record(struct store *store, const char *host_name, const char *group_id,
	struct host_record *ret, struct error *err);

/* Calls back for the rows behind `after` in order, at most `limit` of them; "" is the start. */
typedef void store_name_fn(void *context, const char *name);
int store_page_applications(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err);
int store_page_groups(struct store *store, const char *application_id, const char *after,
	size_t limit, store_name_fn *on_name, void *context, struct error *err);
int store_page_configs(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err);
/* Names of hosts, the deregistered too. */
int store_page_hosts(struct store *store, const char *after, size_t limit,
	store_name_fn *on_name, void *context, struct error *err);

/* Newest first; `after` is the id of the last one of the page before. */
struct deployment_filter {
	const char *group_id;         /* NULL: all */
	const char *application_name; /* NULL: all */
	const char *const *statuses;  /* NULL: all */
	size_t n_statuses;
	uint64_t created_from_ms; /* 0: no bound */
	uint64_t created_to_ms;
};
int store_page_deployments(struct store *store, const struct deployment_filter *filter,
	const char *after, size_t limit, store_name_fn *on_id, void *context,
	struct error *err);

/* By position; `states` is a mask of 1 << enum target_state, 0: all. `after`: -1 is the start.
 */
typedef void store_target_fn(void *context, const struct target_record *record);
int store_page_targets(struct store *store, const char *deployment_id, uint32_t states,
	int64_t after, size_t limit, store_target_fn *on_target, void *context,
	struct error *err);
int store_find_target(struct store *store, const char *deployment_id, const char *host_name,
	struct target_record *ret, struct error *err);

/* The events of one target in order. */
typedef void store_event_fn(void *context, const struct event_record *record);
int store_read_events(struct store *store, const char *deployment_id, uint32_t position,
	store_event_fn *on_event, void *context, struct error *err);

/* ---- revisions */

void store_put_revision(struct store *store, const struct revision_record *record);
int store_find_revision(struct store *store, const char *application_id, const char *location,
	struct revision_record *ret, struct error *err);

enum revision_order {
	REVISIONS_BY_LOCATION,
	REVISIONS_BY_REGISTERED,
	REVISIONS_BY_FIRST_USED,
	REVISIONS_BY_LAST_USED,
};
/* Calls back for locations of an application's revisions behind `after`; "" is the start. */
int store_page_revisions(struct store *store, const char *application_id,
	enum revision_order order, bool descending, const char *after, size_t limit,
	store_name_fn *on_location, void *context, struct error *err);
