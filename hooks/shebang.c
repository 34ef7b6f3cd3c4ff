/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/shebang.h"

#include <string.h>

static bool starts_with(const char *head, size_t n, const char *text)
{
	return n >= strlen(text) && memcmp(head, text, strlen(text)) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void shebang_parse(struct shebang *ret, const char *head, size_t n)
{
	size_t from = 2, to;
	const char *end;

	*ret = (struct shebang){ 0 };
	if (n > SHEBANG_HEAD_BYTES - 1)
		n = SHEBANG_HEAD_BYTES - 1;
	ret->elf = starts_with(head, n, "\177ELF");
	ret->byte_order_mark = starts_with(head, n, "\xef\xbb\xbf#!");
	ret->present = starts_with(head, n, "#!");
	if (!ret->present)
		return;

	end = memchr(head, '\n', n);
	if (end)
		n = (size_t)(end - head);
	ret->crlf = end && n > 2 && head[n - 1] == '\r';
	if (ret->crlf)
		n--;
	while (from < n && is_blank(head[from]))
		from++;
	for (to = from; to < n && !is_blank(head[to]) && head[to] != '\0';)
		to++;
	memcpy(ret->interpreter, head + from, to - from);
}
