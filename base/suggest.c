/* SPDX-License-Identifier: Apache-2.0 */
#include "base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { LIMIT_LENGTH = 64 };

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment over three rows; both names are at most LIMIT_LENGTH long. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned rows[3][LIMIT_LENGTH + 1];
	unsigned *before = rows[0];
	unsigned *above = rows[1];
	unsigned *row = rows[2];

	for (size_t j = 0; j <= m; j++)
		above[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *free_row = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned change = same_letter(a[i - 1], b[j - 1]) ? 0 : 1;

			row[j] = smaller(
				smaller(above[j], row[j - 1]) + 1, above[j - 1] + change);
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
				same_letter(a[i - 2], b[j - 1]))
				row[j] = smaller(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = free_row;
	}
	return above[m];
}

const char *suggest(const char *name, const char *const *names, size_t n)
{
	size_t length = strlen(name);
	const char *best = NULL;
	unsigned best_distance = 0;

	if (length == 0 || length > LIMIT_LENGTH)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(names[i]);
		size_t longer = length > other ? length : other;
		size_t allowed = longer / 3;
		unsigned d;

		if (other > LIMIT_LENGTH || longer - length > allowed ||
			longer - other > allowed)
			continue;
		d = distance(name, length, names[i], other);
		if (d <= allowed && (!best || d < best_distance)) {
			best = names[i];
			best_distance = d;
		}
	}
	return best;
}
