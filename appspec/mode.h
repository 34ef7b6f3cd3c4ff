/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;
struct node;

/*
 * The mode that a scalar means: its digits as they stand, quoted or not, so that 0644 is 0644
 * and not the decimal digits of an octal number. Numbers written in another way (0x1ff, 1_000)
 * give the digits of their value, as in the reference.
 *
 * *ret_text: the digits, padded with zeros to three. *ret_note: NULL, or a warning about how
 * the text was read. The caller frees both. On failure (-EINVAL) err says why and *ret_id is
 * "E-MODE-LENGTH" or "E-MODE-CHAR".
 */
int mode_parse(mode_t *ret, char **ret_text, char **ret_note, const struct node *node,
	const char **ret_id, struct error *err);
