/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/deployment.h"

struct progress;

/*
 * Tells people (or, with json, programs) how a deployment goes: a line for each script and for
 * what the agent does itself, on standard output; findings and failures on standard error, the
 * latter with the script's last output. The same goes to the log, with its fields.
 */
struct report {
	bool json;
	bool quiet; /* failures only */
	const char *id;
	const char *label;    /* "shop/prod" */
	const char *location; /* of the revision */
	const char *user;
	struct progress *progress; /* or NULL; borrowed */
};

/* A deployment_notice_fn's work. */
void report_notice(struct report *report, const struct deployment_notice *notice);

/* A sentence that stands outside a deployment: to standard output, or as {"type": "note"}. */
void report_note(const struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
