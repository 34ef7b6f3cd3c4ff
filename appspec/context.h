/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * The canonical form of an SELinux range, s<n>[-s<m>][:<category>,...] with categories c<n> or
 * c<a>.c<b>: sorted, runs folded, equal ends written once ("s0-s0:c2,c1" is "s0:c1.c2"). The
 * caller frees *ret. On failure (-EINVAL) err says why and *ret_id is "E-CTX-RANGE" or
 * "E-CTX-RANGE-SYNTAX".
 */
int context_range_parse(char **ret, const char *text, const char **ret_id, struct error *err);
