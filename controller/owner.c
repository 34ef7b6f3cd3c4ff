/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

static void fill(struct owner *ret, const struct passwd *user)
{
	*ret = (struct owner){
		.uid = user->pw_uid, .gid = user->pw_gid, .gives = user->pw_uid != geteuid()
	};
	(void)snprintf(ret->name, sizeof(ret->name), "%s", user->pw_name);
}

static void fill_own(struct owner *ret)
{
	const struct passwd *user = getpwuid(geteuid());

	if (user) {
		fill(ret, user);
		return;
	}
	*ret = (struct owner){ .uid = geteuid(), .gid = getegid() };
	(void)snprintf(ret->name, sizeof(ret->name), "%u", geteuid());
}

int owner_find(struct owner *ret, const char *user, struct error *err)
{
	bool is_root = geteuid() == 0;
	const struct passwd *found = NULL;

	if (user || is_root) {
		errno = 0;
		found = getpwnam(user ? user : OWNER_DEFAULT);
	}
	if (!found && user)
		return error_set(err, -EINVAL, "there is no user %s", user);
	if (!found) {
		fill_own(ret);
		return 0;
	}
	fill(ret, found);
	if (ret->gives && !is_root)
		return error_set(err, -EINVAL, "only root can give files to %s", user);
	return 0;
}

int owner_give(const struct owner *owner, int fd)
{
	return owner->gives ? fchown(fd, owner->uid, owner->gid) : 0;
}

int owner_of(struct owner *ret, const char *path, struct error *err)
{
	const struct passwd *user;
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(err, -errno, "cannot read %s: %m", path);
	user = getpwuid(st.st_uid);
	*ret = (struct owner){ .uid = st.st_uid,
		.gid = user ? user->pw_gid : st.st_gid,
		.gives = st.st_uid != geteuid() };
	if (user)
		(void)snprintf(ret->name, sizeof(ret->name), "%s", user->pw_name);
	else
		(void)snprintf(ret->name, sizeof(ret->name), "%u", st.st_uid);
	return 0;
}

int owner_become(const struct owner *owner, struct error *err)
{
	if (!owner->gives)
		return 0;
	if (setgroups(1, &owner->gid) < 0 ||
		setresgid(owner->gid, owner->gid, owner->gid) < 0 ||
		setresuid(owner->uid, owner->uid, owner->uid) < 0)
		return error_set(err, -errno, "cannot become %s: %m", owner->name);
	return 0;
}
