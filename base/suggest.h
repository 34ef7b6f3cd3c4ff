/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * The name that a misspelt one most probably means: the nearest of `names` by edit distance
 * (letters added, dropped, changed or swapped with a neighbour; case does not count), the first
 * of equals. NULL if none is near: more than a third of the letters would have to change.
 * Names of more than 64 bytes resemble nothing.
 */
const char *suggest(const char *name, const char *const *names, size_t n);
