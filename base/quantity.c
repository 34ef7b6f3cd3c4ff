/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantity.h"

#include <errno.h>
#include <string.h>

static int read_digits(uint64_t *ret, const char *text, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return -ERANGE;
	*ret = value;
	return 0;
}

int quantity_parse(uint64_t *ret, const char *text, const struct quantity_unit *units, size_t n)
{
	size_t n_digits = strspn(text, "0123456789");
	const char *unit = text + n_digits;
	uint64_t number;
	int r;

	if (n_digits == 0)
		return -EINVAL;
	if (unit[0] == ' ' && unit[1] != '\0')
		unit++;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(units[i].name, unit) != 0)
			continue;
		r = read_digits(&number, text, n_digits);
		if (r == 0 && __builtin_mul_overflow(number, units[i].factor, &number))
			r = -ERANGE;
		if (r == 0)
			*ret = number;
		return r;
	}
	return -EINVAL;
}
