/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

/*
 * The agent's configuration, /etc/drover/agent.yml: a YAML mapping of plain values. Every key
 * of the reference's codedeployagent.yml is accepted, also as ":key:"; those that mean nothing
 * here are ignored, and one that nobody knows gets a warning.
 */
struct settings {
	char *root_dir;         /* absolute, or NULL */
	unsigned max_revisions; /* from 1 */
	bool deployments_log;
	bool start_in_root; /* scripts start in "/", not in the bundle */
	bool has_start;     /* the key was there */
};

enum { SETTINGS_LIMIT_BYTES = 256 * 1024, SETTINGS_DEFAULT_REVISIONS = 5 };

/* Reads `path`. With must_exist false a file that is not there gives the defaults. Warnings go
 * to the log. */
int settings_load(
	struct settings *settings, const char *path, bool must_exist, struct error *err);

/* The same from n bytes of text; `path` stands in messages. On failure *settings holds nothing
 * to release. */
int settings_parse(struct settings *settings, const char *text, size_t n, const char *path,
	struct error *err);
void settings_done(struct settings *settings);
