/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/acl.h"

struct appspec_permission;
struct error;
struct plan;

/*
 * What the appspec's permissions give to a path: one grant for every combination of entries
 * that meets at some path, shared by all paths where the same entries meet. Of two entries that
 * set the same attribute the later one wins.
 */
struct grant {
	uint32_t before;                       /* the grant that the entry was added to */
	size_t entry;                          /* index of the entry that was added */
	const struct appspec_permission *mode; /* the entries that decide, or NULL */
	const struct appspec_permission *owner;
	const struct appspec_permission *group;
	const struct appspec_permission *acl;
	const struct appspec_permission *context;
	uint32_t uid;
	uint32_t gid;
	size_t acl_of; /* entry whose resolved ACL applies */
};

/* An entry's names as numbers. */
struct grant_names {
	uint32_t uid;
	uint32_t gid;
	struct acl_entry *acls;
};

struct grants {
	struct grant *items; /* 0 is nothing */
	size_t n, cap;
	struct grant_names *names; /* one for each entry */
	size_t n_names;
};

void grants_init(struct grants *grants);
void grants_done(struct grants *grants);

/* Gives every wanted path what the entries say and puts it into the nodes' mode, uid and gid.
 * Unknown users and the like go to the plan's problems. */
int grants_apply(struct plan *plan, struct error *err);

static inline const struct grant *grant_at(const struct grants *grants, uint32_t grant)
{
	return grant ? &grants->items[grant] : NULL;
}
