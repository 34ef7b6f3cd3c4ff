/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/option.h"
#include "controller/settings.h"

enum {
	OF_ALL = OF_INIT | OF_RUN | OF_CHECK_CONFIG | OF_BACKUP | OF_RESTORE,
	OF_CONFIG = OF_RUN | OF_CHECK_CONFIG | OF_BACKUP,
};

static const struct option_row rows[] = {
#define TEXT(member) OPTION_TEXT(struct options, member)
#define FLAG(member) OPTION_FLAG(struct options, member)
	/* clang-format off */
	{ "name", 'n', "NAME,...", TEXT(name), OF_INIT,
		"DNS names or addresses by which agents and people reach it (default localhost)" },
	{ "listen", 'l', "ADDRESS:PORT", TEXT(listen), OF_INIT,
		"where it listens (default 127.0.0.1:8443)" },
	{ "user", 'u', "USER", TEXT(user), OF_INIT | OF_RESTORE,
		"owner of the files, if root runs this (default droverd, if there is such a user)" },
	{ "config", 'c', "FILE", TEXT(config), OF_CONFIG,
		"instead of " SETTINGS_DEFAULT_PATH },
	{ "with-keys", 'k', NULL, FLAG(with_keys), OF_BACKUP,
		"put the keys in too: whoever has the file can then pose as this controller" },
	{ "log-level", 0, "LEVEL", TEXT(log_level), OF_ALL,
		"error, warning, notice, info or debug; default DROVER_LOG, else log_level, else notice" },
	{ "help", 'h', NULL, FLAG(help), OF_ALL, "this help" },
	{ "version", 'v', NULL, FLAG(version), OF_ALL, "the version" },
/* clang-format on */
#undef TEXT
#undef FLAG
};

/* The first word of `words`, or "" behind the last one. */
static size_t word_length(const char *words)
{
	return strcspn(words, " ");
}

static int take_words(struct options *options, const char *words, int argc, char **argv,
	int first, struct error *err)
{
	size_t n = 0;

	for (; *words; n++) {
		size_t length = word_length(words);

		if (first == argc)
			return error_set(err, -EINVAL, "%.*s is missing", (int)length, words);
		if (argv[first][0] == '\0')
			return error_set(err, -EINVAL, "%.*s is empty", (int)length, words);
		options->words[n] = argv[first++];
		words += length;
		words += strspn(words, " ");
	}
	return first == argc
		       ? 0
		       : error_set(err, -EINVAL, "'%s' is one word too many", argv[first]);
}

int options_parse(struct options *ret, enum options_of of, const char *words, int argc,
	char **argv, struct error *err)
{
	int first;
	int r;

	*ret = (struct options){ 0 };
	r = option_read(ret, rows, ARRAY_SIZE(rows), of, argc, argv, &first, err);
	if (r < 0 || ret->help || ret->version)
		return r;
	r = take_words(ret, words, argc, argv, first, err);
	if (r < 0)
		return r;
	if (!ret->log_level)
		return 0;
	if (log_set_level(ret->log_level) < 0)
		return error_set(err, -EINVAL,
			"--log-level %s: one of error, warning, notice, info, debug",
			ret->log_level);
	/* So that it counts more than a configuration whenever that is read, and for doors. */
	(void)setenv("DROVER_LOG", ret->log_level, 1);
	return 0;
}

void options_help(enum options_of of)
{
	option_help(rows, ARRAY_SIZE(rows), of);
}
