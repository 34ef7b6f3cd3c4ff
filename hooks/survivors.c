/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/survivors.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/process.h"

enum { LIMIT_PROC_BYTES = 16 * 1024 * 1024, N_NAMED = 5 };

struct pids {
	pid_t *items;
	size_t n;
	size_t cap;
};

static void pids_done(struct pids *pids)
{
	free(pids->items);
}

static void pids_add(struct pids *pids, pid_t pid)
{
	xgrow(&pids->items, &pids->cap, pids->n);
	pids->items[pids->n++] = pid;
}

/* Numbers separated by anything, as in "children" and "cgroup.procs"; 0 (a process of another
 * pid namespace) is none. */
static void pids_add_file(struct pids *pids, const char *path)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	char *at;

	if (file_read(AT_FDCWD, path, LIMIT_PROC_BYTES, &text, NULL) < 0)
		return;
	for (at = text.data; *at;) {
		char *end;
		long pid = strtol(at, &end, 10);

		if (end == at) {
			at++;
			continue;
		}
		if (pid > 1)
			pids_add(pids, (pid_t)pid);
		at = end;
	}
}

/* Each thread has children of its own. */
static void pids_add_children(struct pids *pids, pid_t pid)
{
	cleanup_with(closedirp) DIR *tasks = NULL;
	struct dirent *task;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (task = readdir(tasks))) {
		char children[sizeof(path) + sizeof(task->d_name) + 16];

		if (!isdigit((unsigned char)task->d_name[0]))
			continue;
		(void)snprintf(
			children, sizeof(children), "%s/%s/children", path, task->d_name);
		pids_add_file(pids, children);
	}
}

static char state_of(pid_t pid)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	const char *end;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
		return 'X';
	end = strrchr(text.data, ')');
	return end && end[1] == ' ' ? end[2] : 'X';
}

static unsigned signal_all(const struct pids *pids, int number)
{
	unsigned n = 0;

	for (size_t i = 0; i < pids->n; i++) {
		char state = state_of(pids->items[i]);

		if (state == 'Z' || state == 'X')
			continue;
		n++;
		(void)kill(pids->items[i], number); /* gone meanwhile is what we want */
		/* A stopped process acts on no signal but KILL until it goes on. */
		if (number != SIGKILL)
			(void)kill(pids->items[i], SIGCONT);
	}
	return n;
}

static void pids_add_tree(struct pids *pids, pid_t root)
{
	pids_add_children(pids, root);
	for (size_t i = 0; i < pids->n; i++)
		pids_add_children(pids, pids->items[i]);
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *one = a;
	const pid_t *other = b;

	return (*one > *other) - (*one < *other);
}

static void pids_drop_doubles(struct pids *pids)
{
	size_t n = 0;

	if (pids->n > 0)
		qsort(pids->items, pids->n, sizeof(pids->items[0]), compare_pids);
	for (size_t i = 0; i < pids->n; i++)
		if (n == 0 || pids->items[n - 1] != pids->items[i])
			pids->items[n++] = pids->items[i];
	pids->n = n;
}

static void pids_add_cgroup(struct pids *pids, const char *path)
{
	cleanup_with(freep) char *procs = path_join(path, "cgroup.procs");
	cleanup_with(closedirp) DIR *dir = opendir(path);
	struct dirent *entry;

	pids_add_file(pids, procs);
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0) {
			cleanup_with(freep) char *below = path_join(path, entry->d_name);

			pids_add_cgroup(pids, below);
		}
}

static bool kill_at_once(const char *path)
{
	cleanup_with(freep) char *name = path_join(path, "cgroup.kill");
	cleanup_with(closep) int fd = open(name, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "1", 1) == 1;
}

unsigned survivors_signal(pid_t root, const char *cgroup, int number)
{
	cleanup_with(pids_done) struct pids pids = { 0 };

	if (root > 0)
		pids_add_tree(&pids, root);
	if (cgroup)
		pids_add_cgroup(&pids, cgroup);
	if (cgroup && number == SIGKILL && pids.n > 0)
		(void)kill_at_once(cgroup); /* not in version 1; then one by one */
	pids_drop_doubles(&pids);
	return signal_all(&pids, number);
}

bool survivors_in_cgroup(const char *path)
{
	cleanup_with(pids_done) struct pids pids = { 0 };

	pids_add_cgroup(&pids, path);
	for (size_t i = 0; i < pids.n; i++) {
		char state = state_of(pids.items[i]);

		if (state != 'Z' && state != 'X')
			return true;
	}
	return false;
}

static void pids_add_all(struct pids *pids)
{
	cleanup_with(closedirp) DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			pids_add(pids, (pid_t)strtol(entry->d_name, NULL, 10));
}

unsigned survivors_signal_session(pid_t leader, uint64_t start_time, int number)
{
	cleanup_with(pids_done) struct pids all = { 0 };
	cleanup_with(pids_done) struct pids members = { 0 };
	uint64_t actual = 0;

	if (process_start_time(leader, &actual) == 0 && actual != start_time)
		return 0;
	pids_add_all(&all);
	for (size_t i = 0; i < all.n; i++)
		if (getsid(all.items[i]) == leader &&
			process_start_time(all.items[i], &actual) == 0 && actual >= start_time)
			pids_add(&members, all.items[i]);
	return signal_all(&members, number);
}

static bool is_one_of(const char *link, ino_t const *pipes, unsigned n_pipes)
{
	for (unsigned i = 0; i < n_pipes; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "pipe:[%" PRIu64 "]", (uint64_t)pipes[i]);
		if (strcmp(link, name) == 0)
			return true;
	}
	return false;
}

static bool holds(pid_t pid, ino_t const *pipes, unsigned n_pipes)
{
	cleanup_with(closedirp) DIR *fds = NULL;
	struct dirent *entry;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	while (fds && (entry = readdir(fds))) {
		char link[64];
		ssize_t n = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (is_one_of(link, pipes, n_pipes))
			return true;
	}
	return false;
}

static void append_name(struct buf *ret, pid_t pid)
{
	cleanup_with(buf_done) struct buf name = { 0 };
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	if (file_read(AT_FDCWD, path, 64, &name, NULL) < 0 || name.len < 2)
		buf_puts(&name, "?\n");
	buf_printf(ret, "%s%.*s (%d)", ret->len ? ", " : "", (int)name.len - 1, name.data,
		(int)pid);
}

unsigned survivors_holding(ino_t const *pipes, unsigned n_pipes, char **ret)
{
	cleanup_with(pids_done) struct pids all = { 0 };
	struct buf names = { 0 };
	unsigned n = 0;

	pids_add_all(&all);
	for (size_t i = 0; i < all.n; i++) {
		if (all.items[i] == getpid() || !holds(all.items[i], pipes, n_pipes))
			continue;
		if (n++ < N_NAMED)
			append_name(&names, all.items[i]);
	}
	if (n > N_NAMED)
		buf_printf(&names, " and %u more", n - N_NAMED);
	*ret = n > 0 ? buf_steal(&names) : NULL;
	return n;
}
