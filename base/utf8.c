/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The table of well-formed sequences: Unicode 15, table 3-7. */
size_t utf8_length(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (n >= 2 && s[0] >= 0xc2 && s[0] <= 0xdf && is_tail(s[1]))
		return 2;
	if (n >= 3 && (s[0] & 0xf0) == 0xe0 && is_tail(s[1]) && is_tail(s[2])) {
		if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n >= 4 && s[0] >= 0xf0 && s[0] <= 0xf4 && is_tail(s[1]) && is_tail(s[2]) &&
		is_tail(s[3])) {
		if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

void utf8_append_valid(struct buf *ret, const char *text, size_t n)
{
	size_t i = 0;

	while (i < n) {
		size_t length = text[i] == '\0' ? 0 : utf8_length(text + i, n - i);

		if (length == 0) {
			buf_puts(ret, "\xef\xbf\xbd");
			i++;
		} else {
			buf_append(ret, text + i, length);
			i += length;
		}
	}
}
