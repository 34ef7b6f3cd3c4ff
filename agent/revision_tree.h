/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

/*
 * Compares two directory trees: names, types, modes, owners, link targets and content, no
 * times. Ends at the first difference and follows no link. 1 if equal, 0 if not, or a negative
 * errno.
 */
int revision_trees_equal(const char *path_a, const char *path_b, struct error *err);
