/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "controller/http.h"
#include "controller/http_grammar.h"

const char http_continue[] = "HTTP/1.1 100 Continue\r\n\r\n";

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
};

/* The phrase is optional (RFC 9112, 4), the blank before it is not. */
static const char *phrase_of(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "";
}

static bool is_header(const struct header *header)
{
	if (!http_is_token(header->name, strlen(header->name)))
		return false;
	for (const char *c = header->value; *c; c++)
		if (!http_is_field_char(*c))
			return false;
	return true;
}

/* IMF-fixdate of RFC 9110, 5.6.7, in English whatever the locale. */
static void append_date(struct buf *ret, uint64_t now_ms)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return; /* a year beyond int: no clock, no Date */
	buf_printf(ret, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
		tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		tm.tm_sec);
}

/* RFC 9110, 8.6 and 15.4.5. */
static bool has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

int http_format_head(struct buf *ret, const struct http_response *response, uint64_t now_ms)
{
	for (size_t i = 0; i < response->n_headers; i++)
		if (!is_header(&response->headers[i]))
			return -EINVAL;
	buf_printf(ret, "HTTP/1.1 %03d %s\r\n", response->status, phrase_of(response->status));
	append_date(ret, now_ms);
	if (has_body(response->status) && response->is_chunked)
		buf_puts(ret, "Transfer-Encoding: chunked\r\n");
	else if (has_body(response->status))
		buf_printf(ret, "Content-Length: %" PRIu64 "\r\n", response->content_length);
	/* Said both ways: HTTP/1.0 keeps a connection only if told so. */
	buf_printf(ret, "Connection: %s\r\n", response->closes ? "close" : "keep-alive");
	for (size_t i = 0; i < response->n_headers; i++)
		buf_printf(ret, "%s: %s\r\n", response->headers[i].name,
			response->headers[i].value);
	buf_puts(ret, "\r\n");
	return 0;
}
