/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/header.h"

/*
 * HTTP/1.1 for a server, without sockets: bytes in, requests out (RFC 9112; meanings in RFC
 * 9110).
 *
 * Strict, because two readers who disagree about where a request ends can be made to see
 * different requests. What the RFCs let a server repair is refused here: bare LF, folded lines,
 * blanks before a colon, more than one Content-Length, Content-Length beside Transfer-Encoding,
 * any transfer coding but chunked, control characters. The result does not depend on how the
 * bytes were cut.
 */
struct http_limits {
	size_t line_bytes;   /* of the request line, without its end */
	size_t header_bytes; /* of all header lines and trailers, each with its end */
	size_t n_headers;    /* headers, and again trailers */
	uint64_t body_bytes; /* without the framing of chunks; may be set anew at HTTP_HEAD */
};

#define HTTP_CHUNK_EXTENSION_BYTES 1024 /* of all chunks of a body; they are ignored */

/* Valid from HTTP_HEAD to the next http_parser_next() or _done(); all strings end in NUL, and
 * hold none before. */
struct http_request {
	const char *method; /* a token, as sent */
	const char *target; /* as sent */
	const char *path;   /* still percent-encoded, begins with '/'; "*" for OPTIONS * */
	const char *query;  /* behind '?'; NULL if there was none */
	const char *host;   /* of Host; NULL only in HTTP/1.0 */
	int minor;          /* HTTP/1.0 or HTTP/1.1 */
	const struct header *headers;
	size_t n_headers;
	const struct header *trailers; /* at HTTP_END only; never merged into the headers */
	size_t n_trailers;
	bool is_chunked;
	uint64_t content_length; /* 0 if chunked or not said */
	bool keeps_alive;        /* the client would send another request on this connection */
	bool expects_continue;   /* waits for http_continue before it sends the body */
};

enum http_event {
	HTTP_MORE,    /* all bytes were used; nothing to be said yet */
	HTTP_HEAD,    /* the request is known, no byte of its body used */
	HTTP_DATA,    /* the next bytes of its body: parser->data, within the bytes given */
	HTTP_END,     /* the request is whole; bytes behind it are not used */
	HTTP_REFUSED, /* parser->status and ->reason: answer, then close; no byte can be trusted
		       */
};

/* A block of header lines: "name NUL value NUL" each, behind what else the block begins with.
 */
struct http_fields {
	struct buf text;
	size_t line_start; /* of the line under way */
	size_t n;
	struct header *items; /* once the block is whole */
};

/* Embedded by a connection. Public: request, data, status, reason, limits.body_bytes. */
struct http_parser {
	struct http_limits limits;
	struct http_request request;
	const char *data;
	size_t data_len;
	int status;         /* 400, 413, 414, 417, 431, 501 or 505 */
	const char *reason; /* a sentence for the client and the log, without its bytes */

	int state;
	bool skipped_line;         /* the one empty line that may precede a request */
	uint64_t first_body_bytes; /* the limit to go back to */
	struct http_fields head;   /* begins with method, target and version */
	struct http_fields tail;
	size_t header_bytes;
	uint64_t left; /* of the body or the chunk */
	uint64_t body_bytes;
	size_t size_digits;
	size_t extension_bytes;
};

void http_parser_init(struct http_parser *parser, const struct http_limits *limits);
void http_parser_done(struct http_parser *parser);

/*
 * Reads on until something is to be said; *ret_used is how many of the n bytes were used. Call
 * again with the rest until HTTP_MORE; an event may need no bytes, so a call with n == 0 is in
 * place behind HTTP_HEAD and HTTP_DATA. After HTTP_END and HTTP_REFUSED nothing is used until
 * http_parser_next(): what a client sends while its request is parked is not looked at.
 */
enum http_event http_parse(
	struct http_parser *parser, const char *data, size_t n, size_t *ret_used);

/* Forgets the request, frees its memory, and expects another with the limits it had at first.
 * Not after HTTP_REFUSED. */
void http_parser_next(struct http_parser *parser);

/* Whether a byte of a request has come, and it is not whole: for deadlines. */
bool http_parser_is_busy(const struct http_parser *parser);

/* How often a header is there, whatever its letters' case, and its first value (untouched if
 * 0). Whoever relies on a header that must be there once asks for 1. */
size_t http_find_header(const struct http_request *request, const char *name, const char **ret);

/* "HTTP/1.1 100 Continue" and an empty line. */
extern const char http_continue[];

struct http_response {
	int status;
	const struct header
		*headers; /* besides Date, Content-Length, Transfer-Encoding, Connection */
	size_t n_headers;
	bool is_chunked;         /* only to HTTP/1.1 */
	uint64_t content_length; /* not written for 1xx, 204 and 304 */
	bool closes;
};

/*
 * Appends the answer's head up to and with the empty line. Date is now_ms (since 1970, UTC).
 *
 * Returns 0, or -EINVAL if a header's name is no token or its value has a control character;
 * nothing is appended then.
 */
int http_format_head(struct buf *ret, const struct http_response *response, uint64_t now_ms);
