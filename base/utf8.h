/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;

/*
 * The length in bytes of the valid UTF-8 sequence that starts at text (1 to 4; surrogates and
 * overlong forms are not valid), or 0 if the first byte starts none within n.
 */
size_t utf8_length(const char *text, size_t n);

/* Appends text with every byte that is no part of valid UTF-8, and every NUL, replaced by
 * U+FFFD. */
void utf8_append_valid(struct buf *ret, const char *text, size_t n);
