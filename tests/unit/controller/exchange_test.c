/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

static const struct header headers[] = { { "Host", "drover" }, { "X-Empty", "" } };

static const struct exchange_request request = {
	.connection = 1234567890123,
	.method = "POST",
	.target = "http://drover/a?b=c",
	.path = "/a",
	.query = "b=c",
	.headers = headers,
	.n_headers = 2,
	.body = "{\0}",
	.body_bytes = 3,
};

static const struct exchange_settings settings = {
	.limits = { 1, 2, 3, 4, 5, 6 },
	.deadlines = { 7, 8, 9, 10, 11 },
	.answer_ms = 12,
	.drain_ms = 13,
	.listeners = { { true, CLIENT_CERTIFICATE_OPTIONAL },
		{ false, CLIENT_CERTIFICATE_OFF } },
	.n_listeners = 2,
	.certificate_pem = "certificate",
	.key_pem = "key",
	.ca_pem = "",
	.ticket_keys = { { 'a', [79] = 'b' }, { 'c', [79] = 'd' } },
	.n_ticket_keys = 2,
};

static const struct exchange_connection connection = {
	.listener = 3,
	.peer = "[::1]:7",
	.is_tls = true,
	.has_certificate = true,
	.certificate_sha256 = { 1, [31] = 2 },
	.certificate_not_after = -5,
	.certificate_uri = "arn:aws:iam::000000000000:user/drover/web-1",
};

START_TEST(a_request_comes_back_as_it_was)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_request got;

	exchange_encode_request(&text, &request);
	ck_assert_int_eq(exchange_decode_request(&got, text.data, text.len, NULL), 0);
	ck_assert_uint_eq(got.connection, 1234567890123);
	ck_assert_str_eq(got.method, "POST");
	ck_assert_str_eq(got.target, "http://drover/a?b=c");
	ck_assert_str_eq(got.path, "/a");
	ck_assert_str_eq(got.query, "b=c");
	ck_assert_uint_eq(got.n_headers, 2);
	ck_assert_str_eq(got.headers[0].name, "Host");
	ck_assert_str_eq(got.headers[0].value, "drover");
	ck_assert_str_eq(got.headers[1].name, "X-Empty");
	ck_assert_str_eq(got.headers[1].value, "");
	ck_assert_uint_eq(got.body_bytes, 3);
	ck_assert_mem_eq(got.body, "{\0}", 4);
}
END_TEST

START_TEST(no_query_and_an_empty_one_differ)
{
	for (int i = 0; i < 2; i++) {
		cleanup_with(buf_done) struct buf text = { 0 };
		struct exchange_request sent = { .method = "GET",
			.target = "/",
			.path = "/",
			.query = i ? "" : NULL,
			.body = "" };
		struct exchange_request got;

		exchange_encode_request(&text, &sent);
		ck_assert_int_eq(exchange_decode_request(&got, text.data, text.len, NULL), 0);
		ck_assert_int_eq(got.query != NULL, i);
	}
}
END_TEST

START_TEST(settings_come_back_as_they_were)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_settings got;

	exchange_encode_settings(&text, &settings);
	ck_assert_int_eq(exchange_decode_settings(&got, text.data, text.len, NULL), 0);
	ck_assert_mem_eq(&got.limits, &settings.limits, sizeof(got.limits));
	ck_assert_mem_eq(&got.deadlines, &settings.deadlines, sizeof(got.deadlines));
	ck_assert_uint_eq(got.answer_ms, 12);
	ck_assert_uint_eq(got.drain_ms, 13);
	ck_assert_uint_eq(got.n_listeners, 2);
	ck_assert(got.listeners[0].is_tls);
	ck_assert_int_eq(got.listeners[0].client_certificate, CLIENT_CERTIFICATE_OPTIONAL);
	ck_assert(!got.listeners[1].is_tls);
	ck_assert_int_eq(got.listeners[1].client_certificate, CLIENT_CERTIFICATE_OFF);
	ck_assert_str_eq(got.certificate_pem, "certificate");
	ck_assert_str_eq(got.key_pem, "key");
	ck_assert_str_eq(got.ca_pem, "");
	ck_assert_uint_eq(got.n_ticket_keys, 2);
	ck_assert_mem_eq(got.ticket_keys, settings.ticket_keys, 2 * EXCHANGE_TICKET_KEY_BYTES);
}
END_TEST

START_TEST(a_connection_comes_back_as_it_was)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_connection got;

	exchange_encode_connection(&text, &connection);
	ck_assert_int_eq(exchange_decode_connection(&got, text.data, text.len, NULL), 0);
	ck_assert_uint_eq(got.listener, 3);
	ck_assert_str_eq(got.peer, "[::1]:7");
	ck_assert(!got.is_unix);
	ck_assert(got.is_tls);
	ck_assert(got.has_certificate);
	ck_assert_mem_eq(got.certificate_sha256, connection.certificate_sha256, DIGEST_BYTES);
	ck_assert_int_eq(got.certificate_not_after, -5);
	ck_assert_str_eq(got.certificate_uri, "arn:aws:iam::000000000000:user/drover/web-1");
}
END_TEST

START_TEST(an_answer_comes_back_as_it_was)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_answer sent = { .status = 503,
		.closes = true,
		.headers = headers,
		.n_headers = 2,
		.body = "no",
		.body_bytes = 2 };
	struct exchange_answer got;

	exchange_encode_answer(&text, &sent);
	ck_assert_int_eq(exchange_decode_answer(&got, text.data, text.len, NULL), 0);
	ck_assert_int_eq(got.status, 503);
	ck_assert(got.closes);
	ck_assert_uint_eq(got.n_headers, 2);
	ck_assert_str_eq(got.body, "no");
	ck_assert_uint_eq(got.body_bytes, 2);
}
END_TEST

START_TEST(counts_come_back_and_have_names)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_counts sent;
	struct exchange_counts got;

	for (size_t i = 0; i < EXCHANGE_N_COUNTS; i++) {
		sent.values[i] = i << 40;
		ck_assert(exchange_count_name((enum exchange_count)i)[0]);
	}
	exchange_encode_counts(&text, &sent);
	ck_assert_int_eq(exchange_decode_counts(&got, text.data, text.len, NULL), 0);
	ck_assert_mem_eq(&sent, &got, sizeof(got));
	ck_assert_str_eq(exchange_count_name(EXCHANGE_N_COUNTS), "?");
}
END_TEST

typedef int decode_fn(void *ret, const void *payload, size_t n, struct error *err);

/* Every shorter payload, and one that is longer, in memory of exactly that size. */
static void refuse_cut(const struct buf *text, decode_fn *decode)
{
	cleanup_with(freep) void *ret = xcalloc(1, 64 * 1024);
	struct error err = ERROR_NONE;

	for (size_t n = 0; n < text->len; n++) {
		cleanup_with(freep) char *cut = n ? xmemdup(text->data, n) : xcalloc(1, 1);

		ck_assert_int_eq(decode(ret, cut, n, &err), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(err.text, "is cut off"));
	}
	ck_assert_int_eq(decode(ret, text->data, text->len, NULL), 0);
	ck_assert_int_eq(decode(ret, text->data, text->len + 1, &err), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(err.text, "has 1 bytes too many"));
}

START_TEST(what_is_cut_off_or_too_long_is_refused)
{
	struct exchange_answer answer = {
		.status = 200, .headers = headers, .n_headers = 2, .body = "", .body_bytes = 0
	};
	struct buf text = { 0 };

	exchange_encode_request(&text, &request);
	refuse_cut(&text, (decode_fn *)exchange_decode_request);
	buf_clear(&text);
	exchange_encode_settings(&text, &settings);
	refuse_cut(&text, (decode_fn *)exchange_decode_settings);
	buf_clear(&text);
	exchange_encode_connection(&text, &connection);
	refuse_cut(&text, (decode_fn *)exchange_decode_connection);
	buf_clear(&text);
	exchange_encode_answer(&text, &answer);
	refuse_cut(&text, (decode_fn *)exchange_decode_answer);
	buf_clear(&text);
	exchange_encode_counts(&text, &(struct exchange_counts){ 0 });
	refuse_cut(&text, (decode_fn *)exchange_decode_counts);
	buf_done(&text);
	ck_assert_int_eq(exchange_decode_empty("", 0, NULL), 0);
	ck_assert_int_eq(exchange_decode_empty("x", 1, NULL), -EBADMSG);
}
END_TEST

static void expect_request(struct buf *text, const char *sentence)
{
	struct exchange_request got;
	struct error err = ERROR_NONE;

	ck_assert_int_eq(exchange_decode_request(&got, text->data, text->len, &err), -EBADMSG);
	ck_assert_str_eq(err.text, sentence);
	buf_clear(text);
}

START_TEST(text_is_text_and_numbers_are_within_their_limits)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_request sent = request;
	struct header many[EXCHANGE_MAX_HEADERS + 1];

	exchange_encode_request(&text, &request);
	text.data[8 + 4 + 2] = '\0';
	expect_request(&text, "a request has text with a NUL in it");

	exchange_encode_request(&text, &request);
	text.data[8 + 4 + 4] = 'x';
	expect_request(&text, "a request has text without an end");

	sent.method = "";
	exchange_encode_request(&text, &sent);
	expect_request(&text, "a request has no method or no path");

	sent.method = "GET";
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = headers[0];
	sent.headers = many;
	sent.n_headers = ARRAY_SIZE(many);
	exchange_encode_request(&text, &sent);
	expect_request(&text, "a request has too many headers");

	many[1].name = "";
	sent.n_headers = 2;
	exchange_encode_request(&text, &sent);
	expect_request(&text, "a request has a header without a name");

	exchange_encode_request(&text, &request);
	memcpy(text.data + 8, "\xff\xff\xff\xff", 4);
	expect_request(&text, "a request is cut off");
}
END_TEST

START_TEST(statuses_that_end_no_request_are_refused)
{
	const uint16_t statuses[] = { 0, 100, 101, 199, 600, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		cleanup_with(buf_done) struct buf text = { 0 };
		struct exchange_answer got;

		exchange_encode_answer(
			&text, &(struct exchange_answer){ .status = statuses[i], .body = "" });
		ck_assert_int_eq(
			exchange_decode_answer(&got, text.data, text.len, NULL), -EBADMSG);
	}
}
END_TEST

START_TEST(settings_that_allow_more_than_fits_are_refused)
{
	struct exchange_settings sent[4] = { settings, settings, settings, settings };

	sent[0].limits.n_headers = EXCHANGE_MAX_HEADERS + 1;
	sent[1].limits.body_bytes = EXCHANGE_PAYLOAD_BYTES / 2 + 1;
	sent[2].limits.header_bytes = EXCHANGE_PAYLOAD_BYTES / 8 + 1;
	sent[3].limits.line_bytes = EXCHANGE_PAYLOAD_BYTES / 8 + 1;
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++) {
		cleanup_with(buf_done) struct buf text = { 0 };
		struct exchange_settings got;

		exchange_encode_settings(&text, &sent[i]);
		ck_assert_int_eq(
			exchange_decode_settings(&got, text.data, text.len, NULL), -EBADMSG);
	}
}
END_TEST

START_TEST(the_longest_request_fits_a_message)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(freep) char *body = xcalloc(1, EXCHANGE_PAYLOAD_BYTES / 2);
	cleanup_with(freep) char *line = xcalloc(1, EXCHANGE_PAYLOAD_BYTES / 8 + 1);
	struct header many[EXCHANGE_MAX_HEADERS];
	struct exchange_request sent = request;

	memset(line, 'a', EXCHANGE_PAYLOAD_BYTES / 8);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct header){ "a", "" };
	many[0].name = line;
	sent.target = line;
	sent.path = line;
	sent.headers = many;
	sent.n_headers = ARRAY_SIZE(many);
	sent.body = body;
	sent.body_bytes = EXCHANGE_PAYLOAD_BYTES / 2;
	exchange_encode_request(&text, &sent);
	ck_assert_uint_le(text.len, EXCHANGE_PAYLOAD_BYTES);
}
END_TEST

TESTS("exchange", a_request_comes_back_as_it_was, no_query_and_an_empty_one_differ,
	settings_come_back_as_they_were, a_connection_comes_back_as_it_was,
	an_answer_comes_back_as_it_was, counts_come_back_and_have_names,
	what_is_cut_off_or_too_long_is_refused,
	text_is_text_and_numbers_are_within_their_limits,
	statuses_that_end_no_request_are_refused,
	settings_that_allow_more_than_fits_are_refused, the_longest_request_fits_a_message)
