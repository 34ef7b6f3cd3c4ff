/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "controller/core.h"
#include "controller/service_internal.h"

enum { FIRST_MS = 100, MOST_MS = 30 * 1000 };

static const struct channel_limits core_limits = {
	.payload_bytes = SERVICE_LIMIT_BYTES,
	.queue_bytes = 64 * (SERVICE_LIMIT_BYTES + CHANNEL_HEADER_BYTES),
};

static void start_later(struct service *service);

static void tell_ready(struct service *service)
{
	service->state = SERVICE_IS_RUNNING;
	service->was_ready = true;
	(void)sd_notify(0, "READY=1\nSTATUS=ready");
	log_notice("ready: %s%s, %zu door%s", service->settings->listeners[0].address,
		service->settings->n_listeners > 1 ? " and others" : "", service->n_doors,
		service->n_doors == 1 ? "" : "s");
}

/* One line: the service manager takes each for a variable of its own. */
static void tell_status(const struct channel_message *message)
{
	cleanup_with(freep) char *text = xstrndup(message->payload, message->n);

	text[strcspn(text, "\n")] = '\0';
	(void)sd_notifyf(0, "STATUS=%s", text);
}

static int on_core_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct service *service = container_of(channel, struct service, core);

	switch (message->type) {
	case SERVICE_READY:
		if (service->state == SERVICE_IS_STARTING)
			tell_ready(service);
		return 0;
	case SERVICE_STATUS:
		tell_status(message);
		return 0;
	case SERVICE_RELOADED:
		service_end_reload(service, message->payload);
		return 0;
	case SERVICE_PONG:
		if (message->id == service->ping_id)
			(void)sd_notify(0, "WATCHDOG=1");
		return 0;
	default:
		return error_set(
			err, -EBADMSG, "message of unknown type %" PRIu32, message->type);
	}
}

/* Its exit follows, or was there already. A core that closed its channel and lives on is no
 * use. */
static void on_core_closed(struct channel *channel, const struct error *why)
{
	struct service *service = container_of(channel, struct service, core);

	if (why->code != 0)
		log_error("the channel to the core failed: %s", why->text);
	if (service->core_pid != 0 && service->state != SERVICE_IS_STOPPING)
		(void)kill(service->core_pid, SIGKILL);
}

static const struct channel_events core_events = {
	.on_message = on_core_message,
	.on_closed = on_core_closed,
};

static void on_core_exit(struct loop_child *child, const siginfo_t *info)
{
	struct service *service = container_of(child, struct service, core_child);

	service->core_pid = 0;
	channel_stop(&service->core);
	if (service->state == SERVICE_IS_STOPPING) {
		/* The doors have what they are to send, or will not get it. */
		service_exit_if_alone(service);
		return;
	}
	for (size_t i = 0; i < service->n_doors; i++)
		door_kill(&service->doors[i]);
	service_end_reload(service, "the core ended while it read its configuration");
	if (!service->was_ready) {
		log_error("the core %s before it was ready", service_describe_end(info).text);
		service_stop(service, EXIT_FAILURE);
		return;
	}
	service->state = SERVICE_IS_STARTING;
	start_later(service);
	log_error("the core %s; it is started again in %" PRIu64 " ms, clients wait",
		service_describe_end(info).text, service->core_backoff.delay_ms);
	(void)sd_notifyf(
		0, "STATUS=the core %s; starting it again", service_describe_end(info).text);
}

static void close_channels(struct service *service)
{
	for (size_t i = 0; i < service->n_doors; i++) {
		closep(&service->doors[i].core_fd);
		closep(&service->doors[i].door_fd);
		service->doors[i].core_fd = service->doors[i].door_fd = -1;
	}
}

static int make_channels(struct service *service, struct error *err)
{
	for (size_t i = 0; i < service->n_doors; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			return error_set(err, -errno, "cannot make a channel to a door: %m");
		service->doors[i].core_fd = pair[0];
		service->doors[i].door_fd = pair[1];
	}
	return 0;
}

static int start_core(struct service *service, struct error *err)
{
	int pidfd = -1;
	int fd = -1;
	int r = service_fork_core(service, &service->core_pid, &pidfd, &fd, err);

	if (r < 0) {
		service->core_pid = 0;
		return r;
	}
	service->core_backoff.started_ms = time_boot_ms();
	r = loop_child_start(service->loop, &service->core_child, pidfd, on_core_exit, err);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return channel_start(
		&service->core, service->loop, fd, &core_limits, &core_events, err);
}

/* A door that cannot be started is tried again; without the core there is nothing. */
int service_start_all(struct service *service, struct error *err)
{
	int r = make_channels(service, err);

	if (r == 0)
		r = start_core(service, err);
	for (size_t i = 0; i < service->n_doors && r == 0; i++) {
		struct door *door = &service->doors[i];
		struct error door_err = ERROR_NONE;

		if (door_start(door, take_fd(&door->door_fd), &door_err) < 0) {
			log_error("door %zu: %s", door->number, door_err.text);
			door_start_later(door);
		}
	}
	close_channels(service);
	return r;
}

/* Killed when the core ended, but perhaps not reaped yet. */
static bool is_door_left(const struct service *service)
{
	for (size_t i = 0; i < service->n_doors; i++)
		if (service->doors[i].pid != 0)
			return true;
	return false;
}

static void on_core_due(struct loop_timer *timer)
{
	struct service *service = container_of(timer, struct service, core_timer);
	struct error err = ERROR_NONE;

	if (is_door_left(service) && service->state != SERVICE_IS_STOPPING) {
		start_later(service);
		return;
	}
	if (service->state == SERVICE_IS_STOPPING || service_start_all(service, &err) == 0)
		return;
	log_error("%s", err.text);
	start_later(service);
}

static void start_later(struct service *service)
{
	struct error err = ERROR_NONE;
	uint64_t delay_ms = backoff_next(
		&service->core_backoff, time_boot_ms(), FIRST_MS, MOST_MS);

	if (loop_timer_start(service->loop, &service->core_timer, delay_ms, on_core_due, &err) <
		0) {
		log_error("the core cannot be started again: %s", err.text);
		service_stop(service, EXIT_FAILURE);
	}
}
