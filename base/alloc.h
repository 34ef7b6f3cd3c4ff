/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/*
 * Small allocations that cannot fail: out of memory ends the process, which must survive sudden
 * death anyway. A size that comes from outside is checked against a limit first.
 */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *pointer, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *text, size_t n) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *data, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list ap)
	__attribute__((malloc, returns_nonnull, format(printf, 1, 0)));

/*
 * Makes room for one more element in a growing array: `xgrow(&list->items, &list->cap,
 * list->n)`. Doubles, so that appending is linear.
 */
#define xgrow(items, capacity, count)                                                          \
	do {                                                                                   \
		if ((count) >= *(capacity)) {                                                  \
			*(capacity) = *(capacity) ? *(capacity)*2 : 8;                         \
			*(items) = xreallocarray(*(items), *(capacity), sizeof(**(items)));    \
		}                                                                              \
	} while (0)
