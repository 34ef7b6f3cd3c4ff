/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/resource_tags.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/store.h"
#include "controller/tags.h"

static char *value_name(const char *id)
{
	return xasprintf("tags/%s", id);
}

void resource_tags_load(struct store *store, const char *id, struct tags *ret)
{
	cleanup_with(freep) char *name = value_name(id);
	cleanup_with(freep) char *text = store_get_value(store, name);
	cleanup_with(json_decrefp) json_t *list = text ? json_loads(text, 0, NULL) : NULL;

	*ret = (struct tags){ 0 };
	if (list)
		(void)tags_from_json(ret, list, NULL);
}

void resource_tags_save(struct store *store, const char *id, const struct tags *tags)
{
	cleanup_with(freep) char *name = value_name(id);
	cleanup_with(json_decrefp) json_t *list = tags_to_json(tags);
	cleanup_with(freep) char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);

	store_put_value(store, name, tags->n > 0 ? text : NULL);
}

void resource_tags_forget(struct store *store, const char *id)
{
	cleanup_with(freep) char *name = value_name(id);

	store_put_value(store, name, NULL);
}
