/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/grant.h"
#include "agent/install.h"
#include "agent/root.h"
#include "agent/manifest.h"
#include "agent/source.h"
#include "agent/tree.h"

/*
 * A plan: the tree with an act decided for every node, and what the acts need. Only install's
 * own files look inside.
 */

/* What an existing directory hands down to what is made in it: its default ACL, and its group
 * if it has the setgid bit. */
struct heir {
	bool setgid;
	uint32_t gid;
	char *default_acl; /* NULL: none */
	size_t default_acl_n;
};

struct plan {
	struct install_request request;
	enum plan_stage stage;
	struct diagnostics *problems; /* while planning */
	struct tree tree;
	struct sources sources;
	struct grants grants;
	struct heir *heirs;
	size_t n_heirs, cap_heirs;
	struct manifest_head before;
	bool first_here; /* this deployment has no replaced/ yet */
	uint32_t n_originals;
	int root_fd; /* "/" or the install root */
	int bundle_fd;
	struct plan_totals totals;
};

/* Of what no files entry wants. */
enum { PLAN_NO_ENTRY = UINT32_MAX };

/* Adds a problem; conflicts (only they may be of no entry) and the like are warnings before
 * Install. mark: NULL without a place. */
void plan_problem(struct plan *plan, uint32_t entry, const char *id, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void plan_conflict(struct plan *plan, uint32_t entry, const char *id, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void plan_warning(struct plan *plan, const struct mark *mark, const char *id,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Decides what becomes of every node (plan_decide.c). Returns 0 or a negative errno with err
 * filled; conflicts go to the plan's problems. */
int plan_decide(struct plan *plan, struct error *err);

/* Adds up, and compares with the room on the file systems (plan_space.c). */
int plan_measure(struct plan *plan, struct error *err);

/* What people are told of a node that is not ACT_NONE. */
enum plan_action plan_action_of(const struct plan *plan, const struct node *node);

/* Whether files are taken for different without being read: the plan is thrown away. */
bool plan_skips_compare(const struct plan *plan);

/* The path of a node for people. The caller frees. */
char *plan_path(const struct plan *plan, uint32_t node);
