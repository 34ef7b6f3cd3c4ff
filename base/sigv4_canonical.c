/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The canonical request: the one spelling of a request that both sides hash. Clients differ in
 * how they percent-encode, so escapes are decoded and encoded again by one rule; what stays is
 * the difference between "/" and "%2F", which name different objects.
 */
#include "base/sigv4_canonical.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/sigv4.h"

static bool is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-._~", c));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void append_encoded(struct buf *ret, unsigned char c)
{
	if (is_unreserved(c))
		buf_putc(ret, (char)c);
	else
		buf_printf(ret, "%%%02X", c);
}

/* Encodes anew what is encoded already; `plain` are further bytes that stand for themselves. */
static int append_recoded(
	struct buf *ret, const char *text, size_t n, const char *plain, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		int high = -1;
		int low = -1;

		if (text[i] != '%') {
			if (strchr(plain, text[i]))
				buf_putc(ret, text[i]);
			else
				append_encoded(ret, (unsigned char)text[i]);
			continue;
		}
		if (n - i > 2) {
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
		}
		if (high < 0 || low < 0)
			return error_set(err, -EBADMSG,
				"the request's path or query has a '%%' without two "
				"hexadecimal "
				"digits behind it");
		append_encoded(ret, (unsigned char)(high << 4 | low));
		i += 2;
	}
	return 0;
}

/* Cuts the last "/segment" off. */
static void drop_segment(struct buf *path)
{
	while (path->len > 0 && path->data[--path->len] != '/')
		;
}

/* Dots and doubled slashes resolved, then encoded although it is encoded already. */
static void append_normalised(struct buf *ret, const char *path)
{
	cleanup_with(buf_done) struct buf kept = { 0 };
	const char *at = path;

	while (*at) {
		size_t n = strcspn(at, "/");

		if (n == 2 && memcmp(at, "..", 2) == 0) {
			drop_segment(&kept);
		} else if (n > 0 && !(n == 1 && *at == '.')) {
			buf_putc(&kept, '/');
			buf_append(&kept, at, n);
		}
		at += n;
		at += *at == '/';
	}
	if (kept.len == 0 || (at > path && at[-1] == '/'))
		buf_putc(&kept, '/');
	for (size_t i = 0; i < kept.len; i++)
		if (kept.data[i] == '/')
			buf_putc(ret, '/');
		else
			append_encoded(ret, (unsigned char)kept.data[i]);
}

static int append_path(
	struct buf *ret, const char *path, const char *service, struct error *err)
{
	if (!*path)
		path = "/";
	if (strcmp(service, "s3") == 0)
		return append_recoded(ret, path, strlen(path), "/", err);
	append_normalised(ret, path);
	return 0;
}

struct parameter {
	char *name;
	char *value;
};

struct query {
	struct parameter *items;
	size_t n, cap;
};

static void query_done(struct query *query)
{
	for (size_t i = 0; i < query->n; i++) {
		free(query->items[i].name);
		free(query->items[i].value);
	}
	free(query->items);
}

static int compare_parameters(const void *a, const void *b)
{
	const struct parameter *left = a;
	const struct parameter *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : strcmp(left->value, right->value);
}

/* In a query '+' is a blank, as forms have it. */
static int recode_parameter(char **ret, const char *text, size_t n, struct error *err)
{
	cleanup_with(buf_done) struct buf recoded = { 0 };

	for (size_t done = 0; done < n;) {
		const char *plus = memchr(text + done, '+', n - done);
		size_t run = plus ? (size_t)(plus - text) - done : n - done;
		int r = append_recoded(&recoded, text + done, run, "", err);

		if (r < 0)
			return r;
		if (plus)
			buf_puts(&recoded, "%20");
		done += run + (plus ? 1 : 0);
	}
	*ret = buf_steal(&recoded);
	return 0;
}

static int add_parameter(struct query *query, const char *at, size_t n, struct error *err)
{
	const char *equals = memchr(at, '=', n);
	size_t name_len = equals ? (size_t)(equals - at) : n;
	cleanup_with(freep) char *name = NULL;
	cleanup_with(freep) char *value = NULL;
	int r;

	if (query->n >= SIGV4_QUERY_MAX)
		return error_set(err, -EBADMSG,
			"the request's query has more than %d parameters", SIGV4_QUERY_MAX);
	r = recode_parameter(&name, at, name_len, err);
	if (r < 0)
		return r;
	r = recode_parameter(
		&value, equals ? equals + 1 : "", equals ? n - name_len - 1 : 0, err);
	if (r < 0)
		return r;
	xgrow(&query->items, &query->cap, query->n);
	query->items[query->n].name = take(&name);
	query->items[query->n].value = take(&value);
	query->n++;
	return 0;
}

static int append_query(struct buf *ret, const char *text, struct error *err)
{
	cleanup_with(query_done) struct query query = { 0 };

	while (*text) {
		size_t n = strcspn(text, "&");
		int r = n ? add_parameter(&query, text, n, err) : 0;

		if (r < 0)
			return r;
		text += n;
		text += *text == '&';
	}
	if (query.n > 1)
		qsort(query.items, query.n, sizeof(*query.items), compare_parameters);
	for (size_t i = 0; i < query.n; i++)
		buf_printf(ret, "%s%s=%s", i ? "&" : "", query.items[i].name,
			query.items[i].value);
	return 0;
}

/* Trimmed, inner runs of blanks made one. */
static void append_value(struct buf *ret, const char *value)
{
	value += strspn(value, " \t");
	while (*value) {
		size_t n = strcspn(value, " \t");

		buf_append(ret, value, n);
		value += n;
		value += strspn(value, " \t");
		if (*value)
			buf_putc(ret, ' ');
	}
}

static bool is_named(const struct header *header, const char *name, size_t n)
{
	return strncasecmp(header->name, name, n) == 0 && !header->name[n];
}

static int append_header(struct buf *ret, const struct sigv4_request *request, const char *name,
	size_t n, struct error *err)
{
	bool found = false;

	buf_append(ret, name, n);
	buf_putc(ret, ':');
	for (size_t i = 0; i < request->n_headers; i++) {
		if (!is_named(&request->headers[i], name, n))
			continue;
		if (found)
			buf_putc(ret, ',');
		append_value(ret, request->headers[i].value);
		found = true;
	}
	if (!found)
		return error_set(err, -EBADMSG,
			"the signature covers the header %.*s, which the request does not have",
			(int)n, name);
	buf_putc(ret, '\n');
	return 0;
}

int sigv4_canonical_request(struct buf *ret, const struct sigv4_request *request,
	const char *signed_headers, const char *service, struct error *err)
{
	int r;

	buf_printf(ret, "%s\n", request->method);
	r = append_path(ret, request->path, service, err);
	if (r < 0)
		return r;
	buf_putc(ret, '\n');
	r = append_query(ret, request->query ? request->query : "", err);
	if (r < 0)
		return r;
	buf_putc(ret, '\n');
	for (const char *at = signed_headers; *at;) {
		size_t n = strcspn(at, ";");

		r = append_header(ret, request, at, n, err);
		if (r < 0)
			return r;
		at += n;
		at += *at == ';';
	}
	buf_printf(ret, "\n%s\n%s", signed_headers, request->payload_hash);
	return 0;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *lower_name(const char *name)
{
	char *lower = xstrdup(name);

	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return lower;
}

char *sigv4_canonical_names(const struct sigv4_request *request)
{
	size_t n = request->n_headers;
	cleanup_with(freep) char **names = xcalloc(n + 1, sizeof(*names));
	cleanup_with(buf_done) struct buf list = { 0 };

	for (size_t i = 0; i < n; i++)
		names[i] = lower_name(request->headers[i].name);
	if (n > 1)
		qsort(names, n, sizeof(*names), compare_texts);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			buf_printf(&list, "%s%s", i ? ";" : "", names[i]);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return buf_steal(&list);
}
