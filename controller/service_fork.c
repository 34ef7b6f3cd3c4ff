/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "controller/core.h"
#include "controller/service_internal.h"

/*
 * The core is a fork without exec: it goes on with what was parsed, in the same file on disk
 * even while a package replaces it. What it must not inherit is closed by number: listeners,
 * the parent's loop, the other ends of channels.
 */
enum {
	FIRST_FD = 3,
	ASIDE_FD = 512, /* above all that the parent has open, below every limit */
	MAX_FDS = SERVICE_LIMIT_DOORS + 1,
};

struct fork {
	const struct service *service;
	pid_t parent;
	int fds[MAX_FDS]; /* the channel to the parent, then the doors' */
	size_t n;
};

/* Moves the descriptors to 3, 4, ... and closes all others. */
static int keep_only(struct fork *fork)
{
	for (size_t i = 0; i < fork->n; i++) {
		fork->fds[i] = fcntl(fork->fds[i], F_DUPFD_CLOEXEC, ASIDE_FD);
		if (fork->fds[i] < 0)
			return -errno;
	}
	if (close_range(FIRST_FD, ASIDE_FD - 1, 0) < 0)
		return -errno;
	for (size_t i = 0; i < fork->n; i++) {
		int to = FIRST_FD + (int)i;

		if (dup3(fork->fds[i], to, O_CLOEXEC) < 0)
			return -errno;
		fork->fds[i] = to;
	}
	return close_range(FIRST_FD + (unsigned)fork->n, ~0U, 0) < 0 ? -errno : 0;
}

/*
 * The terminal's Ctrl-C goes to us all, and a service manager's signal may; but it is the
 * parent who says when the core ends. Its signal for a parent that died comes late at worst:
 * the channel's end has the same meaning.
 */
static int prepare(struct fork *fork)
{
	sigset_t none;

	sigemptyset(&none);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_NAME, "droverd-core");
	/* Neither another process of this user nor a core dump shall read its keys. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != fork->parent)
		return -ESRCH;
	return keep_only(fork);
}

static int run_core(void *argument)
{
	struct fork *fork = argument;
	struct core_door doors[SERVICE_LIMIT_DOORS];
	int r = prepare(fork);

	if (r < 0) {
		errno = -r;
		log_error("the core cannot begin: %m");
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i + 1 < fork->n; i++)
		doors[i] = (struct core_door){ .fd = fork->fds[i + 1],
			.is_local = fork->service->doors[i].is_local };
	return core_main(&(struct core_start){
		.settings = fork->service->settings,
		.channel_fd = fork->fds[0],
		.doors = doors,
		.n_doors = fork->n - 1,
	});
}

int service_fork_core(const struct service *service, pid_t *ret_pid, int *ret_pidfd,
	int *ret_fd, struct error *err)
{
	struct fork fork = {
		.service = service,
		.parent = getpid(),
		.n = service->n_doors + 1,
	};
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "cannot make a channel to the core: %m");
	fork.fds[0] = pair[1];
	for (size_t i = 0; i < service->n_doors; i++)
		fork.fds[i + 1] = service->doors[i].core_fd;
	r = process_fork(ret_pid, ret_pidfd, run_core, &fork, err);
	(void)close(pair[1]);
	if (r < 0) {
		(void)close(pair[0]);
		return error_wrap(err, "cannot start the core");
	}
	*ret_fd = pair[0];
	return 0;
}
