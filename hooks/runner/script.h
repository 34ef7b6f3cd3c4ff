/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

#include "hooks/hook.h"
#include "hooks/shebang.h"

struct error;
struct output;
struct request;

/* One script: found in its bundle, then a process that waits for permission to execute it. */
struct script {
	char *path; /* bundle directory and location: what the script sees as its name */
	struct shebang shebang;
	pid_t pid;
	int socket; /* ours: one byte lets it go; then its failure to execute, or the end */
};

/*
 * Finds the script in its bundle and makes it executable if it is not. Anything but
 * HOOK_SUCCEEDED is the outcome, with err saying why.
 */
enum hook_code script_find(
	struct script *ret, const struct request *request, struct error *err);
void script_done(struct script *script);

/* Forks the process that will be the script, in a session of its own. It waits. */
int script_fork(struct script *script, const struct request *request,
	const struct output *output, struct error *err);

/* Lets it execute. */
void script_release(struct script *script);

/*
 * To be called when the socket is readable: closes it, and returns NULL if the script now runs,
 * or why it could not be executed, which the caller frees.
 */
char *script_failure(struct script *script);
