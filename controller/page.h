/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct call;
struct check;
struct error;

/*
 * One page of a List operation. The token for the next page says where it begins, sealed with a
 * secret of this database's together with the operation and all its other input: it is good
 * after a restart, and for the same question only.
 *
 *	page_begin(&page, &check, "nextToken");
 *	if (!check_passed(&check))
 *		return;
 *	r = store_page_applications(store, page.after, PAGE_ASK, page_add_name, &page, &err);
 *	page_end(&page, r, call, "applications", NULL, &err);
 */
enum {
	PAGE_LIMIT = 100,          /* items of a page */
	PAGE_ASK = PAGE_LIMIT + 1, /* how many to ask for, so that the last page is known */
};

struct page {
	const char *member; /* of the token: "nextToken" */
	char *after;        /* begin behind this; "" for the first page */
	json_t *items;
	char *last; /* position of the last item, or of what was looked at last */
	bool has_more;
};

/* Reads the token of the input: InvalidNextTokenException if it is not ours for this. */
void page_begin(struct page *page, struct check *check, const char *member);

/*
 * Adds an item, which is taken over, that stands at `position`. False, and it is not added, if
 * the page is full: there is a next one.
 */
bool page_add(struct page *page, const char *position, json_t *item);

/* The same for a plain name; a store_name_fn with the page as context. */
void page_add_name(void *page, const char *name);

/*
 * What is behind `position` has not been looked at, although the page is not full: for lists
 * that are filtered, so that a call does a bounded amount of work.
 */
void page_cut(struct page *page, const char *position);

/*
 * Answers with the items as `list` in `output` (taken over; NULL: an empty object) and with a
 * token if there is more. If r, the store's result, is negative, the call fails with err.
 * Releases the page.
 */
void page_end(struct page *page, int r, struct call *call, const char *list, json_t *output,
	const struct error *err);

void page_done(struct page *page);
