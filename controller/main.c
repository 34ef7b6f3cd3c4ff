/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/log.h"
#include "base/program.h"
#include "base/time.h"
#include "config.h"
#include "controller/init.h"
#include "controller/options.h"
#include "controller/service.h"
#include "controller/settings.h"

enum { STATUS_DONE, STATUS_FAILED, STATUS_WRONG };

static int fail(int r, const struct error *err)
{
	fprintf(stderr, "droverd: %s\n", err->text);
	return r == -EINVAL ? STATUS_WRONG : STATUS_FAILED;
}

/* ---- the verbs */

static void say_next(const char *directory)
{
	cleanup_with(freep) char *absolute = realpath(directory, NULL);

	if (absolute && strcmp(absolute, SETTINGS_DEFAULT_DIRECTORY) == 0)
		puts("Next: systemctl enable --now droverd");
	else
		printf("Next: droverd run --config %s/droverd.yml\n",
			absolute ? absolute : directory);
}

static int run_init(const struct options *options)
{
	cleanup_with(init_result_done) struct init_result result = { 0 };
	const struct init_request request = {
		.directory = options->words[0],
		.names = options->name,
		.listen = options->listen,
		.user = options->user,
		.now_ms = time_now_ms(),
	};
	struct error err = ERROR_NONE;
	int r = init_make(&result, &request, &err);

	if (r < 0)
		return fail(r, &err);
	printf("made droverd.yml, ca.pem, server certificate (%s, %u d), signing keys, "
	       "admin.credentials\n"
	       "owner %s, mode 0600. CA fingerprint SHA256:%s\n"
	       "Back up now, off this machine: droverd backup --with-keys FILE (without it a "
	       "dead disk means enrolling every host again)\n",
		result.names, result.server_days, result.owner, result.fingerprint);
	say_next(request.directory);
	return STATUS_DONE;
}

static void print_findings(const struct diagnostics *found)
{
	for (size_t i = 0; i < found->n; i++) {
		cleanup_with(freep) char *line = diagnostic_format(&found->items[i]);

		fprintf(stderr, "%s\n", line);
	}
}

static const char *config_path(const struct options *options)
{
	return options->config ? options->config : SETTINGS_DEFAULT_PATH;
}

/* Says what is wrong with it. */
static int load_settings(struct settings **ret, const struct options *options)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct error err = ERROR_NONE;
	int r = settings_load(ret, config_path(options), &found, &err);

	print_findings(&found);
	if (r == -ENOENT)
		fprintf(stderr, "droverd: %s; droverd init makes one\n", err.text);
	else if (r < 0)
		fprintf(stderr, "droverd: %s\n", err.text);
	return r;
}

static int run_run(const struct options *options)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;
	struct error err = ERROR_NONE;
	int r = load_settings(&settings, options);

	if (r < 0)
		return STATUS_FAILED;
	if (settings->log_level && !options->log_level && !getenv("DROVER_LOG"))
		(void)log_set_level(settings->log_level); /* it was checked */
	r = service_run(settings, &err);
	if (r < 0)
		log_error("%s", err.text);
	return r < 0 ? STATUS_FAILED : r;
}

/* ---- the command line */

/* clang-format off */
static const struct verb {
	const char *name;
	enum options_of of;
	int (*run)(const struct options *options);
	const char *words;
	const char *usage;
	const char *what;
} verbs[] = {
	{ "init", OF_INIT, run_init, "DIR", "DIR [OPTION]...",
		"make keys, certificates and configuration of a new controller" },
	{ "run", OF_RUN, run_run, "", "[OPTION]...",
		"run the controller, in the foreground" },
};
/* clang-format on */

static int finish(int status)
{
	return program_finish_output(status, status == STATUS_DONE ? STATUS_FAILED : status);
}

static int help_all(void)
{
	puts("usage: droverd VERB [OPTION]...\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-12s  %s\n", verbs[i].name, verbs[i].what);
	puts("\ndroverd VERB --help lists the options of a verb; droverd --version.\n"
	     "Exit status: 0 done; 1 failed; 2 wrong use.");
	return finish(STATUS_DONE);
}

static int help_verb(const struct verb *verb)
{
	printf("usage: droverd %s %s\n\n%s\n\n", verb->name, verb->usage, verb->what);
	options_help(verb->of);
	return finish(STATUS_DONE);
}

static int version(void)
{
	printf("droverd %s\n", VERSION);
	return finish(STATUS_DONE);
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	struct options options;
	struct error err = ERROR_NONE;

	if (options_parse(&options, verb->of, verb->words, argc, argv, &err) < 0) {
		fprintf(stderr,
			"droverd %s: %s\nusage: droverd %s %s (--help lists the options)\n",
			verb->name, err.text, verb->name, verb->usage);
		return STATUS_WRONG;
	}
	if (options.help)
		return help_verb(verb);
	if (options.version)
		return version();
	return finish(verb->run(&options));
}

static int refuse_verb(const char *word)
{
	const char *names[ARRAY_SIZE(verbs)];

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	program_refuse_verb(word, names, ARRAY_SIZE(verbs));
	return STATUS_WRONG;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	program_start();
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, word) == 0)
			return run_verb(&verbs[i], argc - 1, argv + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help_all();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0)
		return version();
	if (argc < 2) {
		(void)help_all();
		return STATUS_WRONG;
	}
	return refuse_verb(word);
}
