/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct root;

/*
 * The deployment groups this host knows, each by its id (which names its files) and by the
 * name people use. A deployment from a controller teaches the host both; a group made by hand
 * has its name for its id.
 */
struct deployment_group {
	char *id;
	char *name;        /* the id if nobody gave a name */
	char *application; /* or NULL */
	bool damaged;      /* its history cannot be read: its name is not known */
};

struct groups {
	struct deployment_group *items; /* in order of their ids */
	size_t n;
	size_t cap;
};

/* Every group that has left a file in deployment-instructions/, ours or the reference's. */
int groups_load(struct groups *groups, const struct root *root, struct error *err);
void groups_done(struct groups *groups);
void group_done(struct deployment_group *group);

/* "application/name", or "name" without an application; the caller frees. */
char *group_label(const struct deployment_group *group);

struct group_wish {
	const char *name; /* id, name, application/name, or id:ID where a name and an id are the
			     same; NULL: the only group there is */
	const char *application; /* or NULL */
	bool may_be_new;         /* a group that is not there yet is fine */
};

/*
 * The group that is meant. -EINVAL with err naming the groups to choose from if none or
 * several match. *ret is the caller's to release.
 */
int groups_choose(const struct groups *groups, const struct group_wish *wish,
	struct deployment_group *ret, struct error *err);
