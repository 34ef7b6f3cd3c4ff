/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "controller/door/door.h"

/* After which unacknowledged bytes end a connection; parked ones are written to every minute.
 */
enum { LOST_AFTER_MS = 60 * 1000 };

/* What is set here connections inherit: two calls for all of them. */
static void tune(int fd)
{
	int on = 1;
	int lost_after_ms = LOST_AFTER_MS;

	/* Without them answers come later, and the dead stay longer: no reason not to serve. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(
		fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_after_ms, sizeof(lost_after_ms));
}

static int open_one(struct door *door, int fd, struct error *err)
{
	struct door_listener *listener = &door->listeners[door->n_listeners];
	struct sockaddr_storage address = { 0 };
	socklen_t n = sizeof(address);
	int is_listening = 0;
	socklen_t size = sizeof(is_listening);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || getsockname(fd, (struct sockaddr *)&address, &n) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) < 0)
		return error_set(err, -errno, "descriptor %d is no socket: %m", fd);
	if (!is_listening)
		return error_set(err, -EINVAL, "descriptor %d does not listen", fd);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot use descriptor %d: %m", fd);
	*listener = (struct door_listener){ .fd = fd, .is_unix = address.ss_family == AF_UNIX };
	if (!listener->is_unix)
		tune(fd);
	door->n_listeners++;
	return 0;
}

int listeners_open(struct door *door, const int *fds, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = open_one(door, fds[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

void listeners_close(struct door *door)
{
	for (size_t i = 0; i < door->n_listeners; i++)
		(void)close(door->listeners[i].fd);
	door->n_listeners = 0;
}

/* Numbers below that of the first connection (door.c). EPOLLEXCLUSIVE: one door wakes up. */
static void watch(struct door *door, uint32_t i, bool wanted)
{
	struct door_listener *listener = &door->listeners[i];
	struct epoll_event event = { EPOLLIN | EPOLLEXCLUSIVE, { .u64 = i + 1 } };

	if (listener->is_watched == wanted)
		return;
	if (epoll_ctl(door->epoll_fd, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener->fd,
		    &event) == 0)
		listener->is_watched = wanted;
	else
		door->accept_again_ms = door->now_ms + DOOR_ACCEPT_AGAIN_MS;
}

static bool has_room(const struct door *door)
{
	return door->has_settings && !door->is_draining && door->accept_again_ms == 0 &&
	       door->n_connections < door->settings.limits.connections &&
	       door->n_connections < door->fd_limit;
}

void listeners_update(struct door *door)
{
	bool wanted = has_room(door);

	for (uint32_t i = 0; i < door->n_listeners; i++)
		watch(door, i, wanted);
}

/* A site's own proxy speaks for many: its connections are not counted by address. */
static bool counts_addresses(const struct door *door, uint32_t listener)
{
	return !door->listeners[listener].is_unix && door->settings.listeners[listener].is_tls;
}

static void on_accepted(
	struct door *door, uint32_t listener, int fd, const struct sockaddr_storage *peer)
{
	struct address *address = NULL;

	door_count(door, COUNT_ACCEPTED);
	if (counts_addresses(door, listener)) {
		address = addresses_take(
			&door->addresses, peer, door->settings.limits.connections_per_address);
		if (!address) {
			door_count(door, COUNT_ADDRESS_FULL);
			(void)close(fd);
			return;
		}
	}
	connection_open(door, fd, listener, peer, address);
}

static void stop_for_now(struct door *door)
{
	door_count(door, COUNT_DOOR_FULL);
	listeners_update(door);
}

void listener_ready(struct door *door, uint32_t listener)
{
	for (int i = 0; i < DOOR_ACCEPTS; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t n = sizeof(peer);
		int fd;

		if (!has_room(door)) {
			stop_for_now(door);
			return;
		}
		fd = accept4(door->listeners[listener].fd, (struct sockaddr *)&peer, &n,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			on_accepted(door, listener, fd, &peer);
			continue;
		}
		/* Of the descriptor table or memory: others must close first. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			door->accept_again_ms = door->now_ms + DOOR_ACCEPT_AGAIN_MS;
			stop_for_now(door);
		}
		/* All else is the client's, or another door was faster. */
		if (errno == EAGAIN || door->accept_again_ms)
			return;
	}
}
