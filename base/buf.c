/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static void make_room(struct buf *buf, size_t n)
{
	size_t cap = buf->cap ? buf->cap : 64;

	if (buf->len + n < buf->cap)
		return;
	while (cap <= buf->len + n)
		cap *= 2;
	buf->data = xreallocarray(buf->data, cap, 1);
	buf->cap = cap;
}

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void buf_append(struct buf *buf, const void *data, size_t n)
{
	make_room(buf, n);
	if (n > 0)
		memcpy(buf->data + buf->len, data, n);
	buf->len += n;
	buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	cleanup_with(freep) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	buf_puts(buf, text);
}

char *buf_steal(struct buf *buf)
{
	char *data;

	buf_append(buf, "", 0);
	data = take(&buf->data);
	*buf = (struct buf){ 0 };
	return data;
}
