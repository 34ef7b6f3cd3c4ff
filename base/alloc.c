/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *pointer)
{
	if (pointer)
		return pointer;
	fputs("out of memory\n", stderr);
	abort();
}

void *xmalloc(size_t size)
{
	return or_die(malloc(size ? size : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return or_die(calloc(n ? n : 1, size ? size : 1));
}

void *xreallocarray(void *pointer, size_t n, size_t size)
{
	return or_die(reallocarray(pointer, n ? n : 1, size));
}

char *xstrdup(const char *text)
{
	return or_die(strdup(text));
}

char *xstrndup(const char *text, size_t n)
{
	size_t length = strnlen(text, n); /* a checked strndup() wants a NUL in any case */
	char *copy = xmalloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void *xmemdup(const void *data, size_t n)
{
	return n ? memcpy(xmalloc(n), data, n) : xmalloc(0);
}

char *xvasprintf(const char *format, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	return or_die(text);
}

char *xasprintf(const char *format, ...)
{
	va_list ap;
	char *text;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	return text;
}
