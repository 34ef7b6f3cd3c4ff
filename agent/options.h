/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/bundle.h"
#include "agent/events.h"
#include "appspec/appspec.h"

struct error;

/* The command line, parsed. One table row an option, in options.c; every option is in one of
 * these members. Strings are borrowed from argv. */
struct options {
	const char *bundle;
	const char *type_text;
	const char *group;
	const char *group_name; /* codedeploy-local: the name apart from the id */
	const char *application;
	const char *events_text;
	const char *behavior_text;
	const char *appspec;
	const char *state_dir;
	const char *install_root;
	const char *config;
	const char *to;
	const char *path; /* the one operand, of `check` */
	const char *wait_text;
	const char *log_level;
	const char *working_directory;
	bool wait;
	bool ignore_stop_failures;
	bool strict;
	bool json;
	bool quiet;
	bool help;
	bool version;

	/* made of the texts above */
	enum bundle_type type;
	enum file_exists_behavior behavior;
	struct events events;
	int64_t wait_ms; /* as lock_take() wants it */
};

/* What a program or verb takes: the bits of the rows in options.c. */
enum options_of {
	OF_DEPLOY = 1 << 0,
	OF_PLAN = 1 << 1,
	OF_REDEPLOY = 1 << 2,
	OF_ROLLBACK = 1 << 3,
	OF_CHECK = 1 << 4,
	OF_STATUS = 1 << 5,
	OF_FORGET = 1 << 6,
	OF_LOCAL = 1 << 7,
};

/*
 * Parses argv[1..] by the rows that bear `of`. -EINVAL with err naming the mistake; then, and
 * with help or version set, the rest is not looked at.
 */
int options_parse(
	struct options *ret, enum options_of of, int argc, char **argv, struct error *err);
void options_done(struct options *options);

/* Prints the rows, one or two lines each. */
void options_help(enum options_of of);
