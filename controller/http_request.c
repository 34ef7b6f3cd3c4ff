/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/http_request.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/http.h"
#include "controller/http_grammar.h"

static int fail(struct http_parser *parser, int status, const char *reason)
{
	parser->reason = reason;
	return status;
}

/* The scheme of an absolute target, 0 if it is none. */
static size_t measure_scheme(const char *target)
{
	if (strncasecmp(target, "http://", 7) == 0)
		return 7;
	if (strncasecmp(target, "https://", 8) == 0)
		return 8;
	return 0;
}

/* origin-form, absolute-form and, for OPTIONS, asterisk-form of RFC 9112, 3.2. */
static bool is_target(const char *method, const char *target)
{
	size_t scheme = measure_scheme(target);
	const char *path = target + scheme;
	size_t n;

	if (strcmp(target, "*") == 0)
		return strcmp(method, "OPTIONS") == 0;
	if (scheme) {
		n = strcspn(path, "/?");
		if (!http_is_authority(path, n))
			return false;
		path += n;
	}
	n = strcspn(path, "?");
	if (!http_is_path(path, n) && !(scheme && n == 0))
		return false;
	return !path[n] || http_is_query(path + n + 1, strlen(path + n + 1));
}

static int check_version(struct http_parser *parser, const char *version)
{
	if (strlen(version) != 8 || strncmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
		version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
		return fail(parser, 400, "the request line does not end with HTTP/1.1");
	if (version[5] != '1' || version[7] > '1')
		return fail(parser, 505, "this server speaks HTTP/1.1");
	parser->request.minor = version[7] - '0';
	return 0;
}

int http_take_request_line(struct http_parser *parser)
{
	struct buf *text = &parser->head.text;
	char *method = text->data;
	char *first = strchr(method, ' ');
	char *second = first ? strchr(first + 1, ' ') : NULL;
	size_t version;

	if (!second || strchr(second + 1, ' '))
		return fail(parser, 400,
			"the request line is not method, target and version with one blank "
			"between");
	*first = '\0';
	*second = '\0';
	version = (size_t)(second + 1 - method);
	if (!http_is_token(method, strlen(method)))
		return fail(parser, 400, "the request's method is not a token");
	if (!is_target(method, first + 1))
		return fail(parser, 400, "the request's target is not a path or URL");
	buf_append(text, "", 1);
	parser->head.line_start = text->len;
	return check_version(parser, text->data + version);
}

/* What frames or routes a message, or says who sends it, must be known before its body:
 * RFC 9110, 6.5.1. */
static bool may_trail(const char *name)
{
	static const char *const never[] = { "authorization", "connection", "content-encoding",
		"content-length", "content-range", "content-type", "cookie", "expect", "host",
		"te", "trailer", "transfer-encoding", "x-amz-date", "x-amz-security-token",
		"x-amz-target" };

	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (strcasecmp(name, never[i]) == 0)
			return false;
	return true;
}

int http_take_field_line(struct http_parser *parser, int is_trailer)
{
	struct http_fields *fields = is_trailer ? &parser->tail : &parser->head;
	char *line = fields->text.data + fields->line_start;
	char *end = fields->text.data + fields->text.len;
	char *colon = strchr(line, ':');
	char *value;

	if (fields->n >= parser->limits.n_headers)
		return fail(parser, 431, "the request has too many headers");
	if (!colon || !http_is_token(line, (size_t)(colon - line)))
		return fail(parser, 400, "a header does not begin with a name and a colon");
	*colon = '\0';
	if (is_trailer && !may_trail(line))
		return fail(parser, 400, "a header that may not be a trailer is one");
	value = colon + 1 + strspn(colon + 1, " \t");
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	memmove(colon + 1, value, (size_t)(end - value));
	fields->text.len = (size_t)(colon + 1 - fields->text.data) + (size_t)(end - value);
	buf_append(&fields->text, "", 1);
	fields->line_start = fields->text.len;
	fields->n++;
	return 0;
}

static const char *after(const char *text)
{
	return text + strlen(text) + 1;
}

/* Points into the block, which grows no more. */
static void list_fields(struct http_fields *fields, const char *at)
{
	fields->items = xcalloc(fields->n + 1, sizeof(*fields->items));
	for (size_t i = 0; i < fields->n; i++) {
		fields->items[i].name = at;
		fields->items[i].value = after(at);
		at = after(fields->items[i].value);
	}
}

/* Whether an absolute target names the same host as Host does: RFC 9112, 3.2.2. */
static bool is_same_host(const char *target, const char *host)
{
	size_t scheme = measure_scheme(target);
	size_t n = strcspn(target + scheme, "/?");

	return scheme == 0 || (strlen(host) == n && strncasecmp(target + scheme, host, n) == 0);
}

static int take_host(struct http_parser *parser)
{
	struct http_request *request = &parser->request;
	size_t n = http_find_header(request, "host", &request->host);

	if (n > 1)
		return fail(parser, 400, "the request has more than one Host");
	if (n == 0)
		return request->minor == 0 ? 0 : fail(parser, 400, "the request has no Host");
	if (!http_is_authority(request->host, strlen(request->host)))
		return fail(parser, 400, "the request's Host is not a host name or address");
	if (!is_same_host(request->target, request->host))
		return fail(parser, 400, "the request's Host is not that of its target");
	return 0;
}

static bool parse_length(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	size_t n = strlen(text);

	/* 18 digits cannot overflow, and are more than any disk holds. */
	if (n == 0 || n > 18)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return true;
}

/* RFC 9112, 6.3: how long the body is, without any repair. */
static int take_framing(struct http_parser *parser)
{
	struct http_request *request = &parser->request;
	const char *length = NULL;
	const char *coding = NULL;
	size_t n_lengths = http_find_header(request, "content-length", &length);
	size_t n_codings = http_find_header(request, "transfer-encoding", &coding);

	if (n_lengths > 1 || n_codings > 1)
		return fail(parser, 400,
			"the request has more than one Content-Length or Transfer-Encoding");
	if (n_lengths && n_codings)
		return fail(parser, 400,
			"the request has both Content-Length and Transfer-Encoding");
	if (length && !parse_length(length, &request->content_length))
		return fail(parser, 400, "the request's Content-Length is not a number");
	if (!coding)
		return 0;
	if (request->minor == 0)
		return fail(parser, 400, "a request of HTTP/1.0 has a Transfer-Encoding");
	if (strcasecmp(coding, "chunked") != 0)
		return fail(parser, 501, "the request's Transfer-Encoding is not chunked");
	request->is_chunked = true;
	return 0;
}

static int take_expect(struct http_parser *parser)
{
	struct http_request *request = &parser->request;
	const char *expect = NULL;
	size_t n = http_find_header(request, "expect", &expect);

	if (n == 0 || request->minor == 0)
		return 0;
	if (n > 1 || strcasecmp(expect, "100-continue") != 0)
		return fail(parser, 417, "the request expects something besides 100-continue");
	request->expects_continue = request->is_chunked || request->content_length > 0;
	return 0;
}

static void take_connection(struct http_request *request)
{
	bool closes = false;
	bool keeps = false;

	for (size_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, "connection") != 0)
			continue;
		closes |= http_list_has(request->headers[i].value, "close");
		keeps |= http_list_has(request->headers[i].value, "keep-alive");
	}
	request->keeps_alive = !closes && (request->minor == 1 || keeps);
}

/* Path and query, cut apart, behind the lines of the block; returns where. */
static size_t append_path(struct buf *text)
{
	const char *sent = after(text->data);
	size_t scheme = measure_scheme(sent);
	size_t n = strlen(sent);
	cleanup_with(freep) char *target = xmemdup(sent, n + 1);
	const char *path = target + scheme + (scheme ? strcspn(target + scheme, "/?") : 0);
	size_t at = text->len;

	if (*path == '?' || !*path)
		buf_putc(text, '/');
	buf_append(text, path, strlen(path) + 1);
	return at;
}

int http_take_head(struct http_parser *parser)
{
	struct http_request *request = &parser->request;
	struct http_fields *head = &parser->head;
	size_t path = append_path(&head->text);
	char *query;
	int status;

	request->method = head->text.data;
	request->target = after(request->method);
	list_fields(head, after(after(request->target)));
	request->headers = head->items;
	request->n_headers = head->n;
	request->path = head->text.data + path;
	query = strchr(head->text.data + path, '?');
	if (query) {
		*query = '\0';
		request->query = query + 1;
	}
	status = take_host(parser);
	if (status == 0)
		status = take_framing(parser);
	if (status == 0)
		status = take_expect(parser);
	take_connection(request);
	return status;
}

int http_take_trailers(struct http_parser *parser)
{
	list_fields(&parser->tail, parser->tail.text.data);
	parser->request.trailers = parser->tail.items;
	parser->request.n_trailers = parser->tail.n;
	return 0;
}

size_t http_find_header(const struct http_request *request, const char *name, const char **ret)
{
	size_t found = 0;

	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0 && found++ == 0)
			*ret = request->headers[i].value;
	return found;
}
