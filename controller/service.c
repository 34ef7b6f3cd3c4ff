/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "controller/core.h"
#include "controller/owner.h"
#include "controller/service_internal.h"

enum {
	RELOAD_MS = 10 * 1000,
	WANTED_FILES = 262144, /* one a host, and some */
};

struct ending service_describe_end(const siginfo_t *info)
{
	struct ending ending;

	if (info->si_code == CLD_EXITED)
		(void)snprintf(ending.text, sizeof(ending.text), "ended with status %d",
			info->si_status);
	else
		(void)snprintf(ending.text, sizeof(ending.text), "died of signal %d (%s)",
			info->si_status, strsignal(info->si_status));
	return ending;
}

uint64_t backoff_next(
	struct backoff *backoff, uint64_t now_ms, uint64_t first_ms, uint64_t most_ms)
{
	if (backoff->delay_ms == 0 || now_ms - backoff->started_ms >= BACKOFF_CALM_MS)
		backoff->delay_ms = first_ms;
	else if (backoff->delay_ms < most_ms / 2)
		backoff->delay_ms *= 2;
	else
		backoff->delay_ms = most_ms;
	return backoff->delay_ms;
}

/* ---- the end */

static bool is_anybody_left(const struct service *service)
{
	for (size_t i = 0; i < service->n_doors; i++)
		if (service->doors[i].pid != 0)
			return true;
	return service->core_pid != 0;
}

void service_exit_if_alone(struct service *service)
{
	if (service->state == SERVICE_IS_STOPPING && !is_anybody_left(service))
		loop_exit(service->loop, service->status);
}

static void kill_everybody(struct service *service)
{
	for (size_t i = 0; i < service->n_doors; i++)
		door_kill(&service->doors[i]);
	if (service->core_pid != 0)
		(void)kill(service->core_pid, SIGKILL);
}

static void on_stop_due(struct loop_timer *timer)
{
	struct service *service = container_of(timer, struct service, stop_timer);

	log_warning("core or doors took longer than %d ms to end; they are killed",
		SERVICE_STOP_MS);
	kill_everybody(service);
}

/* The core answers what is parked, commits, and tells the doors to drain. */
void service_stop(struct service *service, int status)
{
	struct error err = ERROR_NONE;

	if (service->state == SERVICE_IS_STOPPING)
		return;
	service->state = SERVICE_IS_STOPPING;
	service->status = status;
	(void)sd_notify(0, "STOPPING=1\nSTATUS=ending: answering what waits");
	loop_timer_stop(&service->core_timer);
	for (size_t i = 0; i < service->n_doors; i++)
		loop_timer_stop(&service->doors[i].timer);
	if (service->core_pid == 0 ||
		channel_send(&service->core, SERVICE_STOP, 0, NULL, 0, NULL, 0) < 0 ||
		loop_timer_start(service->loop, &service->stop_timer, SERVICE_STOP_MS,
			on_stop_due, &err) < 0)
		kill_everybody(service);
	service_exit_if_alone(service);
}

static void on_terminate(struct loop_signal *signal, int number)
{
	struct service *service = container_of(signal, struct service, on_term);

	(void)number;
	log_notice("told to end");
	service_stop(service, EXIT_SUCCESS);
}

static void on_interrupt(struct loop_signal *signal, int number)
{
	struct service *service = container_of(signal, struct service, on_interrupt);

	(void)number;
	service_stop(service, EXIT_SUCCESS);
}

/* ---- reload and watchdog */

void service_end_reload(struct service *service, const char *complaint)
{
	if (!service->reloads)
		return;
	service->reloads = false;
	loop_timer_stop(&service->reload_timer);
	if (complaint[0])
		log_warning("%s", complaint);
	else
		log_notice("configuration, certificates and keys read anew");
	(void)sd_notify(0, "READY=1");
}

static void on_reload_due(struct loop_timer *timer)
{
	struct service *service = container_of(timer, struct service, reload_timer);

	service_end_reload(service, "the core did not say that it has read its configuration");
}

/* Ours of the settings is the log level alone; the core reads the file for itself. */
static void reload_log_level(struct service *service)
{
	cleanup_with(settings_freep) struct settings *fresh = NULL;
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };

	if (settings_load(&fresh, service->settings->path, &found, NULL) == 0 &&
		fresh->log_level)
		log_configure_level(fresh->log_level);
}

static uint64_t monotonic_us(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* the clock there always is */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_hangup(struct loop_signal *signal, int number)
{
	struct service *service = container_of(signal, struct service, on_hangup);
	struct error err = ERROR_NONE;

	(void)number;
	if (service->state != SERVICE_IS_RUNNING)
		return; /* what starts reads all of it anyway, what ends needs none */
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us());
	service->reloads = true;
	reload_log_level(service);
	if (channel_send(&service->core, SERVICE_RELOAD, 0, NULL, 0, NULL, 0) < 0 ||
		loop_timer_start(service->loop, &service->reload_timer, RELOAD_MS,
			on_reload_due, &err) < 0)
		service_end_reload(
			service, "the core could not be told to read its configuration");
}

/*
 * The service manager hears from us only if the core's loop turns. While the core starts, which
 * may take long after a crash, the parent speaks for itself.
 */
static void on_watchdog_due(struct loop_timer *timer)
{
	struct service *service = container_of(timer, struct service, watchdog);

	if (service->state == SERVICE_IS_RUNNING)
		(void)channel_send(
			&service->core, SERVICE_PING, ++service->ping_id, NULL, 0, NULL, 0);
	else
		(void)sd_notify(0, "WATCHDOG=1");
	(void)loop_timer_start(
		service->loop, &service->watchdog, service->watchdog_ms, on_watchdog_due, NULL);
}

static int start_watchdog(struct service *service, struct error *err)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	service->watchdog_ms = usec / 1000 / 3;
	return loop_timer_start(
		service->loop, &service->watchdog, service->watchdog_ms, on_watchdog_due, err);
}

/* ---- the beginning */

/* Doors and core inherit it. As much as is allowed will do. */
static void raise_limit(void)
{
	struct rlimit limit = { .rlim_cur = WANTED_FILES, .rlim_max = WANTED_FILES };
	struct rlimit old;

	if (getrlimit(RLIMIT_NOFILE, &old) < 0)
		return;
	if (old.rlim_max >= WANTED_FILES)
		limit.rlim_max = old.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	old.rlim_cur = old.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &old);
}

static int open_listeners(struct service *service, struct error *err)
{
	struct owner owner;
	int r = owner_of(&owner, service->settings->directory, err);

	if (r == 0 && owner.gives && geteuid() != 0)
		return error_set(err, -EPERM,
			"%s belongs to %s: only that user, or root, can run it",
			service->settings->directory, owner.name);
	return r < 0 ? r : listeners_open(&service->listeners, service->settings, &owner, err);
}

static int watch_signals(struct service *service, struct error *err)
{
	int r = loop_signal_start(service->loop, &service->on_term, SIGTERM, on_terminate, err);

	if (r == 0)
		r = loop_signal_start(
			service->loop, &service->on_interrupt, SIGINT, on_interrupt, err);
	if (r == 0)
		r = loop_signal_start(
			service->loop, &service->on_hangup, SIGHUP, on_hangup, err);
	return r;
}

static void stop_sources(struct service *service)
{
	loop_signal_stop(&service->on_term);
	loop_signal_stop(&service->on_interrupt);
	loop_signal_stop(&service->on_hangup);
	loop_timer_stop(&service->stop_timer);
	loop_timer_stop(&service->reload_timer);
	loop_timer_stop(&service->core_timer);
	loop_timer_stop(&service->watchdog);
	channel_stop(&service->core);
	loop_child_stop(&service->core_child);
	for (size_t i = 0; i < service->n_doors; i++)
		door_done(&service->doors[i]);
}

static int run(struct service *service, struct error *err)
{
	int r = watch_signals(service, err);

	if (r == 0)
		r = open_listeners(service, err);
	if (r == 0)
		r = start_watchdog(service, err);
	if (r == 0)
		r = service_start_all(service, err);
	if (r == 0)
		r = loop_run(service->loop, err);
	kill_everybody(service); /* nobody is left but after a failure */
	return r;
}

static void service_free(struct service **service)
{
	stop_sources(*service);
	listeners_close(&(*service)->listeners);
	loop_free((*service)->loop);
	free(*service);
}

static void add_door(struct service *service, bool is_local)
{
	service->doors[service->n_doors] = (struct door){
		.service = service,
		.number = service->n_doors + 1,
		.is_local = is_local,
		.core_fd = -1,
		.door_fd = -1,
	};
	service->n_doors++;
}

static void add_doors(struct service *service)
{
	const struct settings *settings = service->settings;
	size_t n_unix = 0;

	for (size_t i = 0; i < settings->n_listeners; i++)
		if (settings->listeners[i].is_unix)
			n_unix++;
	for (size_t i = 0; i < settings->n_doors && n_unix < settings->n_listeners; i++)
		add_door(service, false);
	if (n_unix > 0)
		add_door(service, true);
}

int service_run(struct settings *settings, struct error *err)
{
	cleanup_with(service_free) struct service *service = xcalloc(1, sizeof(*service));
	int r;

	service->settings = settings;
	add_doors(service);
	raise_limit();
	r = loop_new(&service->loop, err);
	return r < 0 ? r : run(service, err);
}
