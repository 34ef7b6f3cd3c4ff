/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/*
 * The options of a command line as a table: one row an option, which says where in a struct of
 * the program's own its value goes. Long options may be shortened and stand anywhere, as
 * getopt_long(3) has it.
 */
struct option_row {
	const char *name;
	long letter;          /* 0: none */
	const char *argument; /* NULL: a flag; "[=X]" may be left out; else what --help shows */
	size_t text;          /* offset of a `const char *` that borrows from argv */
	size_t flag;          /* offset of a bool that becomes true */
	unsigned long of;     /* bits: which verbs take it */
	const char *help;
};

/* For the members `text` and `flag`. */
#define OPTION_TEXT(type, member) offsetof(type, member), SIZE_MAX
#define OPTION_FLAG(type, member) SIZE_MAX, offsetof(type, member)
#define OPTION_TEXT_AND_FLAG(type, text, flag) offsetof(type, text), offsetof(type, flag)

enum { OPTION_LIMIT_ROWS = 64 };

/*
 * Reads argv[1..] by the rows that bear `of` into the struct at `object`. Other words are moved
 * behind the options: argv[*ret_first..argc-1]. Returns 0, or -EINVAL with err naming the
 * mistake.
 */
int option_read(void *object, const struct option_row *rows, size_t n, unsigned long of,
	int argc, char **argv, int *ret_first, struct error *err);

/* Prints the rows that bear `of`, one or two lines each. */
void option_help(const struct option_row *rows, size_t n, unsigned long of);
