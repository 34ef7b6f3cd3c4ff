/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "unit.h"

static const struct http_limits limits = { 64, 256, 8, 32 };

/* What a stream of requests is seen as: "POST /a?q host=h h:v ... |body| trailers;" each. */
struct reading {
	struct http_parser parser;
	struct buf text;
	struct buf body;
	size_t used; /* of the whole stream */
	bool is_over;
};

static void tell(struct reading *reading)
{
	const struct http_request *request = &reading->parser.request;

	buf_printf(&reading->text, "%s %s", request->method, request->path);
	if (request->query)
		buf_printf(&reading->text, "?%s", request->query);
	buf_printf(&reading->text, " 1.%d %s", request->minor,
		request->host ? request->host : "-");
	for (size_t i = 0; i < request->n_headers; i++)
		if (request->headers[i].name[0] == 'x')
			buf_printf(&reading->text, " %s=%s", request->headers[i].name,
				request->headers[i].value);
	buf_printf(&reading->text, "%s%s |%s|", request->keeps_alive ? "" : " close",
		request->expects_continue ? " expects" : "",
		reading->body.data ? reading->body.data : "");
	for (size_t i = 0; i < request->n_trailers; i++)
		buf_printf(&reading->text, " %s=%s", request->trailers[i].name,
			request->trailers[i].value);
	buf_puts(&reading->text, ";");
}

/* Gives a piece of the stream; answers what the parser says until it wants more. */
static void give(struct reading *reading, const char *data, size_t n)
{
	while (!reading->is_over) {
		size_t used = 0;
		enum http_event event = http_parse(&reading->parser, data, n, &used);

		ck_assert_uint_le(used, n);
		reading->used += used;
		data += used;
		n -= used;
		switch (event) {
		case HTTP_MORE:
			ck_assert_uint_eq(n, 0);
			return;
		case HTTP_HEAD:
			break;
		case HTTP_DATA:
			ck_assert_ptr_eq(reading->parser.data + reading->parser.data_len, data);
			buf_append(
				&reading->body, reading->parser.data, reading->parser.data_len);
			break;
		case HTTP_END:
			tell(reading);
			buf_clear(&reading->body);
			http_parser_next(&reading->parser);
			break;
		case HTTP_REFUSED:
			buf_printf(&reading->text, "%d", reading->parser.status);
			ck_assert_ptr_nonnull(reading->parser.reason);
			reading->is_over = true;
			break;
		}
	}
}

static void finish(struct reading *reading)
{
	http_parser_done(&reading->parser);
	buf_done(&reading->text);
	buf_done(&reading->body);
}

/* In two pieces, the first of `cut` bytes; or byte by byte with cut == SIZE_MAX. */
static char *read_cut(const char *data, size_t n, size_t cut, size_t *ret_used)
{
	cleanup_with(finish) struct reading reading = { 0 };

	http_parser_init(&reading.parser, &limits);
	if (cut == SIZE_MAX) {
		for (size_t i = 0; i < n; i++)
			give(&reading, data + i, 1);
	} else {
		give(&reading, data, cut);
		give(&reading, data + cut, n - cut);
	}
	*ret_used = reading.used;
	buf_puts(&reading.text, "");
	return buf_steal(&reading.text);
}

#define H "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

/* clang-format off */
static const struct {
	const char *sent;
	const char *seen;
} cases[] = {
	/* What is taken. */
	{ GET H "\r\n", "GET / 1.1 h ||;" },
	{ "\r\n" GET H "\r\n", "GET / 1.1 h ||;" },
	{ "GET /a/b%20c?x=1&y=%2F HTTP/1.1\r\n" H "\r\n", "GET /a/b%20c?x=1&y=%2F 1.1 h ||;" },
	{ "GET /? HTTP/1.1\r\n" H "\r\n", "GET /? 1.1 h ||;" },
	{ "GET http://h/p?q HTTP/1.1\r\n" H "\r\n", "GET /p?q 1.1 h ||;" },
	{ "GET HTTPS://H?q HTTP/1.1\r\n" H "\r\n", "GET /?q 1.1 h ||;" },
	{ "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * 1.1 h ||;" },
	{ GET "hOsT:h\r\n\r\n", "GET / 1.1 h ||;" },
	{ GET "Host: \t h:8443 \t\r\n\r\n", "GET / 1.1 h:8443 ||;" },
	{ GET "Host: [::1]:80\r\n\r\n", "GET / 1.1 [::1]:80 ||;" },
	{ GET H "x:\r\nxa: b  c\t\xc3\xa9 \r\n\r\n", "GET / 1.1 h x= xa=b  c\t\xc3\xa9 ||;" },
	{ GET H "Connection: a, Close\r\n\r\n", "GET / 1.1 h close ||;" },
	{ GET H "Connection: closed\r\n\r\n", "GET / 1.1 h ||;" },
	{ "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 - close ||;" },
	{ "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / 1.0 - ||;" },
	{ POST "Content-Length: 5\r\n\r\nhello", "POST / 1.1 h |hello|;" },
	{ POST "Content-Length: 0\r\n\r\n", "POST / 1.1 h ||;" },
	{ POST "Content-Length: 0032\r\n\r\n" X16 X16, "POST / 1.1 h |" X16 X16 "|;" },
	{ POST "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nab", "POST / 1.1 h expects |ab|;" },
	{ POST "Expect: 100-continue\r\n\r\n", "POST / 1.1 h ||;" },
	{ CHUNKED "0\r\n\r\n", "POST / 1.1 h ||;" },
	{ CHUNKED "5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n", "POST / 1.1 h |hello0123456789|;" },
	{ CHUNKED "1;a=\"b\"\r\n\r\r\n0\r\n\r\n", "POST / 1.1 h |\r|;" },
	{ CHUNKED "1\r\na\r\n0\r\nx-sum: 7 \r\nHost2: q\r\n\r\n", "POST / 1.1 h |a| x-sum=7 Host2=q;" },
	{ CHUNKED "10\r\n" X16 "\r\n10\r\n" X16 "\r\n0\r\n\r\n", "POST / 1.1 h |" X16 X16 "|;" },
	/* One behind the other. */
	{ GET H "\r\n" POST "Content-Length: 2\r\n\r\nab" GET H "\r\n",
	  "GET / 1.1 h ||;POST / 1.1 h |ab|;GET / 1.1 h ||;" },
	{ CHUNKED "0\r\n\r\n" GET H "\r\n", "POST / 1.1 h ||;GET / 1.1 h ||;" },
	{ POST "Content-Length: 1\r\n\r\na\r\n" GET H "\r\n", "POST / 1.1 h |a|;GET / 1.1 h ||;" },
	/* Not whole yet. */
	{ "", "" },
	{ "GET / HT", "" },
	{ GET H, "" },
	{ POST "Content-Length: 5\r\n\r\nhell", "" },
	{ CHUNKED "0\r\n", "" },
	/* Request lines. */
	{ "\r\n\r\n" GET H "\r\n", "400" },
	{ "\n" GET H "\r\n", "400" },
	{ " GET / HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET  / HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET / HTTP/1.1 \r\n" H "\r\n", "400" },
	{ "GET\t/ HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /\r\n", "400" },
	{ "GET / HTTP/1.1\n" H "\r\n", "400" },
	{ "GET / HTTP/1.1\rHost: h\r\n\r\n", "400" },
	{ "G(T / HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET a HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET * HTTP/1.1\r\n" H "\r\n", "400" },
	{ "CONNECT h:443 HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /a#b HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /%4 HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /?%zz HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET /\x7f HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET ftp://h/ HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET http://u@h/ HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET http:/// HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET http://other/ HTTP/1.1\r\n" H "\r\n", "400" },
	{ "GET / http/1.1\r\n" H "\r\n", "400" },
	{ "GET / HTTP/1.10\r\n" H "\r\n", "400" },
	{ "GET / HTTP/1.2\r\n" H "\r\n", "505" },
	{ "GET / HTTP/2.0\r\n" H "\r\n", "505" },
	{ "GET / HTTP/0.9\r\n" H "\r\n", "505" },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400" },
	{ "\x16\x03\x01\x02", "400" },
	{ "GET /" X64 " HTTP/1.1\r\n" H "\r\n", "414" },
	/* Header lines. */
	{ GET "\r\n", "400" },
	{ GET H H "\r\n", "400" },
	{ GET "Host:\r\n\r\n", "400" },
	{ GET "Host: a b\r\n\r\n", "400" },
	{ GET "Host: a,b\x01\r\n\r\n", "400" },
	{ GET "Host: a/b\r\n\r\n", "400" },
	{ GET "Host: u@h\r\n\r\n", "400" },
	{ GET "Host: h:\r\n\r\n", "400" },
	{ GET "Host: h:x\r\n\r\n", "400" },
	{ GET "Host: h:65536\r\n\r\n", "400" },
	{ GET "Host: [::1\r\n\r\n", "400" },
	{ GET "Host: []\r\n\r\n", "400" },
	{ GET "Host: [::1]x\r\n\r\n", "400" },
	{ GET "Host : h\r\n\r\n", "400" },
	{ GET " Host: h\r\n\r\n", "400" },
	{ GET H "a: b\r\n c\r\n\r\n", "400" },
	{ GET H "a: b\r\n\tc\r\n\r\n", "400" },
	{ GET H " \r\n\r\n", "400" },
	{ GET H ": b\r\n\r\n", "400" },
	{ GET H "nocolon\r\n\r\n", "400" },
	{ GET H "a b: c\r\n\r\n", "400" },
	{ GET H "a\xc3: c\r\n\r\n", "400" },
	{ GET H "a: b\n\r\n", "400" },
	{ GET H "a: b\rc: d\r\n\r\n", "400" },
	{ GET H "a: b\r\r\n\r\n", "400" },
	{ GET H "\n", "400" },
	{ GET H "a: \x01\r\n\r\n", "400" },
	{ GET H "a: \x7f\r\n\r\n", "400" },
	{ GET H "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n\r\n", "GET / 1.1 h ||;" },
	{ GET H "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n\r\n", "431" },
	{ GET H "a: " X64 X64 X64 X64 "\r\n\r\n", "431" },
	/* Where the body ends. */
	{ POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", "400" },
	{ POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na", "400" },
	{ POST "Content-Length: 1, 1\r\n\r\na", "400" },
	{ POST "Content-Length: +1\r\n\r\na", "400" },
	{ POST "Content-Length: -1\r\n\r\na", "400" },
	{ POST "Content-Length: 0x1\r\n\r\na", "400" },
	{ POST "Content-Length: 1 1\r\n\r\na", "400" },
	{ POST "Content-Length:\r\n\r\na", "400" },
	{ POST "Content-Length: 18446744073709551617\r\n\r\na", "400" },
	{ POST "Content-Length : 1\r\n\r\na", "400" },
	{ POST "Content-Length: 33\r\n\r\n", "413" },
	{ POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
	{ POST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", "400" },
	{ POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400" },
	{ POST "Transfer-Encoding: chunked, identity\r\n\r\n", "501" },
	{ POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "501" },
	{ POST "Transfer-Encoding: xchunked\r\n\r\n", "501" },
	{ POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", "400" },
	{ POST "Transfer-Encoding:\r\n\r\n", "501" },
	{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400" },
	{ POST "Expect: 200-ok\r\n\r\n", "417" },
	/* Chunks. */
	{ CHUNKED "\r\n", "400" },
	{ CHUNKED " 1\r\na\r\n", "400" },
	{ CHUNKED "1 \r\na\r\n", "400" },
	{ CHUNKED "0x1\r\na\r\n", "400" },
	{ CHUNKED "-1\r\na\r\n", "400" },
	{ CHUNKED "g\r\n", "400" },
	{ CHUNKED "1\na\r\n", "400" },
	{ CHUNKED "1\ra\r\n", "400" },
	{ CHUNKED "1;a\nb\r\n", "400" },
	{ CHUNKED "1\r\nab\r\n", "400" },
	{ CHUNKED "1\r\na\n0\r\n\r\n", "400" },
	{ CHUNKED "1\r\na0\r\n\r\n", "400" },
	{ CHUNKED "21\r\n", "413" },
	{ CHUNKED "20\r\n" X16 X16 "\r\n1\r\n", "413" },
	{ CHUNKED "fffffffffffffff\r\n", "413" },
	{ CHUNKED "10000000000000001\r\n", "400" },
	{ CHUNKED "0000000000000000\r\n", "400" },
	{ CHUNKED "0\r\nContent-Length: 1\r\n\r\n", "400" },
	{ CHUNKED "0\r\nhost: h\r\n\r\n", "400" },
	{ CHUNKED "0\r\nAuthorization: h\r\n\r\n", "400" },
	{ CHUNKED "0\r\n folded: h\r\n\r\n", "400" },
	{ CHUNKED "0\r\na: " X64 X64 X64 X64 "\r\n\r\n", "431" },
	{ CHUNKED "0\r\n\n", "400" },
	/* The second may be refused, the first was good. */
	{ GET H "\r\n" "x\r\n\r\n", "GET / 1.1 h ||;400" },
	{ POST "Content-Length: 1\r\n\r\nabGET / HTTP/1.1\r\n\r\n", "POST / 1.1 h |a|;400" },
};
/* clang-format on */

START_TEST(streams_are_seen_the_same_however_they_are_cut)
{
	const char *sent = cases[_i].sent;
	size_t n = strlen(sent);
	size_t used;
	cleanup_with(freep) char *whole = read_cut(sent, n, n, &used);

	ck_assert_msg(strcmp(whole, cases[_i].seen) == 0, "%s\nis seen as\n%s", sent, whole);
	for (size_t cut = 0; cut <= n; cut++) {
		size_t again;
		cleanup_with(freep) char *seen = read_cut(
			sent, n, cut == n ? SIZE_MAX : cut, &again);

		ck_assert_msg(strcmp(seen, whole) == 0 && again == used,
			"%s\ncut at %zu is seen as\n%s", sent, cut, seen);
	}
}
END_TEST

START_TEST(a_nul_is_refused_wherever_it_stands)
{
	static const char good[] = GET H "a: b\r\n\r\n";

	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		char bad[sizeof(good)];
		size_t used;
		cleanup_with(freep) char *seen = NULL;

		memcpy(bad, good, sizeof(good));
		bad[i] = '\0';
		seen = read_cut(bad, sizeof(good) - 1, 0, &used);
		ck_assert_str_eq(seen, "400");
	}
}
END_TEST

START_TEST(limits_count_to_the_byte)
{
	static const struct http_limits tight = { 14, 9, 1, 0 };
	struct http_parser parser;
	size_t used;

	http_parser_init(&parser, &tight);
	ck_assert_int_eq(http_parse(&parser, GET H "\r\n", 27, &used), HTTP_HEAD);
	ck_assert_uint_eq(used, 27);
	http_parser_next(&parser);
	ck_assert_int_eq(http_parse(&parser, "GET /a HTTP/1.1\r\n", 17, &used), HTTP_REFUSED);
	ck_assert_uint_eq(used, 14);
	http_parser_done(&parser);
	http_parser_init(&parser, &tight);
	ck_assert_int_eq(http_parse(&parser, GET "Host: hh\r\n\r\n", 28, &used), HTTP_REFUSED);
	ck_assert_int_eq(parser.status, 431);
	http_parser_done(&parser);
}
END_TEST

START_TEST(nothing_behind_a_parked_request_is_looked_at)
{
	struct http_parser parser;
	size_t used;

	http_parser_init(&parser, &limits);
	ck_assert(!http_parser_is_busy(&parser));
	ck_assert_int_eq(http_parse(&parser, GET H "\r\nrubbish", 34, &used), HTTP_HEAD);
	ck_assert_uint_eq(used, 27);
	ck_assert(http_parser_is_busy(&parser));
	ck_assert_int_eq(http_parse(&parser, "rubbish", 7, &used), HTTP_END);
	ck_assert_uint_eq(used, 0);
	ck_assert_int_eq(http_parse(&parser, "\n\n\n", 3, &used), HTTP_END);
	ck_assert_uint_eq(used, 0);
	ck_assert_str_eq(parser.request.host, "h");
	ck_assert(!http_parser_is_busy(&parser));
	http_parser_done(&parser);
}
END_TEST

START_TEST(the_limit_of_one_body_may_be_raised_at_its_head)
{
	static const char long_one[] = POST "Content-Length: 40\r\n\r\n";
	struct http_parser parser;
	size_t used;

	http_parser_init(&parser, &limits);
	ck_assert_int_eq(http_parse(&parser, long_one, sizeof(long_one) - 1, &used), HTTP_HEAD);
	parser.limits.body_bytes = 40;
	ck_assert_int_eq(http_parse(&parser, X64, 64, &used), HTTP_DATA);
	ck_assert_uint_eq(used, 40);
	ck_assert_int_eq(http_parse(&parser, NULL, 0, &used), HTTP_END);
	http_parser_next(&parser);
	ck_assert_int_eq(http_parse(&parser, long_one, sizeof(long_one) - 1, &used), HTTP_HEAD);
	ck_assert_int_eq(http_parse(&parser, X64, 64, &used), HTTP_REFUSED);
	ck_assert_uint_eq(used, 0);
	ck_assert_int_eq(parser.status, 413);
	ck_assert_int_eq(http_parse(&parser, X64, 64, &used), HTTP_REFUSED);
	http_parser_done(&parser);
}
END_TEST

START_TEST(extensions_of_chunks_have_a_limit_together)
{
	cleanup_with(buf_done) struct buf sent = { 0 };
	cleanup_with(freep) char *seen = NULL;
	size_t used;

	buf_puts(&sent, CHUNKED);
	for (int i = 0; i < 17; i++)
		buf_puts(&sent, "1;" X64 "\r\na\r\n");
	seen = read_cut(sent.data, sent.len, 0, &used);
	ck_assert_str_eq(seen, "400");
}
END_TEST

START_TEST(headers_are_found_and_counted)
{
	struct http_parser parser;
	const char *value = "none";
	size_t used;

	http_parser_init(&parser, &limits);
	ck_assert_int_eq(
		http_parse(&parser, GET H "A: 1\r\na: 2\r\n\r\n", 39, &used), HTTP_HEAD);
	ck_assert_uint_eq(http_find_header(&parser.request, "b", &value), 0);
	ck_assert_str_eq(value, "none");
	ck_assert_uint_eq(http_find_header(&parser.request, "a", &value), 2);
	ck_assert_str_eq(value, "1");
	http_parser_done(&parser);
}
END_TEST

START_TEST(heads_of_answers_are_formatted)
{
	static const struct header own[] = { { "Content-Type", "text/plain" } };
	struct http_response response = { 200, own, 1, .content_length = 5 };
	cleanup_with(buf_done) struct buf text = { 0 };

	ck_assert_int_eq(http_format_head(&text, &response, 784111777000), 0);
	ck_assert_str_eq(text.data,
		"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: "
		"5\r\n"
		"Connection: keep-alive\r\nContent-Type: text/plain\r\n\r\n");
	buf_clear(&text);
	response = (struct http_response){ 204, .closes = true, .content_length = 5 };
	ck_assert_int_eq(http_format_head(&text, &response, 0), 0);
	ck_assert_str_eq(text.data,
		"HTTP/1.1 204 No Content\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		"Connection: close\r\n\r\n");
	buf_clear(&text);
	response = (struct http_response){ 299, .is_chunked = true };
	ck_assert_int_eq(http_format_head(&text, &response, 0), 0);
	ck_assert_str_eq(text.data,
		"HTTP/1.1 299 \r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
		"Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n");
}
END_TEST

START_TEST(answers_cannot_be_split_by_what_they_carry)
{
	static const struct header bad[] = { { "a", "b\r\nc: d" }, { "a b", "c" },
		{ "", "c" } };
	struct buf text = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http_response response = { 200, &bad[i], 1 };

		ck_assert_int_eq(http_format_head(&text, &response, 0), -EINVAL);
	}
	ck_assert_uint_eq(text.len, 0);
}
END_TEST

Suite *suite(void)
{
	const TTest *const list[] = { a_nul_is_refused_wherever_it_stands,
		limits_count_to_the_byte, nothing_behind_a_parked_request_is_looked_at,
		the_limit_of_one_body_may_be_raised_at_its_head,
		extensions_of_chunks_have_a_limit_together, headers_are_found_and_counted,
		heads_of_answers_are_formatted, answers_cannot_be_split_by_what_they_carry,
		NULL };
	Suite *all = suite_of("controller/http", list);
	TCase *table = tcase_create("streams");

	tcase_add_loop_test(table, streams_are_seen_the_same_however_they_are_cut, 0,
		(int)ARRAY_SIZE(cases));
	suite_add_tcase(all, table);
	return all;
}
