/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The states of a message on the wire. Whether bytes are refused depends on the bytes before
 * them alone, never on how many were given at once.
 */
#include "controller/http.h"

#include <stdlib.h>
#include <string.h>

#include "controller/http_grammar.h"
#include "controller/http_request.h"

enum state {
	AT_START,
	AT_START_LF, /* of the empty line before a request */
	IN_LINE,
	AT_LINE_LF,
	IN_HEADER,
	AT_HEADER_LF,
	AT_BODY, /* the head was told; the limit for the body is set */
	IN_BODY,
	IN_SIZE,
	IN_EXTENSION,
	AT_SIZE_LF,
	IN_CHUNK,
	AT_CHUNK_CR,
	AT_CHUNK_LF,
	IN_TRAILER,
	AT_TRAILER_LF,
	AT_END,
	REFUSED,
};

void http_parser_init(struct http_parser *parser, const struct http_limits *limits)
{
	*parser = (struct http_parser){ .limits = *limits,
		.first_body_bytes = limits->body_bytes };
}

static void fields_done(struct http_fields *fields)
{
	buf_done(&fields->text);
	free(fields->items);
}

void http_parser_done(struct http_parser *parser)
{
	if (!parser)
		return;
	fields_done(&parser->head);
	fields_done(&parser->tail);
	*parser = (struct http_parser){ .state = REFUSED };
}

void http_parser_next(struct http_parser *parser)
{
	struct http_limits limits = parser->limits;

	limits.body_bytes = parser->first_body_bytes;
	http_parser_done(parser);
	http_parser_init(parser, &limits);
}

bool http_parser_is_busy(const struct http_parser *parser)
{
	return parser->state != AT_START && parser->state != AT_END && parser->state != REFUSED;
}

static enum http_event refuse(struct http_parser *parser, int status, const char *reason)
{
	parser->state = REFUSED;
	parser->status = status;
	parser->reason = reason;
	return HTTP_REFUSED;
}

/* Goes on, or refuses with the status that http_request.c returned. */
static enum http_event enter(struct http_parser *parser, int status, enum state next)
{
	if (status)
		return refuse(parser, status, parser->reason);
	parser->state = (int)next;
	return HTTP_MORE;
}

static enum http_event expect(struct http_parser *parser, char c, char wanted, size_t *used,
	enum state next, const char *reason)
{
	if (c != wanted)
		return refuse(parser, 400, reason);
	*used = 1;
	parser->state = (int)next;
	return HTTP_MORE;
}

static enum http_event start(struct http_parser *parser, char c, size_t *used)
{
	if (c == '\r' && !parser->skipped_line)
		return expect(parser, c, '\r', used, AT_START_LF, "");
	parser->state = IN_LINE;
	return HTTP_MORE;
}

static enum http_event start_lf(struct http_parser *parser, char c, size_t *used)
{
	parser->skipped_line = true;
	return expect(parser, c, '\n', used, AT_START, "a line ends with CR alone");
}

/* The rest of a line, its bytes limited by `room`; at its CR the state becomes `next`. */
static enum http_event line(struct http_parser *parser, struct buf *text, const char *data,
	size_t n, size_t room, size_t *used, enum state next, int status_if_full)
{
	size_t run = 0;

	if (data[0] == '\r')
		return expect(parser, '\r', '\r', used, next, "");
	if (data[0] == '\n')
		return refuse(parser, 400, "a line ends with LF alone");
	if (room == 0)
		return refuse(parser, status_if_full,
			status_if_full == 414 ? "the request line is too long"
					      : "the request's headers are too long");
	while (run < n && run < room && http_is_field_char(data[run]))
		run++;
	if (run == 0)
		return refuse(parser, 400, "the request has a control character in its head");
	buf_append(text, data, run);
	*used = run;
	return HTTP_MORE;
}

static enum http_event request_line(
	struct http_parser *parser, const char *data, size_t n, size_t *used)
{
	struct buf *text = &parser->head.text;

	return line(parser, text, data, n, parser->limits.line_bytes - text->len, used,
		AT_LINE_LF, 414);
}

static enum http_event request_line_lf(struct http_parser *parser, char c, size_t *used)
{
	enum http_event event = expect(
		parser, c, '\n', used, IN_HEADER, "a line ends with CR alone");

	if (event != HTTP_MORE)
		return event;
	if (parser->head.text.len == 0)
		return refuse(parser, 400, "the request line is empty");
	return enter(parser, http_take_request_line(parser), IN_HEADER);
}

static enum http_event field_line(struct http_parser *parser, struct http_fields *fields,
	const char *data, size_t n, size_t *used, enum state next)
{
	enum http_event event;

	if (fields->text.len == fields->line_start && (data[0] == ' ' || data[0] == '\t'))
		return refuse(parser, 400,
			"a header line begins with a blank (folded lines are "
			"not taken)");
	event = line(parser, &fields->text, data, n,
		parser->limits.header_bytes - parser->header_bytes, used, next, 431);
	if (event == HTTP_MORE && parser->state != (int)next)
		parser->header_bytes += *used;
	return event;
}

/* The end of a header line or, if it is empty, of the block: *ret_whole. */
static enum http_event field_line_lf(struct http_parser *parser, bool is_trailer, char c,
	size_t *used, enum state again, bool *ret_whole)
{
	struct http_fields *fields = is_trailer ? &parser->tail : &parser->head;
	enum http_event event = expect(
		parser, c, '\n', used, again, "a line ends with CR alone");

	if (event != HTTP_MORE)
		return event;
	*ret_whole = fields->text.len == fields->line_start;
	if (*ret_whole)
		return HTTP_MORE;
	if (parser->limits.header_bytes - parser->header_bytes < 2)
		return refuse(parser, 431, "the request's headers are too long");
	parser->header_bytes += 2;
	return enter(parser, http_take_field_line(parser, is_trailer), again);
}

static enum http_event header_lf(struct http_parser *parser, char c, size_t *used)
{
	bool is_whole = false;
	enum http_event event = field_line_lf(parser, false, c, used, IN_HEADER, &is_whole);

	if (event != HTTP_MORE || !is_whole)
		return event;
	event = enter(parser, http_take_head(parser), AT_BODY);
	return event == HTTP_MORE ? HTTP_HEAD : event;
}

static enum http_event end(struct http_parser *parser)
{
	parser->state = AT_END;
	return HTTP_END;
}

static enum http_event body_start(struct http_parser *parser)
{
	if (parser->request.content_length > parser->limits.body_bytes)
		return refuse(parser, 413, "the request's body is too long");
	parser->left = parser->request.content_length;
	parser->state = parser->request.is_chunked ? IN_SIZE : IN_BODY;
	return HTTP_MORE;
}

static enum http_event data_of(
	struct http_parser *parser, const char *data, size_t n, size_t *used)
{
	*used = n < parser->left ? n : (size_t)parser->left;
	parser->data = data;
	parser->data_len = *used;
	parser->left -= *used;
	return HTTP_DATA;
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

static enum http_event chunk_size(struct http_parser *parser, char c, size_t *used)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		/* 15 digits cannot overflow; more are zeros or a body that no limit allows. */
		if (parser->size_digits == 15)
			return refuse(parser, 400, "a chunk's size has more than 15 digits");
		parser->size_digits++;
		parser->left = parser->left << 4 | (unsigned)digit;
		*used = 1;
		return HTTP_MORE;
	}
	if (parser->size_digits == 0 || (c != ';' && c != '\r'))
		return refuse(parser, 400, "a chunk's size is not a hexadecimal number");
	*used = 1;
	parser->state = c == ';' ? IN_EXTENSION : AT_SIZE_LF;
	return HTTP_MORE;
}

static enum http_event extension(struct http_parser *parser, char c, size_t *used)
{
	if (c == '\r')
		return expect(parser, c, '\r', used, AT_SIZE_LF, "");
	if (!http_is_field_char(c))
		return refuse(parser, 400, "a chunk's extension has a control character");
	if (parser->extension_bytes == HTTP_CHUNK_EXTENSION_BYTES)
		return refuse(parser, 400, "the chunks' extensions are too long");
	parser->extension_bytes++;
	*used = 1;
	return HTTP_MORE;
}

static enum http_event size_lf(struct http_parser *parser, char c, size_t *used)
{
	enum http_event event = expect(parser, c, '\n', used,
		parser->left ? IN_CHUNK : IN_TRAILER, "a chunk's size ends with CR alone");

	if (event != HTTP_MORE)
		return event;
	if (parser->left > parser->limits.body_bytes - parser->body_bytes)
		return refuse(parser, 413, "the request's body is too long");
	parser->body_bytes += parser->left;
	parser->size_digits = 0;
	return HTTP_MORE;
}

static enum http_event trailer_lf(struct http_parser *parser, char c, size_t *used)
{
	bool is_whole = false;
	enum http_event event = field_line_lf(parser, true, c, used, IN_TRAILER, &is_whole);

	if (event != HTTP_MORE || !is_whole)
		return event;
	(void)http_take_trailers(parser); /* refuses nothing: its lines were looked at */
	return end(parser);
}

/* Takes at least one of the n > 0 bytes, or changes the state, or says something. */
static enum http_event step(
	struct http_parser *parser, const char *data, size_t n, size_t *used)
{
	const char *bad_chunk = "a chunk is longer than its size";

	switch ((enum state)parser->state) {
	case AT_START:
		return start(parser, *data, used);
	case AT_START_LF:
		return start_lf(parser, *data, used);
	case IN_LINE:
		return request_line(parser, data, n, used);
	case AT_LINE_LF:
		return request_line_lf(parser, *data, used);
	case IN_HEADER:
		return field_line(parser, &parser->head, data, n, used, AT_HEADER_LF);
	case AT_HEADER_LF:
		return header_lf(parser, *data, used);
	case IN_BODY:
		return data_of(parser, data, n, used);
	case IN_SIZE:
		return chunk_size(parser, *data, used);
	case IN_EXTENSION:
		return extension(parser, *data, used);
	case AT_SIZE_LF:
		return size_lf(parser, *data, used);
	case IN_CHUNK:
		return data_of(parser, data, n, used);
	case AT_CHUNK_CR:
		return expect(parser, *data, '\r', used, AT_CHUNK_LF, bad_chunk);
	case AT_CHUNK_LF:
		return expect(parser, *data, '\n', used, IN_SIZE, bad_chunk);
	case IN_TRAILER:
		return field_line(parser, &parser->tail, data, n, used, AT_TRAILER_LF);
	case AT_TRAILER_LF:
		return trailer_lf(parser, *data, used);
	case AT_BODY:
	case AT_END:
	case REFUSED:
		break;
	}
	return HTTP_MORE;
}

/* What needs no byte. */
static enum http_event settle(struct http_parser *parser)
{
	if (parser->state == REFUSED)
		return HTTP_REFUSED;
	if (parser->state == AT_END)
		return HTTP_END;
	if (parser->state == AT_BODY && body_start(parser) == HTTP_REFUSED)
		return HTTP_REFUSED;
	if (parser->state == IN_BODY && parser->left == 0)
		return end(parser);
	if (parser->state == IN_CHUNK && parser->left == 0)
		parser->state = AT_CHUNK_CR;
	return HTTP_MORE;
}

enum http_event http_parse(
	struct http_parser *parser, const char *data, size_t n, size_t *ret_used)
{
	enum http_event event = settle(parser);
	size_t done = 0;

	while (event == HTTP_MORE && done < n) {
		size_t used = 0;

		event = step(parser, data + done, n - done, &used);
		done += used;
		if (event == HTTP_MORE)
			event = settle(parser);
	}
	*ret_used = done;
	return event;
}
