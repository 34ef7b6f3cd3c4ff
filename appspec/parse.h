/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "appspec/appspec.h"

struct node;
struct report;

/*
 * The sections of an appspec, each from its node to its part of the model. A node that is NULL
 * is an absent section. What is wrong goes to the report; what is right is in the model even
 * then, so that later checks can find more.
 */
void parse_files(struct appspec *spec, const struct node *node, struct report *report);
void parse_permissions(struct appspec *spec, const struct node *node, struct report *report);
void parse_hooks(struct appspec *spec, const struct node *node, struct report *report);

/* The scriptable events, and the ones the agent or the controller does itself. */
extern const char *const parse_events[];
extern const size_t parse_n_events;

/* What is odd about a model as a whole: all of it warnings. */
void appspec_check(const struct appspec *spec, struct report *report);
