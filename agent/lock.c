/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "agent/root.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/time.h"

enum {
	LOCK_LIMIT_BYTES = 4096,
	POLL_MS = 20,
	/* Whoever only looks, or just ends, lets go at once: not worth calling busy. */
	GRACE_MS = 200,
};

char *lock_user(void)
{
	const char *behind = getenv("SUDO_USER");
	const struct passwd *user;

	if (behind && behind[0] != '\0')
		return xstrdup(behind);
	if (getuid() == 0)
		return xstrdup("root");
	user = getpwuid(getuid());
	return user ? xstrdup(user->pw_name) : xasprintf("user %u", (unsigned)getuid());
}

static void write_holder(int fd, const char *command, const char *deployment)
{
	cleanup_with(freep) char *user = lock_user();
	cleanup_with(json_decrefp) json_t *json = json_pack("{s:i, s:o, s:s, s:I}", "pid",
		(int)getpid(), "user", json_text(user), "command", command, "since_ms",
		(json_int_t)time_now_ms());
	cleanup_with(freep) char *text = NULL;

	if (json && deployment)
		(void)json_object_set_new(json, "deployment", json_text(deployment));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return;
	/* What the file says is for people only: on a full disk the lock still holds. */
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return;
}

static char *read_holder(int instructions_fd, const char *name)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	const char *user = "somebody", *command = "unknown", *deployment = NULL;
	cleanup_with(freep) char *what = NULL;
	int64_t pid = 0, since_ms = 0;
	char since[20];
	bool gone;

	if (json_read_file(&json, instructions_fd, name, LOCK_LIMIT_BYTES, NULL) < 0 ||
		json_find_string(json, "user", &user, NULL) < 0 ||
		json_find_string(json, "command", &command, NULL) < 0 ||
		json_find_string(json, "deployment", &deployment, NULL) < 0 ||
		json_find_integer(json, "pid", &pid, NULL) < 0 ||
		json_find_integer(json, "since_ms", &since_ms, NULL) < 0)
		return xstrdup("another process");
	time_format_local((uint64_t)since_ms, since);
	what = deployment ? xasprintf("deployment %s", deployment) : xstrdup("a command");
	gone = pid <= 0 || (kill((pid_t)pid, 0) < 0 && errno == ESRCH);
	return gone ? xasprintf("%s (%s by %s, process %" PRId64
				", since %s), whose process has ended while a script or an "
				"install of it still runs",
			      what, command, user, pid, since)
		    : xasprintf("%s (%s by %s, process %" PRId64 ", since %s)", what, command,
			      user, pid, since);
}

/* Sleeps, since this runs before there is anything that must stay responsive. */
static int take_within(int fd, int64_t wait_ms)
{
	uint64_t until = time_boot_ms() + (uint64_t)(wait_ms > GRACE_MS ? wait_ms : GRACE_MS);
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (time_boot_ms() >= until)
			return -EBUSY;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static int take_fd_lock(int fd, int64_t wait_ms)
{
	if (wait_ms != LOCK_WAIT_FOR_EVER)
		return take_within(fd, wait_ms);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int lock_take(struct lock *lock, const struct root *root, const char *group,
	const char *command, int64_t wait_ms, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-lock");
	cleanup_with(closep) int fd = -1;
	int r;

	fd = openat(
		root->instructions_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(err, -errno,
			"cannot open the lock %s/deployment-instructions/%s: %m", root->path,
			name);
	r = take_fd_lock(fd, wait_ms);
	if (r == -EBUSY) {
		cleanup_with(freep) char *holder = read_holder(root->instructions_fd, name);

		return error_set(err, r, "group %s is busy: %s", group, holder);
	}
	if (r < 0)
		return error_set(err, r, "cannot lock %s/deployment-instructions/%s: %m",
			root->path, name);
	write_holder(fd, command, NULL);
	lock->fd = take_fd(&fd);
	return 0;
}

void lock_release(struct lock *lock)
{
	closep(&lock->fd);
	lock->fd = -1;
}

void lock_set_deployment(struct lock *lock, const char *command, const char *deployment)
{
	if (lock->fd >= 0)
		write_holder(lock->fd, command, deployment);
}

char *lock_holder(const struct root *root, const char *group)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-lock");
	cleanup_with(closep) int fd = openat(
		root->instructions_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	/* Held for a moment at most, which GRACE_MS forgives to whoever wants it meanwhile. */
	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return NULL;
	return read_holder(root->instructions_fd, name);
}
