/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Integers are little endian; text and bytes are a u32 length, the bytes, and a NUL that the
 * length does not count, so that a decoded string is used where it lies.
 */
#include "controller/exchange.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

/* What is left of a payload. After the first mistake everything read is 0 or "". */
struct reader {
	const char *at;
	size_t n;
	const char *mistake; /* NULL: none */
};

static void fail(struct reader *reader, const char *mistake)
{
	if (!reader->mistake)
		reader->mistake = mistake;
	reader->n = 0;
}

static const char *take_raw(struct reader *reader, size_t n)
{
	const char *at = reader->at;

	if (reader->n < n) {
		fail(reader, "is cut off");
		return NULL;
	}
	reader->at += n;
	reader->n -= n;
	return at;
}

static void copy_raw(struct reader *reader, void *ret, size_t n)
{
	const char *at = take_raw(reader, n);

	if (at)
		memcpy(ret, at, n);
	else
		memset(ret, 0, n);
}

static uint64_t take_u64(struct reader *reader)
{
	uint64_t value;

	copy_raw(reader, &value, sizeof(value));
	return le64toh(value);
}

static uint32_t take_u32(struct reader *reader)
{
	uint32_t value;

	copy_raw(reader, &value, sizeof(value));
	return le32toh(value);
}

static uint32_t take_at_most(struct reader *reader, uint32_t most, const char *mistake)
{
	uint32_t value = take_u32(reader);

	if (value <= most)
		return value;
	fail(reader, mistake);
	return 0;
}

static bool take_bool(struct reader *reader)
{
	uint8_t value;

	copy_raw(reader, &value, 1);
	if (value > 1)
		fail(reader, "has a truth value that is neither");
	return value == 1;
}

static const char *take_bytes(struct reader *reader, size_t *ret_n)
{
	size_t n = take_u32(reader);
	const char *bytes;

	*ret_n = 0;
	if (n >= reader->n) {
		fail(reader, "is cut off");
		return "";
	}
	bytes = take_raw(reader, n + 1);
	if (bytes[n] != '\0') {
		fail(reader, "has text without an end");
		return "";
	}
	*ret_n = n;
	return bytes;
}

static const char *take_text(struct reader *reader)
{
	size_t n;
	const char *text = take_bytes(reader, &n);

	if (strlen(text) == n)
		return text;
	fail(reader, "has text with a NUL in it");
	return "";
}

static size_t take_headers(struct reader *reader, struct header *ret)
{
	size_t n = take_at_most(reader, EXCHANGE_MAX_HEADERS, "has too many headers");

	for (size_t i = 0; i < n; i++) {
		ret[i].name = take_text(reader);
		ret[i].value = take_text(reader);
		if (!ret[i].name[0])
			fail(reader, "has a header without a name");
	}
	return n;
}

static int finish(const struct reader *reader, const char *what, struct error *err)
{
	if (reader->mistake)
		return error_set(err, -EBADMSG, "%s %s", what, reader->mistake);
	if (reader->n > 0)
		return error_set(err, -EBADMSG, "%s has %zu bytes too many", what, reader->n);
	return 0;
}

static void put_u64(struct buf *ret, uint64_t value)
{
	value = htole64(value);
	buf_append(ret, &value, sizeof(value));
}

static void put_u32(struct buf *ret, uint32_t value)
{
	value = htole32(value);
	buf_append(ret, &value, sizeof(value));
}

static void put_bool(struct buf *ret, bool value)
{
	buf_putc(ret, value ? 1 : 0);
}

static void put_bytes(struct buf *ret, const char *bytes, size_t n)
{
	put_u32(ret, (uint32_t)n);
	buf_append(ret, bytes, n);
	buf_putc(ret, '\0');
}

static void put_text(struct buf *ret, const char *text)
{
	put_bytes(ret, text, strlen(text));
}

static void put_headers(struct buf *ret, const struct header *headers, size_t n)
{
	put_u32(ret, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		put_text(ret, headers[i].name);
		put_text(ret, headers[i].value);
	}
}

static void encode_limits(struct buf *ret, const struct limit_settings *limits)
{
	put_u64(ret, limits->line_bytes);
	put_u64(ret, limits->header_bytes);
	put_u64(ret, limits->n_headers);
	put_u64(ret, limits->body_bytes);
	put_u32(ret, limits->connections);
	put_u32(ret, limits->connections_per_address);
}

static void decode_limits(struct reader *reader, struct limit_settings *ret)
{
	ret->line_bytes = take_u64(reader);
	ret->header_bytes = take_u64(reader);
	ret->n_headers = take_u64(reader);
	ret->body_bytes = take_u64(reader);
	ret->connections = take_u32(reader);
	ret->connections_per_address = take_u32(reader);
	if (ret->n_headers > EXCHANGE_MAX_HEADERS)
		fail(reader, "allows more headers than a message can have");
	/* Twice: path and query go beside the target. */
	if (ret->line_bytes > EXCHANGE_PAYLOAD_BYTES / 8 ||
		ret->header_bytes > EXCHANGE_PAYLOAD_BYTES / 8 ||
		ret->body_bytes > EXCHANGE_PAYLOAD_BYTES / 2)
		fail(reader, "allows requests that are longer than a message");
}

static void encode_deadlines(struct buf *ret, const struct deadline_settings *deadlines)
{
	put_u64(ret, deadlines->handshake_ms);
	put_u64(ret, deadlines->header_ms);
	put_u64(ret, deadlines->body_ms);
	put_u64(ret, deadlines->write_ms);
	put_u64(ret, deadlines->idle_ms);
}

static void decode_deadlines(struct reader *reader, struct deadline_settings *ret)
{
	ret->handshake_ms = take_u64(reader);
	ret->header_ms = take_u64(reader);
	ret->body_ms = take_u64(reader);
	ret->write_ms = take_u64(reader);
	ret->idle_ms = take_u64(reader);
}

void exchange_encode_settings(struct buf *ret, const struct exchange_settings *settings)
{
	encode_limits(ret, &settings->limits);
	encode_deadlines(ret, &settings->deadlines);
	put_u64(ret, settings->answer_ms);
	put_u64(ret, settings->drain_ms);
	put_u32(ret, (uint32_t)settings->n_listeners);
	for (size_t i = 0; i < settings->n_listeners; i++) {
		put_bool(ret, settings->listeners[i].is_tls);
		put_bool(ret, settings->listeners[i].client_certificate ==
				      CLIENT_CERTIFICATE_OPTIONAL);
	}
	put_text(ret, settings->certificate_pem);
	put_text(ret, settings->key_pem);
	put_text(ret, settings->ca_pem);
	put_u32(ret, (uint32_t)settings->n_ticket_keys);
	buf_append(ret, settings->ticket_keys,
		settings->n_ticket_keys * EXCHANGE_TICKET_KEY_BYTES);
}

static void decode_listeners(struct reader *reader, struct exchange_settings *ret)
{
	ret->n_listeners = take_at_most(
		reader, SETTINGS_LIMIT_LISTENERS, "names too many listeners");
	for (size_t i = 0; i < ret->n_listeners; i++) {
		ret->listeners[i].is_tls = take_bool(reader);
		ret->listeners[i].client_certificate = take_bool(reader)
							       ? CLIENT_CERTIFICATE_OPTIONAL
							       : CLIENT_CERTIFICATE_OFF;
	}
}

int exchange_decode_settings(
	struct exchange_settings *ret, const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };

	decode_limits(&reader, &ret->limits);
	decode_deadlines(&reader, &ret->deadlines);
	ret->answer_ms = take_u64(&reader);
	ret->drain_ms = take_u64(&reader);
	decode_listeners(&reader, ret);
	ret->certificate_pem = take_text(&reader);
	ret->key_pem = take_text(&reader);
	ret->ca_pem = take_text(&reader);
	ret->n_ticket_keys = take_at_most(
		&reader, EXCHANGE_MAX_TICKET_KEYS, "has too many ticket keys");
	copy_raw(&reader, ret->ticket_keys, ret->n_ticket_keys * EXCHANGE_TICKET_KEY_BYTES);
	return finish(&reader, "a door's settings", err);
}

void exchange_encode_connection(struct buf *ret, const struct exchange_connection *connection)
{
	put_u32(ret, connection->listener);
	put_text(ret, connection->peer);
	put_bool(ret, connection->is_unix);
	put_u32(ret, connection->uid);
	put_bool(ret, connection->is_tls);
	put_bool(ret, connection->has_certificate);
	buf_append(ret, connection->certificate_sha256, DIGEST_BYTES);
	put_u64(ret, (uint64_t)connection->certificate_not_after);
	put_text(ret, connection->certificate_uri);
}

int exchange_decode_connection(
	struct exchange_connection *ret, const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };

	*ret = (struct exchange_connection){ 0 };
	ret->listener = take_at_most(&reader, SETTINGS_LIMIT_LISTENERS - 1,
		"came in by a listener that there is not");
	ret->peer = take_text(&reader);
	ret->is_unix = take_bool(&reader);
	ret->uid = take_u32(&reader);
	ret->is_tls = take_bool(&reader);
	ret->has_certificate = take_bool(&reader);
	copy_raw(&reader, ret->certificate_sha256, DIGEST_BYTES);
	ret->certificate_not_after = (int64_t)take_u64(&reader);
	ret->certificate_uri = take_text(&reader);
	if (ret->has_certificate && !ret->is_tls)
		fail(&reader, "has a certificate without TLS");
	return finish(&reader, "a connection", err);
}

void exchange_encode_request(struct buf *ret, const struct exchange_request *request)
{
	put_u64(ret, request->connection);
	put_text(ret, request->method);
	put_text(ret, request->target);
	put_text(ret, request->path);
	put_bool(ret, request->query);
	put_text(ret, request->query ? request->query : "");
	put_headers(ret, request->headers, request->n_headers);
	put_bytes(ret, request->body, request->body_bytes);
}

int exchange_decode_request(
	struct exchange_request *ret, const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };
	bool has_query;

	ret->connection = take_u64(&reader);
	ret->method = take_text(&reader);
	ret->target = take_text(&reader);
	ret->path = take_text(&reader);
	has_query = take_bool(&reader);
	ret->query = take_text(&reader);
	if (!has_query && ret->query[0])
		fail(&reader, "has a query that it says it has not");
	if (!has_query)
		ret->query = NULL;
	ret->n_headers = take_headers(&reader, ret->storage);
	ret->headers = ret->storage;
	ret->body = take_bytes(&reader, &ret->body_bytes);
	if (!ret->method[0] || !ret->path[0])
		fail(&reader, "has no method or no path");
	return finish(&reader, "a request", err);
}

void exchange_encode_answer(struct buf *ret, const struct exchange_answer *answer)
{
	put_u32(ret, answer->status);
	put_bool(ret, answer->closes);
	put_headers(ret, answer->headers, answer->n_headers);
	put_bytes(ret, answer->body, answer->body_bytes);
}

int exchange_decode_answer(
	struct exchange_answer *ret, const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };

	ret->status = (uint16_t)take_at_most(&reader, 599, "has a status that there is not");
	ret->closes = take_bool(&reader);
	ret->n_headers = take_headers(&reader, ret->storage);
	ret->headers = ret->storage;
	ret->body = take_bytes(&reader, &ret->body_bytes);
	if (ret->status < 200)
		fail(&reader, "has a status that ends no request");
	return finish(&reader, "an answer", err);
}

void exchange_encode_counts(struct buf *ret, const struct exchange_counts *counts)
{
	for (size_t i = 0; i < EXCHANGE_N_COUNTS; i++)
		put_u64(ret, counts->values[i]);
}

int exchange_decode_counts(
	struct exchange_counts *ret, const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };

	for (size_t i = 0; i < EXCHANGE_N_COUNTS; i++)
		ret->values[i] = take_u64(&reader);
	return finish(&reader, "a door's counts", err);
}

int exchange_decode_empty(const void *payload, size_t n, struct error *err)
{
	struct reader reader = { payload, n, NULL };

	return finish(&reader, "a message without content", err);
}

const char *exchange_count_name(enum exchange_count count)
{
	static const char *const names[EXCHANGE_N_COUNTS] = {
		[COUNT_OPEN] = "open",
		[COUNT_PARKED] = "parked",
		[COUNT_ACCEPTED] = "accepted",
		[COUNT_HANDSHAKES] = "handshakes",
		[COUNT_RESUMED] = "resumed",
		[COUNT_REQUESTS] = "requests",
		[COUNT_ADDRESS_FULL] = "address_full",
		[COUNT_DOOR_FULL] = "door_full",
		[COUNT_TLS_FAILED] = "tls_failed",
		[COUNT_MALFORMED] = "malformed",
		[COUNT_TOO_LARGE] = "too_large",
		[COUNT_TOO_SLOW] = "too_slow",
		[COUNT_TOO_EAGER] = "too_eager",
		[COUNT_EVICTED] = "evicted",
		[COUNT_LEFT] = "left",
		[COUNT_NOT_ANSWERED] = "not_answered",
	};

	return (size_t)count < EXCHANGE_N_COUNTS ? names[count] : "?";
}
