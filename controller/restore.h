/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct diagnostics;
struct error;
struct owner;

/* `droverd restore`: what a backup holds, in a new or empty directory. */
struct restore_request {
	const char *path;
	const char *directory;
	const struct owner *owner;
};

struct restore_result {
	char *name; /* of the controller */
	uint64_t created_ms;
	bool holds_keys;
};

/*
 * Unpacks the files that a controller has and no others, each checked against its SHA-256.
 * Killed half-way it leaves nothing that is taken for a controller. What is still to be done is
 * added to the diagnostics: keys that are missing, files that droverd.yml expects elsewhere.
 *
 * Returns 0; -EEXIST if the directory is in use; -EBADMSG if the file is no backup, or damaged.
 */
int restore_make(struct restore_result *ret, const struct restore_request *request,
	struct diagnostics *diagnostics, struct error *err);
void restore_result_done(struct restore_result *result);
