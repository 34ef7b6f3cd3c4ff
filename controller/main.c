/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/log.h"
#include "base/program.h"
#include "base/size.h"
#include "base/time.h"
#include "config.h"
#include "controller/backup.h"
#include "controller/check_config.h"
#include "controller/init.h"
#include "controller/options.h"
#include "controller/owner.h"
#include "controller/restore.h"
#include "controller/service.h"
#include "controller/settings.h"

enum { STATUS_DONE, STATUS_FAILED, STATUS_WRONG };

static int fail(int r, const struct error *err)
{
	fprintf(stderr, "droverd: %s\n", err->text);
	return r == -EINVAL ? STATUS_WRONG : STATUS_FAILED;
}

/* ---- the verbs */

/* The unit runs as that user, whoever ran this. */
static void say_next_of_service(const char *owner)
{
	if (strcmp(owner, OWNER_DEFAULT) != 0)
		printf("The service runs as " OWNER_DEFAULT
		       ", which could not read files of %s. "
		       "Next: systemd-sysusers (it makes the user);\n"
		       "chown -R " OWNER_DEFAULT ": " SETTINGS_DEFAULT_DIRECTORY "; then\n",
			owner);
	else
		fputs("Next: ", stdout);
	puts("systemctl enable --now droverd");
}

static void say_next(const char *directory, const char *owner)
{
	cleanup_with(freep) char *absolute = realpath(directory, NULL);

	if (absolute && strcmp(absolute, SETTINGS_DEFAULT_DIRECTORY) == 0)
		say_next_of_service(owner);
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
	say_next(request.directory, result.owner);
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
	else if (r == -EACCES)
		fprintf(stderr,
			"droverd: %s; run this as root, or as the owner of the directory\n",
			err.text);
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
	if (settings->log_level)
		log_configure_level(settings->log_level);
	r = service_run(settings, &err);
	if (r < 0)
		log_error("%s", err.text);
	return r < 0 ? STATUS_FAILED : r;
}

/* As the user of the service: what root can read, that user perhaps cannot. */
static int become_owner(const struct settings *settings, struct error *err)
{
	struct owner owner;
	int r = geteuid() == 0 ? owner_of(&owner, settings->directory, err) : 0;

	return r < 0 || geteuid() != 0 ? r : owner_become(&owner, err);
}

static void count_findings(const char *path, const struct diagnostics *found)
{
	size_t n_warnings = found->n - found->n_errors;

	if (found->n == 0)
		printf("%s: no problems found\n", path);
	else
		printf("%s: %zu error%s, %zu warning%s\n", path, found->n_errors,
			found->n_errors == 1 ? "" : "s", n_warnings,
			n_warnings == 1 ? "" : "s");
}

static int run_check_config(const struct options *options)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct error err = ERROR_NONE;

	if (load_settings(&settings, options) < 0)
		return STATUS_FAILED;
	if (become_owner(settings, &err) < 0)
		diagnostics_add(&found, SEVERITY_ERROR, NULL, 0, 0, "E-OWNER", "%s", err.text);
	if (access(settings->path, R_OK) < 0)
		diagnostics_add(&found, SEVERITY_ERROR, settings->path, 0, 0, "E-MODE",
			"cannot be read by the owner of %s", settings->directory);
	settings_check(settings, time_now_ms(), &found);
	print_findings(&found);
	count_findings(settings->path, &found);
	return found.n_errors > 0 ? STATUS_FAILED : STATUS_DONE;
}

static int run_backup(const struct options *options)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;
	struct error err = ERROR_NONE;
	uint64_t bytes;
	char size[16];
	int r;

	if (load_settings(&settings, options) < 0)
		return STATUS_FAILED;
	r = backup_make(&bytes,
		&(struct backup_request){ .settings = settings,
			.path = options->words[0],
			.with_keys = options->with_keys,
			.now_ms = time_now_ms() },
		&err);
	if (r < 0)
		return fail(r, &err);
	size_format(bytes, size);
	printf("%s: %s, mode 0600, %s\n", options->words[0], size,
		options->with_keys ? "with keys: whoever has it can pose as this controller"
				   : "without keys: it restores to a controller only together "
				     "with keys/ of "
				     "this one (--with-keys); access keys are in its database: "
				     "keep it secret");
	return STATUS_DONE;
}

/* What is missing comes first; then what to do. */
static void say_restored(const struct options *options, const struct restore_result *result,
	const struct diagnostics *found)
{
	const char *directory = options->words[1];
	char made[21];

	time_format_utc(result->created_ms, made);
	printf("%s: %s as it was at %s\n", directory, result->name, made);
	if (found->n_errors > 0)
		printf("Keys are missing. Put keys/ of this controller, from a backup "
		       "--with-keys or its\nold disk, into %s. If they are lost, droverd init "
		       "makes new ones in another directory,\nand every host must be enrolled "
		       "again.\n",
			directory);
	printf("Next: droverd check-config --config %s/droverd.yml; never run two controllers "
	       "with the same keys\n",
		directory);
}

static int run_restore(const struct options *options)
{
	cleanup_with(restore_result_done) struct restore_result result = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct error err = ERROR_NONE;
	struct owner owner;
	int r = owner_find(&owner, options->user, &err);

	if (r == 0)
		r = restore_make(&result,
			&(struct restore_request){ .path = options->words[0],
				.directory = options->words[1],
				.owner = &owner },
			&found, &err);
	if (r < 0)
		return fail(r, &err);
	print_findings(&found);
	say_restored(options, &result, &found);
	return found.n_errors > 0 ? STATUS_FAILED : STATUS_DONE;
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
	{ "check-config", OF_CHECK_CONFIG, run_check_config, "", "[OPTION]...",
		"look over configuration, certificates and keys" },
	{ "backup", OF_BACKUP, run_backup, "FILE", "[--with-keys] FILE [OPTION]...",
		"put the controller into one file, while it runs" },
	{ "restore", OF_RESTORE, run_restore, "FILE DIR", "FILE DIR [OPTION]...",
		"unpack a backup into a new directory" },
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
