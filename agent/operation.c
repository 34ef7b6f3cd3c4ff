/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "agent/advice.h"
#include "agent/deployment.h"
#include "agent/options.h"
#include "agent/printable.h"
#include "agent/progress.h"
#include "agent/report.h"
#include "agent/site.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"

/* What asks us to end: from the terminal, from service managers, from a line that went down. */
static const int ending_signals[] = { SIGINT, SIGTERM, SIGHUP };

struct operation;

struct ending {
	struct loop_signal source;
	struct operation *operation;
};

struct operation {
	struct loop *loop;
	struct deployment *deployment;
	struct report report;
	struct ending endings[ARRAY_SIZE(ending_signals)];
	bool is_ending;
	enum deployment_outcome outcome;
};

char *operation_new_id(void)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	unsigned char bytes[64];
	char id[10] = { 0 };
	size_t n = 0;

	while (n < 9) {
		if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
			continue; /* only a signal can cut so small a request short */
		for (size_t i = 0; i < sizeof(bytes) && n < 9; i++)
			if (bytes[i] <
				252) /* the largest multiple of 36: no letter is favoured */
				id[n++] = letters[bytes[i] % 36];
	}
	return xasprintf("d-%s-local", id);
}

static void on_notice(const struct deployment_notice *notice, void *userdata)
{
	struct operation *operation = userdata;

	report_notice(&operation->report, notice);
	if (notice->kind != NOTICE_ENDED)
		return;
	operation->outcome = notice->result->outcome;
	loop_exit(operation->loop, 0);
}

static void on_ending_signal(struct loop_signal *source, int number)
{
	struct operation *operation = container_of(source, struct ending, source)->operation;
	const char *why = number == SIGINT    ? "interrupted by Ctrl-C (SIGINT)"
			  : number == SIGTERM ? "asked to end (SIGTERM)"
					      : "the terminal is gone (SIGHUP)";

	progress_hide(operation->report.progress);
	if (operation->is_ending) {
		fputs("already ending; please wait\n", stderr);
		return;
	}
	operation->is_ending = true;
	fprintf(stderr, "%s; ending in order\n", why);
	deployment_cancel(operation->deployment, why);
}

static int watch_signals(struct operation *operation, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ending_signals) && r == 0; i++) {
		operation->endings[i].operation = operation;
		r = loop_signal_start(operation->loop, &operation->endings[i].source,
			ending_signals[i], on_ending_signal, err);
	}
	return r;
}

static void operation_done(struct operation *operation)
{
	for (size_t i = 0; i < ARRAY_SIZE(ending_signals); i++)
		loop_signal_stop(&operation->endings[i].source);
	progress_free(operation->report.progress);
	deployment_free(operation->deployment);
	loop_free(operation->loop);
}

static void fill_request(const struct site *site, const struct options *options, const char *id,
	const char *user, struct deployment_request *request)
{
	request->id = id;
	request->user = user;
	request->group = site->group.id;
	request->group_name = site->group.name;
	request->application = site->group.application;
	request->events = &options->events;
	request->install_root = site->install_root;
	request->ignore_stop_failures = options->ignore_stop_failures;
	request->start_in_root = options->working_directory
					 ? strcmp(options->working_directory, "root") == 0
					 : site->settings.start_in_root;
	request->deployments_log = site->settings.deployments_log;
	request->max_revisions = site->settings.max_revisions;
}

static int run_loop(struct operation *operation, const struct site *site,
	const struct deployment_request *request, struct error *err)
{
	int r = 0;

	/* An image or a test that begins empty. */
	if (site->install_root)
		r = file_make_dirs(AT_FDCWD, site->install_root, 0755, err);
	if (r == 0)
		r = loop_new(&operation->loop, err);
	if (r == 0)
		r = watch_signals(operation, err);
	if (r < 0)
		return r;
	operation->report.progress = operation->report.json || operation->report.quiet
					     ? NULL
					     : progress_new(operation->loop);
	r = deployment_start(&operation->deployment, operation->loop, &site->root,
		site->lock.fd, request, on_notice, operation, err);
	return r < 0 ? r : loop_run(operation->loop, err);
}

static int status_of(enum deployment_outcome outcome)
{
	switch (outcome) {
	case DEPLOYMENT_SUCCEEDED:
		return EXIT_DONE;
	case DEPLOYMENT_REFUSED:
		return EXIT_WRONG;
	case DEPLOYMENT_FAILED:
	case DEPLOYMENT_CANCELLED:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

int operation_run(struct site *site, const struct options *options, const char *command,
	struct deployment_request *request)
{
	cleanup_with(freep) char *id = operation_new_id();
	cleanup_with(freep) char *user = lock_user();
	cleanup_with(freep) char *label = group_label(&site->group);
	cleanup_with(operation_done) struct operation operation = {
		.outcome = DEPLOYMENT_FAILED,
		.report = { options->json, options->quiet, id, label, request->location, user,
			NULL },
	};
	struct error err = ERROR_NONE;
	int r;

	fill_request(site, options, id, user, request);
	lock_set_deployment(&site->lock, command, id);
	log_set_field("DEPLOYMENT_ID", id);
	r = run_loop(&operation, site, request, &err);
	if (r == 0 && status_of(operation.outcome) == EXIT_FAILED && !options->json)
		advice_print(site, options, id, strcmp(command, "codedeploy-local") == 0);
	return r < 0 ? operation_refuse(r, &err) : status_of(operation.outcome);
}

int operation_deploy(
	struct site *site, const struct options *options, const char *command, const char *path)
{
	struct deployment_request request = {
		.location = path,
		.bundle_path = path,
		.type = options->type,
		.behavior = options->behavior,
		.appspec = options->appspec,
	};

	return operation_run(site, options, command, &request);
}

int operation_refuse(int r, const struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	printable_append(&text, err->text);
	fprintf(stderr, "%s: %s%s\n", program_invocation_short_name, text.data,
		(r == -EACCES || r == -EPERM) && geteuid() != 0 ? "; run it as root" : "");
	return r == -EINVAL ? EXIT_WRONG : r == -EBUSY ? EXIT_BUSY : EXIT_FAILED;
}

void operation_say_recovered(const char *said)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	if (!said)
		return;
	printable_append(&text, said);
	fprintf(stderr, "recovered: %s\n", text.data);
	if (log_is_journal())
		log_warning("recovered: %s", said);
}
