/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/page.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/store.h"

/*
 * A token is the seal and the position, both in hexadecimal: it may stand in a shell command
 * and in a URL as it is.
 */
enum {
	SEAL_BYTES = 16,
	SECRET_BYTES = 32,
	TOKEN_LIMIT_BYTES = 64 * 1024, /* the longest position is where a revision lies */
};
static const char SECRET_VALUE[] = "page-secret";

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_hex(struct buf *ret, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(ret, "%02x", data[i]);
}

static bool parse_hex(struct buf *ret, const char *text)
{
	for (; *text; text += 2) {
		int high = hex_digit(text[0]);
		int low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0)
			return false;
		buf_putc(ret, (char)(high << 4 | low));
	}
	return true;
}

/* Made at the first need, and kept in the store so that tokens outlive a restart. */
static void find_secret(struct store *store, struct buf *ret)
{
	cleanup_with(freep) char *kept = store_get_value(store, SECRET_VALUE);
	cleanup_with(buf_done) struct buf text = { 0 };
	uint8_t secret[SECRET_BYTES];
	ssize_t got;

	if (kept && parse_hex(ret, kept) && ret->len == SECRET_BYTES)
		return;
	got = getrandom(secret, sizeof(secret), 0);
	assert(got == (ssize_t)sizeof(secret));
	append_hex(&text, secret, sizeof(secret));
	store_put_value(store, SECRET_VALUE, text.data);
	buf_clear(ret);
	buf_append(ret, secret, sizeof(secret));
}

/* Over the operation, its input without the token, and the position, each of its length. */
static void seal(const struct call *call, const char *member, const char *position,
	uint8_t ret[static DIGEST_BYTES])
{
	cleanup_with(buf_done) struct buf secret = { 0 };
	cleanup_with(json_decrefp) json_t *input = json_copy((json_t *)call->input);
	cleanup_with(digest_freep) struct digest *digest = NULL;
	cleanup_with(freep) char *question = NULL;

	find_secret(call_store(call), &secret);
	digest = digest_new_keyed(secret.data, secret.len);
	(void)json_object_del(input, member);
	question = json_dumps(input, JSON_COMPACT | JSON_SORT_KEYS);
	/* With the NUL, so that no end of one is the beginning of the next. */
	digest_update(digest, call->operation, strlen(call->operation) + 1);
	digest_update(digest, question, strlen(question) + 1);
	digest_update(digest, position, strlen(position) + 1);
	digest_finish(digest, ret);
}

static char *make_token(const struct call *call, const char *member, const char *position)
{
	struct buf token = { 0 };
	uint8_t sealed[DIGEST_BYTES];

	seal(call, member, position, sealed);
	append_hex(&token, sealed, SEAL_BYTES);
	append_hex(&token, (const uint8_t *)position, strlen(position));
	return buf_steal(&token);
}

/* The position in the token, or NULL if it is not ours for this question. */
static char *open_token(const struct call *call, const char *member, const char *token)
{
	cleanup_with(buf_done) struct buf bytes = { 0 };
	uint8_t sealed[DIGEST_BYTES];

	if (strlen(token) > TOKEN_LIMIT_BYTES || !parse_hex(&bytes, token) ||
		bytes.len <= SEAL_BYTES ||
		memchr(bytes.data + SEAL_BYTES, '\0', bytes.len - SEAL_BYTES))
		return NULL;
	seal(call, member, bytes.data + SEAL_BYTES, sealed);
	if (!digest_equal(sealed, bytes.data, SEAL_BYTES))
		return NULL;
	return xstrdup(bytes.data + SEAL_BYTES);
}

void page_begin(struct page *page, struct check *check, const char *member)
{
	const char *token = check_string(check, check->call->input, member);

	*page = (struct page){ .member = member, .items = json_array() };
	if (token && *token != '\0') {
		page->after = open_token(check->call, member, token);
		if (!page->after)
			check_fail(check, CHECK_FORM, "InvalidNextTokenException",
				"The %s is not one that %s gave for the same input; "
				"repeat the call with the input unchanged, or begin without it",
				member, check->call->operation);
	}
	if (!page->after)
		page->after = xstrdup("");
}

bool page_add(struct page *page, const char *position, json_t *item)
{
	if (page->has_more || json_array_size(page->items) == PAGE_LIMIT) {
		page->has_more = true;
		json_decref(item);
		return false;
	}
	(void)json_array_append_new(page->items, item);
	free(page->last);
	page->last = xstrdup(position);
	return true;
}

void page_add_name(void *page, const char *name)
{
	(void)page_add(page, name, json_string(name));
}

void page_cut(struct page *page, const char *position)
{
	page->has_more = true;
	free(page->last);
	page->last = xstrdup(position);
}

void page_end(struct page *page, int r, struct call *call, const char *list, json_t *output,
	const struct error *err)
{
	if (r < 0) {
		json_decref(output);
		page_done(page);
		check_internal(call, err);
		return;
	}
	if (!output)
		output = json_object();
	(void)json_object_set(output, list, page->items);
	if (page->has_more) {
		cleanup_with(freep) char *token = make_token(call, page->member, page->last);

		(void)json_object_set_new(output, page->member, json_string(token));
	}
	page_done(page);
	call_answer(call, output);
}

void page_done(struct page *page)
{
	if (!page)
		return;
	free(page->after);
	free(page->last);
	json_decref(page->items);
	*page = (struct page){ 0 };
}
