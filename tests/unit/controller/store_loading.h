/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdlib.h>

#include "base/buf.h"
#include "store_case.h"

/* What a load says, a word for each row, in order. */
struct loading {
	struct store_loader loader;
	struct buf order;
	int fail_with; /* at the first application */
};

static inline struct loading *self(struct store_loader *loader)
{
	return container_of(loader, struct loading, loader);
}

static inline int on_application(struct store_loader *loader, struct application *application)
{
	struct loading *loading = self(loader);

	buf_printf(&loading->order, "application:%s ", application->name);
	free(application);
	return loading->fail_with;
}

static inline int on_config(struct store_loader *loader, struct deployment_config *config)
{
	buf_printf(&self(loader)->order, "config:%s/%d/%u/%d/%u ", config->name,
		config->minimum.type, config->minimum.value, config->minimum.predefined,
		(unsigned)config->created_ms);
	free(config);
	return 0;
}

static inline int on_group(
	struct store_loader *loader, struct group *group, const char *application)
{
	buf_printf(&self(loader)->order, "group:%s/%s/%s/%u/%s/%s/%s/%s ", application,
		group->name, group->config_name, (unsigned)group->created_ms, group->settings,
		group->last_successful, group->last_attempted,
		group->target_revision ? group->target_revision : "-");
	group_free(group);
	return 0;
}

static inline int on_host(struct store_loader *loader, struct host *host)
{
	struct buf *order = &self(loader)->order;

	buf_printf(order, "host:%s/%s/%d/%s/%u/%u", host->name, host->iam_arn,
		host->is_session_arn, host->instance_arn, (unsigned)host->registered_ms,
		(unsigned)host->deregistered_ms);
	for (size_t i = 0; i < host->tags.n; i++)
		buf_printf(order, "/%s=%s", host->tags.items[i].key, host->tags.items[i].value);
	buf_puts(order, " ");
	host_free(host);
	return 0;
}

static inline int on_key(struct store_loader *loader, struct key *key)
{
	buf_printf(&self(loader)->order, "key:%s/%s/%d/%s/%s/%s/%d/%u ", key->id, key->name,
		key->role, key->user_arn, key->applications, key->secret, key->disabled,
		(unsigned)key->created_ms);
	key_free(key);
	return 0;
}

static inline int on_deployment(struct store_loader *loader, struct deployment_record *record)
{
	buf_printf(&self(loader)->order, "deployment:%s ", record->id);
	deployment_record_done(record);
	free(record);
	return 0;
}

static inline int on_target(struct store_loader *loader, const char *deployment_id,
	const struct target_record *record)
{
	buf_printf(&self(loader)->order, "target:%s/%u/%s ", deployment_id, record->position,
		record->host_name);
	return 0;
}

static inline int on_delivery(struct store_loader *loader, const char *deployment_id,
	uint32_t position, enum target_event event, const struct delivery *delivery)
{
	buf_printf(&self(loader)->order, "delivery:%s/%u/%d/%s/%u/%d/%d ", deployment_id,
		position, event, delivery->id, (unsigned)delivery->offered_ms,
		delivery->is_acknowledged, delivery->is_noop);
	return 0;
}

static inline int load_into(struct loading *loading, struct store *store, struct error *err)
{
	loading->loader = (struct store_loader){ on_application, on_config, on_group, on_host,
		on_key, on_deployment, on_target, on_delivery };
	return store_load(store, &loading->loader, err);
}

#define assert_loads(store, expected)                                                          \
	do {                                                                                   \
		struct loading loading_ = { 0 };                                               \
		struct error err_ = ERROR_NONE;                                                \
		ck_assert_msg(load_into(&loading_, store, &err_) == 0, "%s", err_.text);       \
		ck_assert_str_eq(loading_.order.data ? loading_.order.data : "", expected);    \
		buf_done(&loading_.order);                                                     \
	} while (0)
