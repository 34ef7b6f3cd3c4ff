/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;

/*
 * The lifecycle events that one deployment runs, by name, in order: those of lifecycle.h, and
 * for codedeploy-local also names of its user's own that the appspec has hooks for.
 */
struct events {
	char **names; /* followed by NULL */
	size_t n;
};

void events_done(struct events *events);

/* All events of a deployment, in lifecycle order. */
void events_all(struct events *ret);

/*
 * "A,B,..." of drover-agent: any order and repetition, run in lifecycle order, DownloadBundle
 * and Install always among them. A name that is no event is -EINVAL with a suggestion.
 */
int events_parse(struct events *ret, const char *text, struct error *err);

/*
 * "A,B,..." of codedeploy-local: as given, with DownloadBundle and Install put in front if they
 * are missing; names of one's own are allowed. What could not find its bundle where it stands
 * is -EINVAL.
 */
int events_parse_local(struct events *ret, const char *text, struct error *err);
