/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/tags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

void tags_done(struct tags *tags)
{
	if (!tags)
		return;
	for (size_t i = 0; i < tags->n; i++) {
		free(tags->items[i].key);
		free(tags->items[i].value);
	}
	free(tags->items);
	*tags = (struct tags){ 0 };
}

/* The tag, or NULL; *ret_place is where it is or belongs. */
static struct tag *find(const struct tags *tags, const char *key, size_t *ret_place)
{
	size_t low = 0;
	size_t high = tags->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct tag *tag = &tags->items[middle];
		int order = strcmp(tag->key, key);

		if (order == 0) {
			*ret_place = middle;
			return tag;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_place = low;
	return NULL;
}

const char *tags_find(const struct tags *tags, const char *key)
{
	size_t place;
	const struct tag *tag = find(tags, key, &place);

	return tag ? tag->value : NULL;
}

void tags_set(struct tags *tags, const char *key, const char *value)
{
	size_t place;
	struct tag *tag = find(tags, key, &place);

	if (tag) {
		free(tag->value);
		tag->value = xstrdup(value);
		return;
	}
	tags->items = xreallocarray(tags->items, tags->n + 1, sizeof(*tags->items));
	tag = &tags->items[place];
	memmove(tag + 1, tag, (tags->n - place) * sizeof(*tag));
	*tag = (struct tag){ .key = xstrdup(key), .value = xstrdup(value) };
	tags->n++;
}

bool tags_remove(struct tags *tags, const char *key)
{
	size_t place;
	struct tag *tag = find(tags, key, &place);

	if (!tag)
		return false;
	free(tag->key);
	free(tag->value);
	tags->n--;
	memmove(tag, tag + 1, (tags->n - place) * sizeof(*tag));
	return true;
}

void tags_copy(struct tags *ret, const struct tags *tags)
{
	*ret = (struct tags){ .items = xcalloc(tags->n ? tags->n : 1, sizeof(*ret->items)) };
	for (; ret->n < tags->n; ret->n++) {
		ret->items[ret->n].key = xstrdup(tags->items[ret->n].key);
		ret->items[ret->n].value = xstrdup(tags->items[ret->n].value);
	}
}

json_t *tags_to_json(const struct tags *tags)
{
	json_t *list = json_array();

	for (size_t i = 0; i < tags->n; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s}", "Key", tags->items[i].key, "Value",
				      tags->items[i].value));
	return list;
}

int tags_from_json(struct tags *ret, const json_t *list, struct error *err)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	size_t i;
	json_t *item;

	if (!json_is_array(list))
		return error_set(err, -EBADMSG, "tags are not a list");
	json_array_foreach((json_t *)list, i, item)
	{
		const char *key = NULL;
		const char *value = "";
		int r = json_get_string(item, "Key", &key, err);

		if (r == 0)
			r = json_find_string(item, "Value", &value, err);
		if (r < 0)
			return error_wrap(err, "tag %zu", i + 1);
		tags_set(&tags, key, value);
	}
	*ret = tags;
	tags = (struct tags){ 0 };
	return 0;
}

void tag_filter_done(struct tag_filter *filter)
{
	if (!filter)
		return;
	free(filter->key);
	free(filter->value);
	*filter = (struct tag_filter){ 0 };
}

void tag_selection_done(struct tag_selection *selection)
{
	if (!selection)
		return;
	for (size_t i = 0; i < selection->n_lists; i++) {
		for (size_t j = 0; j < selection->lists[i].n; j++)
			tag_filter_done(&selection->lists[i].items[j]);
		free(selection->lists[i].items);
	}
	free(selection->lists);
	*selection = (struct tag_selection){ 0 };
}

bool tag_filter_matches(const struct tag_filter *filter, const struct tags *tags)
{
	const char *value;

	switch (filter->type) {
	case TAG_KEY_ONLY:
		return tags_find(tags, filter->key);
	case TAG_KEY_AND_VALUE:
		value = tags_find(tags, filter->key);
		return value && strcmp(value, filter->value) == 0;
	case TAG_VALUE_ONLY:
		for (size_t i = 0; i < tags->n; i++) {
			if (strcmp(tags->items[i].value, filter->value) == 0)
				return true;
		}
		return false;
	}
	return false;
}

static bool filters_match(const struct tag_filters *filters, const struct tags *tags)
{
	for (size_t i = 0; i < filters->n; i++) {
		if (tag_filter_matches(&filters->items[i], tags))
			return true;
	}
	return false;
}

bool tag_selection_matches(const struct tag_selection *selection, const struct tags *tags)
{
	for (size_t i = 0; i < selection->n_lists; i++) {
		if (!filters_match(&selection->lists[i], tags))
			return false;
	}
	return selection->n_lists > 0;
}

/* By "Type", or by what is there: a key with a value means both. */
static int type_of(enum tag_filter_type *ret, const char *type, const char *key,
	const char *value, struct error *err)
{
	static const char *const words[] = {
		[TAG_KEY_ONLY] = "KEY_ONLY",
		[TAG_VALUE_ONLY] = "VALUE_ONLY",
		[TAG_KEY_AND_VALUE] = "KEY_AND_VALUE",
	};

	if (!type) {
		if (!key && !value)
			return error_set(err, -EBADMSG, "it has neither Key nor Value");
		*ret = !key ? TAG_VALUE_ONLY : !value ? TAG_KEY_ONLY : TAG_KEY_AND_VALUE;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(type, words[i]) == 0) {
			*ret = (enum tag_filter_type)i;
			return 0;
		}
	}
	return error_set(err, -EBADMSG,
		"Type is '%.40s'; it must be KEY_ONLY, VALUE_ONLY or KEY_AND_VALUE", type);
}

int tag_filter_from_json(struct tag_filter *ret, const json_t *filter, struct error *err)
{
	enum tag_filter_type type = TAG_KEY_ONLY;
	const char *word = NULL;
	const char *key = NULL;
	const char *value = NULL;
	int r;

	if (!json_is_object(filter))
		return error_set(err, -EBADMSG, "it is not an object");
	r = json_find_string(filter, "Type", &word, err);
	if (r == 0)
		r = json_find_string(filter, "Key", &key, err);
	if (r == 0)
		r = json_find_string(filter, "Value", &value, err);
	if (r == 0)
		r = type_of(&type, word, key, value, err);
	if (r < 0)
		return r;
	if (type != TAG_VALUE_ONLY && (!key || *key == '\0'))
		return error_set(err, -EBADMSG, "it needs a Key that is not empty");
	if (type == TAG_VALUE_ONLY && !value)
		return error_set(err, -EBADMSG, "it needs a Value");
	*ret = (struct tag_filter){
		.type = type,
		.key = xstrdup(key ? key : ""),
		.value = xstrdup(value ? value : ""),
	};
	return 0;
}

static int filters_from_json(struct tag_filters *ret, const json_t *list, struct error *err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return error_set(err, -EBADMSG, "it is not a list");
	ret->items = xcalloc(n ? n : 1, sizeof(*ret->items));
	for (; ret->n < n; ret->n++) {
		if (tag_filter_from_json(
			    &ret->items[ret->n], json_array_get(list, ret->n), err) < 0)
			return error_wrap(err, "filter %zu", ret->n + 1);
	}
	return 0;
}

static int set_from_json(struct tag_selection *ret, const json_t *list, struct error *err)
{
	size_t n = json_array_size(list);

	if (!json_is_array(list))
		return error_set(err, -EBADMSG, "it is not a list");
	ret->lists = xcalloc(n ? n : 1, sizeof(*ret->lists));
	while (ret->n_lists < n) {
		const json_t *filters = json_array_get(list, ret->n_lists);
		int r = filters_from_json(&ret->lists[ret->n_lists], filters, err);

		ret->n_lists++; /* so that what was made is released */
		if (r == 0 && json_array_size(filters) == 0)
			r = error_set(err, -EBADMSG, "it is empty and would match no host");
		if (r < 0)
			return error_wrap(err, "tag group %zu", ret->n_lists);
	}
	return 0;
}

int tag_selection_from_json(
	struct tag_selection *ret, const json_t *list, bool is_set, struct error *err)
{
	cleanup_with(tag_selection_done) struct tag_selection selection = { .is_set = is_set };
	int r = 0;

	if (is_set && list) {
		r = set_from_json(&selection, list, err);
	} else if (json_array_size(list) > 0 || (list && !json_is_array(list))) {
		selection.lists = xcalloc(1, sizeof(*selection.lists));
		selection.n_lists = 1;
		r = filters_from_json(&selection.lists[0], list, err);
	}
	if (r < 0)
		return r;
	*ret = selection;
	selection = (struct tag_selection){ 0 };
	return 0;
}
