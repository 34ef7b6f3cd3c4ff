/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "controller/model.h"

struct error;

/*
 * A host's tags, and how groups choose hosts by them; the structs are in model.h. JSON is the
 * API's: [{"Key": "...", "Value": "..."}].
 */

/* The value, borrowed, or NULL if there is no such tag. */
const char *tags_find(const struct tags *tags, const char *key);

/* Sets the value of a key; keeps the order. Copied. */
void tags_set(struct tags *tags, const char *key, const char *value);

/* False if there was none. */
bool tags_remove(struct tags *tags, const char *key);

void tags_copy(struct tags *ret, const struct tags *tags);

json_t *tags_to_json(const struct tags *tags);

/* Of a key given twice the last value counts. -EBADMSG if it is no such list. */
int tags_from_json(struct tags *ret, const json_t *list, struct error *err);

/*
 * One filter in the API's form. A filter without "Type" is of the type that its other members
 * make. -EBADMSG with a sentence for the client.
 */
int tag_filter_from_json(struct tag_filter *ret, const json_t *filter, struct error *err);
void tag_filter_done(struct tag_filter *filter);
bool tag_filter_matches(const struct tag_filter *filter, const struct tags *tags);

/*
 * A list of filters, or with is_set a list of lists of them; NULL is empty. -EBADMSG with a
 * sentence for the client.
 */
int tag_selection_from_json(
	struct tag_selection *ret, const json_t *list, bool is_set, struct error *err);
