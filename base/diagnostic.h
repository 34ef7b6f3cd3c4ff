/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* A place in a text. */
struct mark {
	unsigned line;   /* from 1; 0: no place */
	unsigned column; /* from 1, in characters; 0: no place */
};

/*
 * A list of findings about something people wrote or built: all of them, not just the first.
 * Printed as "file:line:column: error: text".
 */
enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct diagnostic {
	enum severity severity;
	char *file;      /* as the user knows it; may be NULL */
	unsigned line;   /* from 1; 0: no place */
	unsigned column; /* from 1, in characters; 0: no place */
	const char *id;  /* stable name, such as "E-MODE-CHAR" (drover-appspec(5)); a literal */
	char *text;      /* what was found, what is allowed, what to do */
};

struct diagnostics {
	struct diagnostic *items;
	size_t n;
	size_t cap;
	size_t n_errors;
};

void diagnostics_done(struct diagnostics *list);

/* `file` is copied and may be NULL. */
void diagnostics_add(struct diagnostics *list, enum severity severity, const char *file,
	unsigned line, unsigned column, const char *id, const char *format, ...)
	__attribute__((format(printf, 7, 8)));
void diagnostics_addv(struct diagnostics *list, enum severity severity, const char *file,
	unsigned line, unsigned column, const char *id, const char *format, va_list ap)
	__attribute__((format(printf, 7, 0)));

/* Orders by file, line and column; findings without a place come last. Equal places keep their
 * order. */
void diagnostics_sort(struct diagnostics *list);

/* "appspec.yml:7:5: error: ..." without a newline; the caller frees. */
char *diagnostic_format(const struct diagnostic *diagnostic);

/* The first error's text with its place, for where only one fits; NULL if there is no error.
 * The caller frees. */
char *diagnostics_first_error(const struct diagnostics *list);
