/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "base/time.h"
#include "controller/core.h"
#include "controller/service_internal.h"

/* What a door may know of our environment; it gets nothing else. */
static const char *const passed[] = { "JOURNAL_STREAM", "ASAN_OPTIONS", "UBSAN_OPTIONS",
	"LSAN_OPTIONS", "OPENSSL_CONF" };

enum {
	FIRST_FD = 3,
	MAX_FDS = SETTINGS_LIMIT_LISTENERS + 1,
	FIRST_MS = 50,
	MOST_MS = 10 * 1000,
};

/* NULL at the end; each to be freed. */
static void make_environment(char *ret[static ARRAY_SIZE(passed) + 2])
{
	size_t n = 0;

	ret[n++] = xasprintf("DROVER_LOG=%s", log_level_name());
	for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
		const char *value = getenv(passed[i]);

		if (value)
			ret[n++] = xasprintf("%s=%s", passed[i], value);
	}
	ret[n] = NULL;
}

/* The channel, then the door's listeners in the order of the settings, from 3 on. */
static size_t add_descriptors(struct process_fd *fds, const struct door *door, int channel_fd)
{
	const struct service *service = door->service;
	int to = FIRST_FD;
	size_t n = 0;

	fds[n++] = (struct process_fd){ channel_fd, to++ };
	for (size_t i = 0; i < service->listeners.n; i++)
		if (service->settings->listeners[i].is_unix == door->is_local)
			fds[n++] = (struct process_fd){ service->listeners.fds[i], to++ };
	return n;
}

/* The program's arguments are these numbers. */
static void name_descriptors(char numbers[][24], char **argv, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(numbers[i], sizeof(numbers[i]), "%zu", FIRST_FD + i);
		argv[i] = numbers[i];
	}
	argv[n] = NULL;
}

static int spawn(const struct door *door, int channel_fd, pid_t *ret_pid, int *ret_pidfd,
	struct error *err)
{
	static char name[] = "drover-door";
	cleanup_with(freep) char *path = process_helper_path(name);
	char numbers[MAX_FDS][24];
	char *argv[MAX_FDS + 2] = { name };
	char *environment[ARRAY_SIZE(passed) + 2];
	struct process_fd fds[MAX_FDS + 1];
	size_t n = add_descriptors(fds, door, channel_fd);
	const struct process_options options = {
		.path = path,
		.argv = argv,
		.environment = environment,
		.fds = fds,
		.n_fds = n + 1,
		.cwd_fd = -1,
	};
	int r;

	name_descriptors(numbers, argv + 1, n);
	fds[n] = (struct process_fd){ STDERR_FILENO, STDERR_FILENO };
	make_environment(environment);
	r = process_spawn(ret_pid, ret_pidfd, &options, err);
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	return r;
}

/* ---- its life */

static void on_door_exit(struct loop_child *child, const siginfo_t *info)
{
	struct door *door = container_of(child, struct door, child);

	door->pid = 0;
	if (door->service->state == SERVICE_IS_STOPPING) {
		service_exit_if_alone(door->service);
		return;
	}
	if (door->service->core_pid == 0)
		return; /* ended with the core, and starts with it */
	/* With status 0 it has lost its core, whose end we are about to hear of. */
	if (info->si_code != CLD_EXITED || info->si_status != 0)
		log_warning("door %zu %s; its clients come back to the others", door->number,
			service_describe_end(info).text);
	door_start_later(door);
}

int door_start(struct door *door, int channel_fd, struct error *err)
{
	struct service *service = door->service;
	int pidfd = -1;
	int r = spawn(door, channel_fd, &door->pid, &pidfd, err);

	(void)close(channel_fd);
	if (r < 0) {
		door->pid = 0;
		return r;
	}
	door->backoff.started_ms = time_boot_ms();
	r = loop_child_start(service->loop, &door->child, pidfd, on_door_exit, err);
	if (r < 0) {
		/* Without its end we would never know. */
		(void)kill(door->pid, SIGKILL);
		(void)waitpid(door->pid, NULL, 0);
		(void)close(pidfd);
		door->pid = 0;
	}
	return r;
}

static int restart_door(struct door *door, struct error *err)
{
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "cannot make a channel to a door: %m");
	r = channel_send(&door->service->core,
		door->is_local ? SERVICE_LOCAL_DOOR : SERVICE_DOOR, door->number, NULL, 0, pair,
		1);
	if (r < 0) {
		(void)close(pair[1]);
		return error_set(err, r, "cannot tell the core of a door: %m");
	}
	return door_start(door, pair[1], err);
}

static void on_door_due(struct loop_timer *timer)
{
	struct door *door = container_of(timer, struct door, timer);
	struct error err = ERROR_NONE;

	if (door->service->state == SERVICE_IS_STOPPING || door->service->core_pid == 0)
		return;
	if (restart_door(door, &err) < 0) {
		log_error("door %zu: %s", door->number, err.text);
		door_start_later(door);
	}
}

void door_start_later(struct door *door)
{
	struct error err = ERROR_NONE;
	uint64_t delay_ms = backoff_next(&door->backoff, time_boot_ms(), FIRST_MS, MOST_MS);

	if (loop_timer_start(door->service->loop, &door->timer, delay_ms, on_door_due, &err) <
		0)
		log_error("door %zu: %s", door->number, err.text);
}

void door_kill(struct door *door)
{
	loop_timer_stop(&door->timer);
	/* A child is ours until it was reaped, so the number is its own. */
	if (door->pid != 0)
		(void)kill(door->pid, SIGKILL);
}

void door_done(struct door *door)
{
	loop_timer_stop(&door->timer);
	loop_child_stop(&door->child);
}
