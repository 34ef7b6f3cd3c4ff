/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * What the first bytes of a script say about who runs it, as the kernel reads them: "#!", then
 * blanks, then the interpreter up to the next blank or the end of the line.
 */
enum { SHEBANG_HEAD_BYTES = 256 }; /* as many as the kernel looks at */

struct shebang {
	bool present;         /* a "#!" is there */
	bool crlf;            /* its line ends in CR LF: written on Windows */
	bool byte_order_mark; /* a "#!" stands behind a byte order mark, where nobody sees it */
	bool elf;             /* a program, not a script */
	char interpreter[SHEBANG_HEAD_BYTES]; /* without a CR at its end; "" if there is none */
};

/* `head`: the first n bytes of the file, at most SHEBANG_HEAD_BYTES are looked at. */
void shebang_parse(struct shebang *ret, const char *head, size_t n);
