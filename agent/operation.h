/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct deployment_request;
struct error;
struct options;
struct site;

/* Exit status of the commands, a contract. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* the deployment, or the host */
	EXIT_WRONG = 2,  /* use or input */
	EXIT_BUSY = 3,   /* something else holds the lock */
};

/* A new deployment's id, d-XXXXXXXXX-local; the caller frees. */
char *operation_new_id(void);

/*
 * Runs one deployment to its end under the group's lock, telling people how it goes; signals
 * that ask us to end cancel it. `request` lacks what the site and the options say, which is
 * filled in here. Returns the exit status.
 */
int operation_run(struct site *site, const struct options *options, const char *command,
	struct deployment_request *request);

/* The same for the bundle at `path`, as the options want it deployed. */
int operation_deploy(struct site *site, const struct options *options, const char *command,
	const char *path);

/* Says on standard error why a command came to nothing, and which exit status that is. */
int operation_refuse(int r, const struct error *err);

/* "recovered: ..." on standard error, if there is something to say. */
void operation_say_recovered(const char *said);
