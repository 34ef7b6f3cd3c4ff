/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Whose the files of the controller are: the service's user, when root makes them. */
#define OWNER_DEFAULT "droverd"

struct owner {
	uid_t uid;
	gid_t gid;
	bool gives; /* the files are made by another user, root */
	char name[64];
};

/*
 * `user` by name, or NULL for the service's: that is OWNER_DEFAULT if root runs this and there
 * is such a user, else who runs this. -EINVAL if there is no such user, or only root could hand
 * files over.
 */
int owner_find(struct owner *ret, const char *user, struct error *err);

/* Hands an open file or directory over. Returns 0, or -1 with errno. */
int owner_give(const struct owner *owner, int fd);

/* Whom a file or directory belongs to; `gives` if that is not who runs this. */
int owner_of(struct owner *ret, const char *path, struct error *err);

/*
 * From root to this user, for good: so that nothing is made that the service cannot open later.
 * Does nothing unless `gives`.
 */
int owner_become(const struct owner *owner, struct error *err);
