/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/account.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

/* (uid_t)-1 means "leave it" to the system calls. */
static bool parse_number(const char *text, uid_t *ret)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)text[0]) || strlen(text) > 10)
		return false;
	value = strtoull(text, &end, 10);
	if (*end || value >= UINT32_MAX)
		return false;
	*ret = (uid_t)value;
	return true;
}

static void fill(struct account *ret, const struct passwd *entry)
{
	*ret = (struct account){
		.uid = entry->pw_uid,
		.gid = entry->pw_gid,
		.name = xstrdup(entry->pw_name),
		.home = xstrdup(entry->pw_dir && entry->pw_dir[0] ? entry->pw_dir : "/"),
		.shell = xstrdup(
			entry->pw_shell && entry->pw_shell[0] ? entry->pw_shell : "/bin/sh"),
	};
}

/* getpwnam(3) says "not found" in many ways. */
static bool is_not_found(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
	       error == EPERM;
}

static int find_by_number(struct account *ret, uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	if (entry) {
		fill(ret, entry);
		return 0;
	}
	*ret = (struct account){
		.uid = uid,
		.gid = uid,
		.name = xasprintf("%u", (unsigned)uid),
		.home = xstrdup("/"),
		.shell = xstrdup("/bin/sh"),
	};
	return 0;
}

int account_find(struct account *ret, const char *user, struct error *err)
{
	const struct passwd *entry;
	uid_t uid;

	if (!user)
		return find_by_number(ret, geteuid());
	errno = 0;
	entry = getpwnam(user);
	if (entry) {
		fill(ret, entry);
		return 0;
	}
	if (!is_not_found(errno))
		return error_set(err, -errno, "cannot look up user \"%s\": %m", user);
	if (parse_number(user, &uid))
		return find_by_number(ret, uid);
	return error_set(err, -ENOENT, "there is no user \"%s\" on this host (runas)", user);
}

void account_done(struct account *account)
{
	free(account->name);
	free(account->home);
	free(account->shell);
	*account = (struct account){ 0 };
}

int account_assume(const struct account *account, struct error *err)
{
	if (geteuid() != 0) {
		if (account->uid == geteuid())
			return 0;
		return error_set(err, -EPERM,
			"cannot run a script as user %s: the agent runs as user %u, only root "
			"can",
			account->name, (unsigned)geteuid());
	}
	if (initgroups(account->name, account->gid) < 0 ||
		setresgid(account->gid, account->gid, account->gid) < 0 ||
		setresuid(account->uid, account->uid, account->uid) < 0)
		return error_set(err, -errno, "cannot become user %s: %m", account->name);
	return 0;
}
