/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/store.h"
#include "unit.h"

/* What the tests of the store share: a database in the test's directory, and full objects. */

static inline const char *database_path(void)
{
	static char path[4096];

	ck_assert_int_eq(chmod(test_dir(), 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/core.db", test_dir());
	return path;
}

static inline struct store *open_store(void)
{
	struct store *store = NULL;
	struct error err = ERROR_NONE;
	int r = store_open(&store, database_path(), &err);

	ck_assert_msg(r == 0, "%s", err.text);
	store_set_actor(store, "AKIA2345678901234567", 1000);
	return store;
}

static inline void must_commit(struct store *store)
{
	struct error err = ERROR_NONE;
	int r = store_commit(store, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

/* As after a restart of the controller. */
static inline struct store *reopen(struct store *store)
{
	store_close(store);
	return open_store();
}

static inline void copy_text(char *to, size_t size, const char *text)
{
	ck_assert_uint_lt(strlen(text), size);
	(void)strcpy(to, text);
}

#define set_text(array, text) copy_text(array, sizeof(array), text)

static inline struct application application_of(const char *name)
{
	struct application application = { .created_ms = 7 };

	set_text(application.name, name);
	(void)snprintf(application.id, sizeof(application.id), "id-%.30s", name);
	return application;
}

/* Borrowed texts only. */
static inline struct deployment_record deployment_of(const char *id, uint64_t created_ms)
{
	static char description[] = "first";
	static char json[] = "{\"revisionType\":\"S3\"}";
	static char list[] = "[]";
	static char key[] = "AKIA2345678901234567";
	struct deployment_record record = {
		.revision = json,
		.description = description,
		.created_by = key,
		.created_ms = created_ms,
		.auto_rollback = json,
		.messages = list,
		.rollout = json,
	};

	set_text(record.id, id);
	set_text(record.application_name, "shop");
	set_text(record.group_id, "group-1");
	set_text(record.group_name, "web");
	set_text(record.config_name, "CodeDeployDefault.OneAtATime");
	set_text(record.creator, "user");
	set_text(record.status, "InProgress");
	set_text(record.file_exists, "DISALLOW");
	return record;
}

static inline struct target_record target_of(uint32_t position)
{
	struct target_record record = { .position = position, .updated_ms = 5 };

	(void)snprintf(record.host_name, sizeof(record.host_name), "host-%05u", position);
	return record;
}

/* Names as they come, each with a blank behind. */
struct names {
	char text[4096];
	size_t n;
};

static inline void add_name(void *context, const char *name)
{
	struct names *names = context;

	if (names->n++ < 100) {
		(void)strcat(names->text, name);
		(void)strcat(names->text, " ");
	}
}
