/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * A growing run of bytes. `data` is always followed by a NUL that `len` does not count, once
 * anything was appended; before that it may be NULL. Growth aborts when memory ends, so bound
 * what comes from outside.
 */
struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_done(struct buf *buf);
void buf_clear(struct buf *buf); /* forgets the content, keeps the memory */
void buf_append(struct buf *buf, const void *data, size_t n);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands over the bytes as a string that the caller frees; never NULL. The buffer is empty
 * afterwards. */
char *buf_steal(struct buf *buf);
