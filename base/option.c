/* SPDX-License-Identifier: Apache-2.0 */
#include "base/option.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/suggest.h"

struct known {
	const struct option_row *rows[OPTION_LIMIT_ROWS];
	struct option longs[OPTION_LIMIT_ROWS + 1]; /* the last is zero */
	char shorts[2 * OPTION_LIMIT_ROWS + 2];
	size_t n;
};

static bool is_optional(const struct option_row *row)
{
	return row->argument && row->argument[0] == '[';
}

/* getopt's two tables from ours. A leading ':' keeps it quiet. */
static void collect(
	struct known *known, const struct option_row *rows, size_t n, unsigned long of)
{
	char *letter = known->shorts;

	*known = (struct known){ 0 };
	*letter++ = ':';
	for (size_t i = 0; i < n && known->n < OPTION_LIMIT_ROWS; i++) {
		const struct option_row *row = &rows[i];
		int has = is_optional(row) ? optional_argument
			  : row->argument  ? required_argument
					   : no_argument;

		if (!(row->of & of))
			continue;
		known->longs[known->n] = (struct option){ row->name, has, NULL, 0 };
		known->rows[known->n++] = row;
		if (row->letter && !is_optional(row)) {
			*letter++ = (char)row->letter;
			if (has == required_argument)
				*letter++ = ':';
		}
	}
	*letter = '\0';
}

static const struct option_row *row_of_letter(const struct known *known, int letter)
{
	for (size_t i = 0; i < known->n; i++)
		if (known->rows[i]->letter == letter)
			return known->rows[i];
	return NULL;
}

static void assign(void *object, const struct option_row *row)
{
	char *base = object;

	if (row->flag != SIZE_MAX)
		*(bool *)(void *)(base + row->flag) = true;
	if (row->text != SIZE_MAX)
		*(const char **)(void *)(base + row->text) = optarg;
}

static int refuse_unknown(const struct known *known, const char *word, struct error *err)
{
	const char *names[OPTION_LIMIT_ROWS];
	cleanup_with(freep) char *name = NULL;
	const char *near;

	if (word[0] != '-' || word[1] != '-')
		return error_set(err, -EINVAL, "there is no option -%c", optopt);
	name = xstrndup(word + 2, strcspn(word + 2, "="));
	for (size_t i = 0; i < known->n; i++)
		names[i] = known->longs[i].name;
	near = suggest(name, names, known->n);
	return error_set(err, -EINVAL, "there is no option --%s%s%s%s", name,
		near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

int option_read(void *object, const struct option_row *rows, size_t n, unsigned long of,
	int argc, char **argv, int *ret_first, struct error *err)
{
	struct known known;
	int index = 0;
	int c;

	collect(&known, rows, n, of);
	optind = 1;
	while ((c = getopt_long(argc, argv, known.shorts, known.longs, &index)) != -1) {
		const struct option_row *row = c == 0 ? known.rows[index]
						      : row_of_letter(&known, c);

		if (c == ':')
			return error_set(err, -EINVAL, "%s needs a value", argv[optind - 1]);
		if (!row)
			return refuse_unknown(&known, argv[optind - 1], err);
		assign(object, row);
	}
	*ret_first = optind;
	return 0;
}

static void print_row(const struct option_row *row)
{
	cleanup_with(freep) char *name = xasprintf("%s%s%s", row->name,
		row->argument && !is_optional(row) ? " " : "",
		row->argument ? row->argument : "");
	char letter[5] = "    ";

	if (row->letter && !is_optional(row))
		(void)snprintf(letter, sizeof(letter), "-%c, ", (int)row->letter);
	printf("  %s--%-26s ", letter, name);
	if (strlen(name) > 26)
		printf("\n%35s", "");
	printf("%s\n", row->help);
}

void option_help(const struct option_row *rows, size_t n, unsigned long of)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].of & of)
			print_row(&rows[i]);
}
