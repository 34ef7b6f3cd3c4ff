/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;

/* The command line of droverd, parsed: one table row an option, in options.c. Borrowed from
 * argv. */
struct options {
	const char *config;
	const char *name;
	const char *listen;
	const char *user;
	const char *log_level;
	bool with_keys;
	bool help;
	bool version;
	const char *words[2]; /* the operands, as many as the verb takes */
};

/* What a verb takes: the bits of the rows. */
enum options_of {
	OF_INIT = 1 << 0,
	OF_RUN = 1 << 1,
	OF_CHECK_CONFIG = 1 << 2,
	OF_BACKUP = 1 << 3,
	OF_RESTORE = 1 << 4,
};

/*
 * Parses argv[1..] by the rows that bear `of`; `words` names the operands ("FILE DIR"). -EINVAL
 * with err naming the mistake; with help or version set the rest is not looked at.
 */
int options_parse(struct options *ret, enum options_of of, const char *words, int argc,
	char **argv, struct error *err);

/* Prints the rows, one or two lines each. */
void options_help(enum options_of of);
