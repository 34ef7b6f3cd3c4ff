/* SPDX-License-Identifier: Apache-2.0 */
#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/diagnostic.h"
#include "base/suggest.h"
#include "base/utf8.h"

void report_error(
	struct report *report, struct mark mark, const char *id, const char *format, ...)
{
	va_list ap;

	report->n_errors++;
	if (report->n_errors == REPORT_LIMIT + 1)
		diagnostics_add(report->diagnostics, SEVERITY_ERROR, report->name, mark.line,
			mark.column, "E-LIMIT", "more than %d errors, the others are not shown",
			REPORT_LIMIT);
	if (report->n_errors > REPORT_LIMIT)
		return;
	va_start(ap, format);
	diagnostics_addv(report->diagnostics, SEVERITY_ERROR, report->name, mark.line,
		mark.column, id, format, ap);
	va_end(ap);
}

void report_warning(
	struct report *report, struct mark mark, const char *id, const char *format, ...)
{
	va_list ap;

	report->n_warnings++;
	if (report->n_warnings == REPORT_LIMIT + 1)
		diagnostics_add(report->diagnostics, SEVERITY_WARNING, report->name, mark.line,
			mark.column, "W-LIMIT",
			"more than %d warnings, the others are not shown", REPORT_LIMIT);
	if (report->n_warnings > REPORT_LIMIT)
		return;
	va_start(ap, format);
	diagnostics_addv(report->diagnostics, SEVERITY_WARNING, report->name, mark.line,
		mark.column, id, format, ap);
	va_end(ap);
}

struct hint report_hint(
	const struct report *report, const char *name, const char *const *names, size_t n)
{
	struct hint hint = { "" };
	const char *near;

	if (report->n_warnings > REPORT_LIMIT)
		return hint;
	near = suggest(name, names, n);
	if (near)
		(void)snprintf(hint.text, sizeof(hint.text), ", did you mean '%s'?", near);
	return hint;
}

/* Writes one character of the quotation; returns how many bytes of text it took. */
static size_t quote_character(char **at, const char *text, size_t n)
{
	unsigned char c = (unsigned char)text[0];
	size_t length = utf8_length(text, n);

	if (c == '\n' || c == '\t' || c == '\r') {
		*at += sprintf(*at, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		return 1;
	}
	/* C1 control characters are 0xc2 and one of 0x80 to 0x9f. */
	if (length == 0 || c < 0x20 || c == 0x7f ||
		(c == 0xc2 && (unsigned char)text[1] < 0xa0)) {
		*at += sprintf(*at, "\\x%02x", c);
		return 1;
	}
	memcpy(*at, text, length);
	*at += length;
	return length;
}

const char *quote_into(char ret[static QUOTE_SIZE], const char *text)
{
	size_t n = strlen(text);
	char *at = ret;

	for (unsigned count = 0; n > 0 && count < 60; count++) {
		size_t length = quote_character(&at, text, n);

		text += length;
		n -= length;
	}
	strcpy(at, n > 0 ? "..." : "");
	return ret;
}
