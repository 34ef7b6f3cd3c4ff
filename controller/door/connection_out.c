/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "controller/door/connection.h"
#include "controller/door/door.h"

bool connection_write(struct connection *connection, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0 && connection->out.len == connection->out_start) {
		ssize_t sent = stream_write(&connection->stream, at, n);

		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN)
			break;
		if (sent < 0) {
			connection_close(connection, false);
			return false;
		}
		at += sent;
		n -= (size_t)sent;
	}
	if (n == 0)
		return true;
	buf_append(&connection->out, at, n);
	connection_measure(connection);
	return true;
}

bool connection_flush(struct connection *connection)
{
	struct buf out = connection->out;
	size_t start = connection->out_start;
	bool is_open;

	/* Not kept again byte for byte if the socket takes nothing. */
	while (start < out.len) {
		ssize_t sent = stream_write(
			&connection->stream, out.data + start, out.len - start);

		if (sent == -EINTR)
			continue;
		if (sent == -EAGAIN) {
			connection->out_start = start;
			return true;
		}
		if (sent < 0) {
			connection_close(connection, false);
			return false;
		}
		start += (size_t)sent;
	}
	buf_done(&connection->out);
	connection->out_start = 0;
	connection_measure(connection);
	if (connection->state == CONNECTION_WRITING)
		connection_answered(connection);
	is_open = connection->state != CONNECTION_CLOSED;
	return is_open;
}

/* Sends an answer, all of it or what the socket takes. */
static void send_answer(struct connection *connection, const struct http_response *response,
	const char *body, size_t n)
{
	struct buf *text = &connection->door->text;

	buf_clear(text);
	if (http_format_head(text, response, time_now_ms()) < 0) {
		log_error("an answer of the core has a header that is none");
		connection_close(connection, false);
		return;
	}
	buf_append(text, body, n);
	connection->keeps_open = !response->closes;
	if (!connection_write(connection, text->data, text->len))
		return;
	if (connection->out.len > connection->out_start)
		connection_enter(connection, CONNECTION_WRITING);
	else
		connection_answered(connection);
}

void connection_answer(struct connection *connection, const struct exchange_answer *answer)
{
	bool has_body = !connection->is_head && answer->status != 204 && answer->status != 304;
	struct http_response response = { .status = answer->status,
		.headers = answer->headers,
		.n_headers = answer->n_headers,
		.content_length = answer->body_bytes,
		.closes = answer->closes || !connection->keeps_open ||
			  connection->door->is_draining };

	connection->request = 0;
	send_answer(connection, &response, answer->body, has_body ? answer->body_bytes : 0);
}

/* As the API's clients read errors. */
static const struct {
	int status;
	const char *type;
} types[] = {
	{ 408, "RequestTimeout" },
	{ 413, "RequestEntityTooLarge" },
	{ 414, "RequestUriTooLong" },
	{ 417, "ExpectationFailed" },
	{ 431, "RequestHeadersTooLarge" },
	{ 501, "NotImplemented" },
	{ 503, "ServiceUnavailable" },
	{ 505, "HttpVersionNotSupported" },
};

static const char *type_of(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].status == status)
			return types[i].type;
	return "BadRequest";
}

void connection_refuse(struct connection *connection, int status, const char *reason)
{
	static const struct header headers[] = { { "Content-Type",
		"application/x-amz-json-1.1" } };
	struct http_response response = { .status = status,
		.headers = headers,
		.n_headers = ARRAY_SIZE(headers),
		.closes = true };
	char body[512];
	int n;

	/* The reasons are ours: nothing in them needs an escape. */
	n = snprintf(body, sizeof(body), "{\"__type\":\"%s\",\"message\":\"%s\"}",
		type_of(status), reason);
	response.content_length = (uint64_t)n;
	connection->request = 0;
	send_answer(connection, &response, body, (size_t)n);
}
