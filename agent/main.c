/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "agent/command.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/program.h"
#include "config.h"

/* clang-format off */
static const struct verb {
	const char *name;
	enum options_of options;
	int (*run)(const struct options *options);
	const char *usage;
	const char *what;
} verbs[] = {
	{ "deploy",   OF_DEPLOY,   command_deploy,   "--bundle LOCATION [OPTION]...",
		"deploy a revision on this host" },
	{ "plan",     OF_PLAN,     command_plan,     "--bundle LOCATION [OPTION]...",
		"say what deploy would do, and change nothing" },
	{ "redeploy", OF_REDEPLOY, command_redeploy, "[OPTION]...",
		"deploy the installed revision again, from its kept bundle" },
	{ "rollback", OF_ROLLBACK, command_rollback, "[--to REVISION] [OPTION]...",
		"deploy the newest other revision that worked, from its kept bundle" },
	{ "check",    OF_CHECK,    command_check,    "PATH [--strict] [--json]",
		"look over an appspec or a bundle for mistakes" },
	{ "status",   OF_STATUS,   command_status,   "[OPTION]...",
		"say what is installed, what is kept, and what is under way" },
	{ "forget",   OF_FORGET,   command_forget,   "--group NAME [OPTION]...",
		"forget what is installed, so that none of its scripts run any more" },
};

static const struct verb local_verb = {
	"codedeploy-local", OF_LOCAL, command_local, "[OPTION]...",
	"deploy a revision on this host, as AWS's tool of this name",
};
/* clang-format on */

/* What was deployed is, whether or not it could be said; an answer not written was not given.
 */
static int finish_output(int status, bool is_answer)
{
	return program_finish_output(
		status, is_answer && status == EXIT_DONE ? EXIT_FAILED : status);
}

static int help_all(void)
{
	puts("usage: drover-agent VERB [OPTION]...\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-9s  %s\n", verbs[i].name, verbs[i].what);
	puts("\ndrover-agent VERB --help lists the options of a verb; drover-agent --version.\n"
	     "Exit status: 0 done; 1 the deployment failed; 2 wrong use or invalid input; "
	     "3 something else\nholds the lock.");
	return finish_output(EXIT_DONE, true);
}

static int help_verb(const struct verb *verb)
{
	bool is_local = verb == &local_verb;

	printf("usage: %s%s %s\n\n%s\n\n", is_local ? "" : "drover-agent ", verb->name,
		verb->usage, verb->what);
	options_help(verb->options);
	return finish_output(EXIT_DONE, true);
}

static int version(const struct verb *verb)
{
	printf("%s %s\n", verb == &local_verb ? "codedeploy-local" : "drover-agent", VERSION);
	return finish_output(EXIT_DONE, true);
}

/* Its output is what it is for. */
static bool is_answer(const struct verb *verb)
{
	return verb->options == OF_PLAN || verb->options == OF_CHECK ||
	       verb->options == OF_STATUS;
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
	cleanup_with(options_done) struct options options = { 0 };
	struct error err = ERROR_NONE;
	int r = options_parse(&options, verb->options, argc, argv, &err);

	if (r < 0) {
		int status = operation_refuse(r, &err);

		fprintf(stderr, "%s%s --help lists what there is\n",
			verb == &local_verb ? "" : "drover-agent ", verb->name);
		return status;
	}
	if (options.help)
		return help_verb(verb);
	if (options.version)
		return version(verb);
	return finish_output(verb->run(&options), is_answer(verb));
}

static int refuse_verb(const char *word)
{
	const char *names[ARRAY_SIZE(verbs)];

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	program_refuse_verb(word, names, ARRAY_SIZE(verbs));
	return EXIT_WRONG;
}

static int run_agent(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, word) == 0)
			return run_verb(&verbs[i], argc - 1, argv + 1);
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
		return help_all();
	if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0)
		return version(NULL);
	if (argc < 2) {
		(void)help_all();
		return EXIT_WRONG;
	}
	return refuse_verb(word);
}

int main(int argc, char **argv)
{
	program_start();
	if (argc > 0 && strcmp(path_base(argv[0]), "codedeploy-local") == 0)
		return run_verb(&local_verb, argc, argv);
	return run_agent(argc, argv);
}
