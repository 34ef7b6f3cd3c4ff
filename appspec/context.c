/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/context.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/report.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { N_CATEGORIES = 1024 };

/* "s12" or "c12": the letter and at most nine digits, nothing else. */
static int parse_item(unsigned *ret, char letter, const char *text)
{
	unsigned value = 0;
	size_t n = strlen(text);

	if (n < 2 || n > 10 || text[0] != letter)
		return -EINVAL;
	for (const char *digit = text + 1; *digit; digit++) {
		if (!isdigit((unsigned char)*digit))
			return -EINVAL;
		value = value * 10 + (unsigned)(*digit - '0');
	}
	*ret = value;
	return 0;
}

/* Marks "c5" or "c5.c9" in the set; a category twice is an error. */
static int add_categories(bool *set, char *text)
{
	char *last_text = text;
	char *first_text = strsep(&last_text, ".");
	unsigned first;
	unsigned last;

	if (parse_item(&first, 'c', first_text) < 0)
		return -EINVAL;
	last = first;
	if (last_text && parse_item(&last, 'c', last_text) < 0)
		return -EINVAL;
	if (first > last || last >= N_CATEGORIES)
		return -EINVAL;
	for (unsigned i = first; i <= last; i++) {
		if (set[i])
			return -EINVAL;
		set[i] = true;
	}
	return 0;
}

static void format_categories(struct buf *text, const bool *set)
{
	char separator = ':';

	for (unsigned i = 0; i < N_CATEGORIES; i++) {
		unsigned last = i;

		if (!set[i])
			continue;
		while (last + 1 < N_CATEGORIES && set[last + 1])
			last++;
		buf_printf(text, "%cc%u", separator, i);
		if (last > i)
			buf_printf(text, ".c%u", last);
		separator = ',';
		i = last;
	}
}

static int parse_sensitivities(unsigned *low, unsigned *high, char *text)
{
	char *rest = text;
	char *first = strsep(&rest, "-");

	if (parse_item(low, 's', first) < 0)
		return -EINVAL;
	*high = *low;
	return rest ? parse_item(high, 's', rest) : 0;
}

int context_range_parse(char **ret, const char *text, const char **ret_id, struct error *err)
{
	cleanup_with(freep) char *copy = xstrdup(text);
	cleanup_with(buf_done) struct buf made = { 0 };
	bool set[N_CATEGORIES] = { false };
	char *categories = copy;
	char *sensitivities = strsep(&categories, ":");
	unsigned low;
	unsigned high;
	int r = parse_sensitivities(&low, &high, sensitivities);

	while (r == 0 && categories)
		r = add_categories(set, strsep(&categories, ","));
	if (r < 0) {
		*ret_id = "E-CTX-RANGE-SYNTAX";
		return error_set(err, -EINVAL,
			"range '%s' is none; allowed is s<n>[-s<m>][:c<n>,c<a>.c<b>...] with "
			"each category from 0 to 1023 once, as in 's0-s3:c0.c5,c9'",
			quote(text));
	}
	if (low > high) {
		*ret_id = "E-CTX-RANGE";
		return error_set(err, -EINVAL, "range '%s' ends at s%u, below its start s%u",
			quote(text), high, low);
	}
	buf_printf(&made, "s%u", low);
	if (high > low)
		buf_printf(&made, "-s%u", high);
	format_categories(&made, set);
	*ret = buf_steal(&made);
	return 0;
}
