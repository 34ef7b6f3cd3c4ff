/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A number with its unit, as people write it: "60s", "1 MiB". */
struct quantity_unit {
	const char *name; /* "" is for a bare number */
	uint64_t factor;
};

/*
 * Digits, perhaps a blank, and one of the units, letter for letter. Returns 0; -EINVAL if it is
 * none, -ERANGE if the product does not fit.
 */
int quantity_parse(
	uint64_t *ret, const char *text, const struct quantity_unit *units, size_t n);
