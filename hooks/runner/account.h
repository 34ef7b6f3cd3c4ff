/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <sys/types.h>

struct error;

/* As whom a script runs. */
struct account {
	uid_t uid;
	gid_t gid;
	char *name;
	char *home;
	char *shell;
};

/*
 * Looks a user up by name, else by number (one without an entry has its own number for group
 * and "/" for home); NULL is who we are. -ENOENT if there is no such user.
 */
int account_find(struct account *ret, const char *user, struct error *err);
void account_done(struct account *account);

/* Becomes that user for good: groups, group, user. Nothing to do if that is who we are. */
int account_assume(const struct account *account, struct error *err);
