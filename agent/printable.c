/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/printable.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

/* C0 and DEL are one byte; C1 is 0xc2 and one of 0x80 to 0x9f. */
static size_t control_length(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	if ((c[0] < 0x20 && c[0] != '\t') || c[0] == 0x7f)
		return 1;
	return c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f ? 2 : 0;
}

void printable_append(struct buf *ret, const char *text)
{
	cleanup_with(buf_done) struct buf valid = { 0 };
	size_t n;

	utf8_append_valid(&valid, text, strlen(text));
	for (const char *at = valid.data ? valid.data : ""; *at;) {
		n = control_length(at);
		buf_putc(ret, n > 0 ? '?' : *at);
		at += n > 0 ? n : 1;
	}
}

void printable_append_lines(struct buf *ret, const char *indent, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		cleanup_with(buf_done) struct buf line = { 0 };

		buf_append(&line, text, n);
		while (line.len > 0 && line.data[line.len - 1] == '\r')
			line.data[--line.len] = '\0';
		buf_puts(ret, indent);
		printable_append(ret, line.len > 0 ? line.data : "");
		buf_putc(ret, '\n');
		text += n + (text[n] == '\n');
	}
}
