/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as a connection's input, once whole and once in pieces whose length the first byte
 * says: both must be seen alike, and what is told of a request must hold.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "controller/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct http_limits limits = { 256, 1024, 16, 512 };

static void use_fields(struct buf *seen, const struct header *items, size_t n)
{
	assert(n <= limits.n_headers);
	for (size_t i = 0; i < n; i++) {
		assert(items[i].name[0] && !strpbrk(items[i].name, " \t\r\n:"));
		assert(!strpbrk(items[i].value, "\r\n"));
		buf_printf(seen, "%s:%s\n", items[i].name, items[i].value);
	}
}

static void use_request(struct buf *seen, const struct http_request *request)
{
	assert(request->method[0] && !strpbrk(request->method, " \t\r\n"));
	assert(request->path[0] == '/' || strcmp(request->path, "*") == 0);
	assert(!strchr(request->path, '?'));
	assert(request->host || request->minor == 0);
	assert(!request->is_chunked || request->content_length == 0);
	assert(!request->is_chunked || request->minor == 1);
	buf_printf(seen, "%s %s %s %d%d%d\n", request->method, request->path,
		request->query ? request->query : "-", request->minor, request->keeps_alive,
		request->expects_continue);
	use_fields(seen, request->headers, request->n_headers);
}

/* One event; false if the connection is over. */
static bool use_event(
	struct buf *seen, struct http_parser *parser, enum http_event event, size_t *body)
{
	switch (event) {
	case HTTP_HEAD:
		use_request(seen, &parser->request);
		*body = 0;
		break;
	case HTTP_DATA:
		assert(parser->data_len > 0);
		buf_append(seen, parser->data, parser->data_len);
		*body += parser->data_len;
		assert(*body <= limits.body_bytes);
		break;
	case HTTP_END:
		assert(parser->request.is_chunked || *body == parser->request.content_length);
		use_fields(seen, parser->request.trailers, parser->request.n_trailers);
		buf_puts(seen, "end\n");
		http_parser_next(parser);
		break;
	case HTTP_REFUSED:
		assert(parser->status >= 400 && parser->reason[0]);
		buf_printf(seen, "refused %d %s\n", parser->status, parser->reason);
		return false;
	case HTTP_MORE:
		break;
	}
	return true;
}

static size_t read_in_pieces(struct buf *seen, const char *data, size_t n, size_t piece)
{
	cleanup_with(http_parser_done) struct http_parser parser;
	size_t done = 0;
	size_t body = 0;

	http_parser_init(&parser, &limits);
	while (done < n) {
		size_t end = n - done < piece ? n : done + piece;
		enum http_event event;

		do {
			size_t used = 0;

			event = http_parse(&parser, data + done, end - done, &used);
			assert(used <= end - done);
			done += used;
			if (!use_event(seen, &parser, event, &body))
				return done;
		} while (event != HTTP_MORE);
		assert(done == end);
	}
	return done;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_with(buf_done) struct buf whole = { 0 };
	cleanup_with(buf_done) struct buf pieces = { 0 };
	const char *text = (const char *)data;

	if (n == 0)
		return 0;
	assert(read_in_pieces(&whole, text + 1, n - 1, n) ==
		read_in_pieces(&pieces, text + 1, n - 1, data[0] % 32 + 1));
	assert(whole.len == pieces.len);
	assert(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
	return 0;
}
