/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/error.h"

static int read_length(const char *value, size_t n, size_t *ret, struct error *err)
{
	size_t length = 0;

	if (n == 0 || n > 9 || strspn(value, "0123456789") < n)
		return error_set(
			err, -EBADMSG, "an answer's Content-Length is '%.*s'", (int)n, value);
	for (size_t i = 0; i < n; i++)
		length = 10 * length + (size_t)(value[i] - '0');
	if (length > ANSWER_MAX)
		return error_set(err, -EBADMSG, "an answer of %zu bytes is too long", length);
	*ret = length;
	return 0;
}

static bool line_is(const char *line, size_t n, const char *name)
{
	return n > strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

static int read_field(
	struct answer *answer, const char *line, size_t n, bool *has_length, struct error *err)
{
	const char *colon = memchr(line, ':', n);
	const char *value;
	size_t n_value;

	if (!colon || colon == line)
		return error_set(err, -EBADMSG, "an answer has a header '%.*s'", (int)n, line);
	value = colon + 1 + strspn(colon + 1, " \t");
	n_value = (size_t)(line + n - value);
	if (line_is(line, n, "Content-Length:")) {
		if (*has_length)
			return error_set(err, -EBADMSG, "an answer has two lengths");
		*has_length = true;
		return read_length(value, n_value, &answer->n_body, err);
	}
	if (line_is(line, n, "Transfer-Encoding:"))
		return error_set(err, -EBADMSG, "an answer has a Transfer-Encoding");
	if (line_is(line, n, "Connection:"))
		answer->is_last = n_value == 5 && strncasecmp(value, "close", 5) == 0;
	if (line_is(line, n, "Date:"))
		answer->is_dated = true;
	return 0;
}

static int read_head(
	struct answer *answer, const char *head, const char *end, struct error *err)
{
	bool has_length = false;
	const char *line = head;
	char *rest;
	int r;

	if (strncmp(line, "HTTP/1.1 ", 9) != 0)
		return error_set(err, -EBADMSG, "an answer begins with '%.9s'", line);
	answer->status = (unsigned)strtoul(line + 9, &rest, 10);
	if (rest != line + 12 || answer->status < 200 || answer->status > 599)
		return error_set(err, -EBADMSG, "an answer's status is '%.4s'", line + 9);
	for (line = strstr(line, "\r\n") + 2; line < end;) {
		const char *line_end = strstr(line, "\r\n");

		r = read_field(answer, line, (size_t)(line_end - line), &has_length, err);
		if (r < 0)
			return r;
		line = line_end + 2;
	}
	if (!has_length && answer->status != 204 && answer->status != 304)
		return error_set(err, -EBADMSG, "an answer does not say how long it is");
	return 0;
}

int answer_read(struct answer *ret, const struct buf *bytes, struct error *err)
{
	struct answer answer = { 0 };
	const char *end;
	size_t n_head;
	int r;

	if (bytes->len == 0)
		return 0;
	if (bytes->len > ANSWER_MAX)
		return error_set(err, -EBADMSG, "an answer is too long");
	end = strstr(bytes->data, "\r\n\r\n");
	if (!end)
		return 0;
	r = read_head(&answer, bytes->data, end + 2, err);
	if (r < 0)
		return r;
	n_head = (size_t)(end + 4 - bytes->data);
	if (bytes->len < n_head + answer.n_body)
		return 0;
	answer.body = bytes->data + n_head;
	*ret = answer;
	return (int)(n_head + answer.n_body);
}
