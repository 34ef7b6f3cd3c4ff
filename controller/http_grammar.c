/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/http_grammar.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool http_is_token_char(char c)
{
	return is_alnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_token(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!http_is_token_char(text[i]))
			return false;
	return n > 0;
}

bool http_is_field_char(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte == '\t' || (byte >= ' ' && byte != 127);
}

/* Unreserved characters, those of `more`, and whole escapes. */
static bool is_encoded(const char *text, size_t n, const char *more)
{
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '%') {
			if (n - i < 3 || !is_hex(text[i + 1]) || !is_hex(text[i + 2]))
				return false;
			i += 2;
		} else if (!is_alnum(text[i]) &&
			   (!text[i] || (!strchr("-._~", text[i]) && !strchr(more, text[i])))) {
			return false;
		}
	}
	return true;
}

bool http_is_path(const char *text, size_t n)
{
	return n > 0 && text[0] == '/' && is_encoded(text, n, "!$&'()*+,;=:@/");
}

bool http_is_query(const char *text, size_t n)
{
	return is_encoded(text, n, "!$&'()*+,;=:@/?");
}

static bool is_port(const char *text, size_t n)
{
	unsigned port = 0;

	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	return port <= 65535;
}

/* "[::1]": how long it is, 0 if it is none. */
static size_t measure_literal(const char *text, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (text[i] == ']')
			return i > 1 ? i + 1 : 0;
		if (!is_hex(text[i]) && text[i] != ':' && text[i] != '.')
			return 0;
	}
	return 0;
}

bool http_is_authority(const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n);
	size_t host = colon ? (size_t)(colon - text) : n;

	if (n > 0 && text[0] == '[')
		host = measure_literal(text, n);
	else if (!is_encoded(text, host, "!$&'()*+,;="))
		return false;
	if (host == 0)
		return false;
	return host == n || (text[host] == ':' && is_port(text + host + 1, n - host - 1));
}

bool http_list_has(const char *list, const char *token)
{
	size_t wanted = strlen(token);

	while (*list) {
		size_t n = strcspn(list, ",");
		const char *at = list + strspn(list, " \t");
		const char *end = list + n;

		while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end > at && (size_t)(end - at) == wanted &&
			strncasecmp(at, token, wanted) == 0)
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}
