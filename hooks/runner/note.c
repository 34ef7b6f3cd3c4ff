/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/note.h"

#include <stdarg.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

void note(struct buf *notes, const char *format, ...)
{
	cleanup_with(freep) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	if (notes->len > 0)
		buf_puts(notes, "; ");
	buf_puts(notes, text);
}
