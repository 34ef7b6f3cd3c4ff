/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diagnostic.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

void diagnostics_done(struct diagnostics *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i].file);
		free(list->items[i].text);
	}
	free(list->items);
	*list = (struct diagnostics){ 0 };
}

void diagnostics_addv(struct diagnostics *list, enum severity severity, const char *file,
	unsigned line, unsigned column, const char *id, const char *format, va_list ap)
{
	xgrow(&list->items, &list->cap, list->n);
	list->items[list->n++] = (struct diagnostic){
		.severity = severity,
		.file = file ? xstrdup(file) : NULL,
		.line = line,
		.column = column,
		.id = id,
		.text = xvasprintf(format, ap),
	};
	if (severity == SEVERITY_ERROR)
		list->n_errors++;
}

void diagnostics_add(struct diagnostics *list, enum severity severity, const char *file,
	unsigned line, unsigned column, const char *id, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	diagnostics_addv(list, severity, file, line, column, id, format, ap);
	va_end(ap);
}

static int compare_numbers(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

static int compare_places(const struct diagnostic *a, const struct diagnostic *b)
{
	int r;

	if ((a->line == 0) != (b->line == 0))
		return a->line == 0 ? 1 : -1;
	r = strcmp(a->file ? a->file : "", b->file ? b->file : "");
	if (r == 0)
		r = compare_numbers(a->line, b->line);
	if (r == 0)
		r = compare_numbers(a->column, b->column);
	return r;
}

/* Insertion sort: stable, and the lists are short. */
void diagnostics_sort(struct diagnostics *list)
{
	for (size_t i = 1; i < list->n; i++) {
		struct diagnostic item = list->items[i];
		size_t at = i;

		while (at > 0 && compare_places(&list->items[at - 1], &item) > 0) {
			list->items[at] = list->items[at - 1];
			at--;
		}
		list->items[at] = item;
	}
}

char *diagnostic_format(const struct diagnostic *diagnostic)
{
	struct buf text = { 0 };

	if (diagnostic->file)
		buf_puts(&text, diagnostic->file);
	if (diagnostic->line > 0)
		buf_printf(&text, ":%u:%u", diagnostic->line, diagnostic->column);
	if (text.len > 0)
		buf_puts(&text, ": ");
	buf_puts(&text, diagnostic->severity == SEVERITY_ERROR ? "error: " : "warning: ");
	buf_puts(&text, diagnostic->text);
	return buf_steal(&text);
}

char *diagnostics_first_error(const struct diagnostics *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].severity == SEVERITY_ERROR)
			return diagnostic_format(&list->items[i]);
	return NULL;
}
