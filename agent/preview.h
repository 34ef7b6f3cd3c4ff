/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct appspec;
struct diagnostics;
struct events;
struct deployment_group;
struct plan;
struct root;

/* What the verb `plan` prints: for people, or one JSON document (drover-agent(8)).
 * Problems go to standard error, or into the document. */
struct preview_context {
	const struct root *root;
	const struct deployment_group *group;
	const char *location;
	const struct events *events;
	bool json;
};

void preview(const struct plan *plan, const struct appspec *spec, struct diagnostics *problems,
	const struct preview_context *context);

/* Where there is no plan: only what is wrong. */
void preview_problems(struct diagnostics *problems, bool json);
