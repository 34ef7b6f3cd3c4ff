/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/address.h"

enum { BACKLOG = 32768 }; /* the kernel takes less if net.core.somaxconn says so */

static const struct sockaddr *plain(const struct sockaddr_storage *address)
{
	return (const struct sockaddr *)address;
}

static int set_on(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* ---- the network */

static const char *advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return " (is another droverd running? ss -ltnp shows who listens)";
	case EADDRNOTAVAIL:
		return " (ip address shows which addresses this machine has)";
	case EACCES:
		return " (ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit)";
	default:
		return "";
	}
}

static int open_inet(const struct listener_settings *listener, struct error *err)
{
	int family = listener->socket_address.ss_family;
	cleanup_with(closep) int fd = socket(
		family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/*
	 * [::] is IPv6 alone, so that it can stand beside 0.0.0.0. TCP_NODELAY is inherited by
	 * what is accepted.
	 */
	if (fd < 0 || set_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
		set_on(fd, IPPROTO_TCP, TCP_NODELAY) < 0 ||
		(family == AF_INET6 && set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0) ||
		bind(fd, plain(&listener->socket_address), listener->socket_length) < 0 ||
		listen(fd, BACKLOG) < 0)
		return error_set(err, -errno, "cannot listen at %s: %m%s", listener->address,
			advice(errno));
	return take_fd(&fd);
}

/* ---- unix sockets */

/* The file of a process that is gone may go too; one that somebody listens at may not. */
static int remove_stale(const struct listener_settings *listener, struct error *err)
{
	const char *path = address_path(&listener->socket_address);
	cleanup_with(closep) int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT
			       ? 0
			       : error_set(err, -errno, "cannot listen at %s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST,
			"cannot listen at %s: something else than a socket is there", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot listen at %s: %m", path);
	if (connect(fd, plain(&listener->socket_address), listener->socket_length) == 0 ||
		errno != ECONNREFUSED)
		return error_set(err, -EADDRINUSE,
			"cannot listen at %s: another process does (is another droverd "
			"running?)",
			path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, -errno, "cannot remove the old socket %s: %m", path);
	return 0;
}

static int open_unix(const struct listener_settings *listener, struct error *err)
{
	const char *path = address_path(&listener->socket_address);
	cleanup_with(closep) int fd = -1;
	mode_t before;
	int r = remove_stale(listener, err);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot listen at %s: %m", path);
	/* Closed to others from its first moment on. */
	before = umask(0177);
	r = bind(fd, plain(&listener->socket_address), listener->socket_length);
	(void)umask(before);
	if (r < 0 || chmod(path, listener->mode) < 0 || listen(fd, BACKLOG) < 0)
		return error_set(err, -errno, "cannot listen at %s: %m", path);
	return take_fd(&fd);
}

static void remember_file(
	struct listeners *listeners, size_t i, const struct listener_settings *listener)
{
	const char *path = address_path(&listener->socket_address);
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	listeners->files[i].path = xstrdup(path);
	listeners->files[i].device = st.st_dev;
	listeners->files[i].inode = st.st_ino;
}

/* ---- what systemd hands over */

static int prepare_given(int fd, const struct sockaddr_storage *address)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	if (address->ss_family != AF_UNIX && set_on(fd, IPPROTO_TCP, TCP_NODELAY) < 0)
		return -errno;
	return 0;
}

static int take_given(
	struct listeners *listeners, const struct settings *settings, int fd, struct error *err)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	cleanup_with(freep) char *text = NULL;
	int r;

	if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0 ||
		getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		return error_set(err, -EINVAL,
			"descriptor %d of systemd is no stream socket that listens "
			"(ListenStream= and Accept=no are needed)",
			fd);
	for (size_t i = 0; i < settings->n_listeners; i++) {
		if (listeners->fds[i] >= 0 ||
			!address_equals(&settings->listeners[i].socket_address, &address))
			continue;
		r = prepare_given(fd, &address);
		if (r < 0)
			return error_set(err, r, "cannot use descriptor %d of systemd: %m", fd);
		listeners->fds[i] = fd;
		return 0;
	}
	text = address_format(&address, length);
	return error_set(err, -EINVAL,
		"systemd hands over a socket at %s, which is not one of listen in %s: put it "
		"there, to say whether it speaks TLS",
		text, settings->path);
}

static int take_all_given(
	struct listeners *listeners, const struct settings *settings, struct error *err)
{
	int n = sd_listen_fds(1);
	int r = 0;

	if (n < 0)
		return error_set(err, n, "cannot take the sockets of systemd: %m");
	for (int i = 0; i < n && r == 0; i++)
		r = take_given(listeners, settings, SD_LISTEN_FDS_START + i, err);
	return r;
}

/* ---- all of them */

static int open_one(struct listeners *listeners, size_t i,
	const struct listener_settings *listener, struct error *err)
{
	int fd = listener->is_unix ? open_unix(listener, err) : open_inet(listener, err);

	if (fd < 0)
		return fd;
	listeners->fds[i] = fd;
	if (listener->is_unix)
		remember_file(listeners, i, listener);
	return 0;
}

static int open_kind(struct listeners *listeners, const struct settings *settings, bool is_unix,
	struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < listeners->n && r == 0; i++)
		if (listeners->fds[i] < 0 && settings->listeners[i].is_unix == is_unix)
			r = open_one(listeners, i, &settings->listeners[i], err);
	return r;
}

int listeners_open(struct listeners *ret, const struct settings *settings,
	const struct owner *owner, struct error *err)
{
	int r;

	*ret = (struct listeners){ .n = settings->n_listeners };
	for (size_t i = 0; i < ret->n; i++)
		ret->fds[i] = -1;
	r = take_all_given(ret, settings, err);
	if (r == 0)
		r = open_kind(ret, settings, false, err);
	if (r == 0)
		r = owner_become(owner, err);
	if (r == 0)
		r = open_kind(ret, settings, true, err);
	if (r < 0)
		listeners_close(ret);
	return r;
}

void listeners_close(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++) {
		const char *path = listeners->files[i].path;
		struct stat st;

		if (path && lstat(path, &st) == 0 && st.st_ino == listeners->files[i].inode &&
			st.st_dev == listeners->files[i].device)
			(void)unlink(path); /* the next start removes it else */
		free(listeners->files[i].path);
		closep(&listeners->fds[i]);
	}
	*listeners = (struct listeners){ 0 };
}
