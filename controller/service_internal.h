/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/channel.h"
#include "base/loop.h"
#include "controller/listeners.h"
#include "controller/settings.h"

/* The parts of service.h: service.c decides, service_core.c and service_door.c keep alive. */

/* How long to wait before a child that ended is started again. */
struct backoff {
	uint64_t delay_ms;   /* of the last wait; 0: none so far */
	uint64_t started_ms; /* boot clock */
};

enum { SERVICE_LIMIT_DOORS = SETTINGS_LIMIT_DOORS + 1 };
enum { BACKOFF_CALM_MS = 60 * 1000 }; /* who ran that long begins anew */

uint64_t backoff_next(
	struct backoff *backoff, uint64_t now_ms, uint64_t first_ms, uint64_t most_ms);

struct service;

struct door {
	struct service *service;
	size_t number; /* from 1, for messages */
	bool is_local; /* has the unix sockets, the others the rest (core.h) */
	pid_t pid;     /* 0: not running */
	int core_fd;   /* both ends of its channel, while all are started; else -1 */
	int door_fd;
	struct loop_child child;
	struct loop_timer timer; /* until it is started again */
	struct backoff backoff;
};

enum service_state {
	SERVICE_IS_STARTING, /* the core was not ready yet, or not again */
	SERVICE_IS_RUNNING,
	SERVICE_IS_STOPPING,
};

struct service {
	struct loop *loop;
	struct settings *settings;
	struct listeners listeners;
	enum service_state state;
	bool was_ready;
	int status; /* to exit with */

	pid_t core_pid; /* 0: not running */
	struct loop_child core_child;
	struct channel core; /* running while the core is */
	struct loop_timer core_timer;
	struct backoff core_backoff;

	struct door doors[SERVICE_LIMIT_DOORS];
	size_t n_doors;

	struct loop_signal on_term;
	struct loop_signal on_interrupt;
	struct loop_signal on_hangup;
	struct loop_timer stop_timer;
	struct loop_timer reload_timer;
	bool reloads;
	struct loop_timer watchdog;
	uint64_t watchdog_ms; /* between pings; 0: none is wanted */
	uint64_t ping_id;
};

/* "ended with status 1", "died of signal 9 (Killed)" */
struct ending {
	char text[64];
};
struct ending service_describe_end(const siginfo_t *info);

/* ---- service.c */

/* Ends core and doors, with time to drain, and then the loop. */
void service_stop(struct service *service, int status);
void service_exit_if_alone(struct service *service);

/* The reload under way is over; `complaint` is "" if all went well. */
void service_end_reload(struct service *service, const char *complaint);

/* ---- service_core.c */

/* Starts the core and all doors. Without a core it fails; a door is tried again. */
int service_start_all(struct service *service, struct error *err);

/* ---- service_fork.c */

/* Forks the core with a channel to us (*ret_fd is our end) and the doors' ends in core_fd. */
int service_fork_core(const struct service *service, pid_t *ret_pid, int *ret_pidfd,
	int *ret_fd, struct error *err);

/* ---- service_door.c */

/* Starts it with its listeners and its end of the channel to the core, which is taken over. */
int door_start(struct door *door, int channel_fd, struct error *err);

/* The same after a while, with a channel of its own. */
void door_start_later(struct door *door);
void door_kill(struct door *door);
void door_done(struct door *door);
