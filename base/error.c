/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void mark_if_cut(char *text, size_t size, int length)
{
	if (length >= (int)size)
		memcpy(text + size - 4, "...", 4);
}

int error_set(struct error *err, int r, const char *format, ...)
{
	va_list ap;
	int n;

	if (!err)
		return r;

	err->code = r;
	errno = -r;
	va_start(ap, format);
	n = vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	mark_if_cut(err->text, sizeof(err->text), n);
	return r;
}

int error_recode(struct error *err, int r)
{
	if (err)
		err->code = r;
	return r;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char inner[sizeof(err->text)];
	char prefix[sizeof(err->text)];
	va_list ap;
	int n;

	if (!err || err->code == 0)
		return -EIO;

	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, format);
	(void)vsnprintf(prefix, sizeof(prefix), format, ap);
	va_end(ap);
	n = snprintf(err->text, sizeof(err->text), "%s: %s", prefix, inner);
	mark_if_cut(err->text, sizeof(err->text), n);
	return err->code;
}
