/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;

/*
 * Text of bundles and scripts as it may be shown to a terminal: what could move its cursor,
 * change its title or answer for its user becomes "?". Valid UTF-8 stays, other bytes become
 * U+FFFD.
 */
void printable_append(struct buf *ret, const char *text);

/* The same, where every line of it starts with `indent`. Ends with a newline. */
void printable_append_lines(struct buf *ret, const char *indent, const char *text);
