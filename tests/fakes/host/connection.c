/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "answer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "endpoint.h"

#define CONNECT_WITHIN_US 15000000
#define READ_MAX 16384

static void on_ready(struct reactor_io *io, uint32_t events);

void connection_init(struct connection *connection, struct endpoint *endpoint,
	const struct connection_handler *handler, struct in_addr source, SSL_SESSION **session)
{
	*connection = (struct connection){
		.endpoint = endpoint,
		.handler = handler,
		.source = source,
		.session = session,
		.fd = -1,
	};
}

void connection_done(struct connection *connection)
{
	if (!connection->endpoint)
		return;
	reactor_timer_stop(connection->endpoint->reactor, &connection->deadline);
	reactor_io_stop(connection->endpoint->reactor, &connection->io);
	/* Without a word of farewell OpenSSL would refuse to resume the session. */
	if (connection->tls)
		SSL_set_shutdown(connection->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(connection->tls);
	if (connection->fd >= 0)
		(void)close(connection->fd);
	buf_done(&connection->out);
	buf_done(&connection->in);
	*connection = (struct connection){ 0 };
}

void connection_silence(struct connection *connection)
{
	reactor_timer_stop(connection->endpoint->reactor, &connection->deadline);
	reactor_io_stop(connection->endpoint->reactor, &connection->io);
}

int connection_on_session(SSL *tls, SSL_SESSION *session)
{
	struct connection *connection = SSL_get_app_data(tls);

	if (!connection || !connection->session)
		return 0;
	SSL_SESSION_free(*connection->session);
	*connection->session = session;
	return 1; /* the reference is ours now */
}

static void fail(struct connection *connection, const char *why)
{
	bool was_silent = connection->was_used && connection->in.len == 0;
	bool was_idle = connection->state == CONNECTION_IDLE;

	connection->state = CONNECTION_FAILED;
	reactor_timer_stop(connection->endpoint->reactor, &connection->deadline);
	reactor_io_stop(connection->endpoint->reactor, &connection->io);
	if (was_idle) {
		connection->handler->on_closed(connection);
		return;
	}
	connection->endpoint->counts.failures++;
	connection->handler->on_failure(connection, why, was_silent);
}

static void on_deadline(struct reactor_timer *timer)
{
	struct connection *connection = container_of(timer, struct connection, deadline);

	if (connection->state == CONNECTION_NEW)
		fail(connection, "no connection could be made");
	else if (connection->state <= CONNECTION_SHAKING_HANDS)
		fail(connection, "no connection within 15 s");
	else
		fail(connection, "no answer in time");
}

static int watch(struct connection *connection, uint32_t events)
{
	return reactor_io_set(connection->endpoint->reactor, &connection->io, connection->fd,
		events, on_ready);
}

/* What a TLS call left to wait for. Returns 0, or -EPIPE (the peer closed) or -EPROTO. */
static int tls_wants(struct connection *connection, int result)
{
	switch (SSL_get_error(connection->tls, result)) {
	case SSL_ERROR_WANT_READ:
		return watch(connection, EPOLLIN);
	case SSL_ERROR_WANT_WRITE:
		return watch(connection, EPOLLIN | EPOLLOUT);
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		return -EPIPE;
	default:
		return -EPROTO;
	}
}

static const char *describe_tls_failure(struct connection *connection)
{
	static char text[300];
	long verdict = SSL_get_verify_result(connection->tls);

	if (verdict != X509_V_OK)
		return X509_verify_cert_error_string(verdict);
	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	return text;
}

/* Returns the bytes written, 0 if it has to wait, negative if the connection is lost. */
static int write_some(struct connection *connection)
{
	const char *data = connection->out.data + connection->sent_bytes;
	size_t n = connection->out.len - connection->sent_bytes;
	ssize_t written;

	if (connection->tls) {
		ERR_clear_error();
		written = SSL_write(connection->tls, data, (int)n);
		return written > 0 ? (int)written : tls_wants(connection, (int)written);
	}
	written = send(connection->fd, data, n, MSG_NOSIGNAL);
	if (written < 0 && errno == EAGAIN)
		return watch(connection, EPOLLIN | EPOLLOUT);
	return written > 0 ? (int)written : -EPIPE;
}

static int read_some(struct connection *connection, char *bytes, int n)
{
	ssize_t got;

	if (connection->tls) {
		ERR_clear_error();
		got = SSL_read(connection->tls, bytes, n);
		return got > 0 ? (int)got : tls_wants(connection, (int)got);
	}
	got = recv(connection->fd, bytes, (size_t)n, 0);
	if (got < 0 && errno == EAGAIN)
		return 0;
	return got > 0 ? (int)got : -EPIPE;
}

static void deliver(struct connection *connection, const struct answer *answer, size_t n)
{
	struct buf in = connection->in;
	struct endpoint *endpoint = connection->endpoint;

	endpoint->counts.answers++;
	if (!answer->is_dated)
		endpoint->counts.undated++;
	if (n < in.len) {
		fail(connection, "bytes after the end of an answer");
		return;
	}
	connection->in = (struct buf){ 0 };
	connection->was_used = true;
	connection->state = answer->is_last ? CONNECTION_FAILED : CONNECTION_IDLE;
	reactor_timer_stop(endpoint->reactor, &connection->deadline);
	connection->handler->on_answer(connection, answer); /* may end the connection */
	buf_done(&in);
}

static void receive(struct connection *connection)
{
	static char bytes[READ_MAX];
	struct error err = ERROR_NONE;
	struct answer answer;
	int n;
	int r;

	do {
		n = read_some(connection, bytes, sizeof(bytes));
		if (n > 0)
			buf_append(&connection->in, bytes, (size_t)n);
	} while (n > 0 && connection->in.len <= ANSWER_MAX);
	r = answer_read(&answer, &connection->in, &err);
	if (r > 0 && connection->state == CONNECTION_WAITING)
		deliver(connection, &answer, (size_t)r);
	else if (r < 0)
		fail(connection, err.text);
	else if (r > 0 || (connection->in.len > 0 && connection->state != CONNECTION_WAITING))
		fail(connection, "an answer that nobody asked for");
	else if (n < 0)
		fail(connection, n == -EPIPE ? "the server closed the connection"
					     : describe_tls_failure(connection));
}

/* Returns 1 when all is sent, 0 if it has to wait, negative if the connection is lost. */
static int write_rest(struct connection *connection)
{
	int r;

	while (connection->sent_bytes < connection->out.len) {
		r = write_some(connection);
		if (r <= 0)
			return r;
		connection->sent_bytes += (size_t)r;
	}
	return 1;
}

static int wait_for_answer(struct connection *connection)
{
	buf_done(&connection->out);
	connection->sent_bytes = 0;
	connection->state = CONNECTION_WAITING;
	return watch(connection, EPOLLIN);
}

static void send_rest(struct connection *connection)
{
	int r = write_rest(connection);

	if (r > 0)
		r = wait_for_answer(connection);
	if (r < 0)
		fail(connection, "the server closed the connection");
}

static void request_begins(struct connection *connection)
{
	struct reactor *reactor = connection->endpoint->reactor;

	connection->state = CONNECTION_SENDING;
	reactor_timer_set(
		reactor, &connection->deadline, connection->answer_within_us, on_deadline);
	send_rest(connection);
}

static void shake_hands(struct connection *connection)
{
	struct endpoint_counts *counts = &connection->endpoint->counts;
	int r;

	ERR_clear_error();
	r = SSL_connect(connection->tls);
	if (r != 1) {
		r = tls_wants(connection, r);
		if (r < 0)
			fail(connection, r == -EPIPE ? "the server closed the connection"
						     : describe_tls_failure(connection));
		return;
	}
	counts->handshakes++;
	if (SSL_session_reused(connection->tls))
		counts->resumed++;
	request_begins(connection);
}

static int tls_start(struct connection *connection)
{
	struct endpoint *endpoint = connection->endpoint;
	SSL *tls = SSL_new(endpoint->tls);
	int ok;

	if (!tls)
		return -ENOMEM;
	connection->tls = tls;
	SSL_set_app_data(tls, connection);
	if (endpoint->name_is_address) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), endpoint->name);
	} else {
		ok = SSL_set1_host(tls, endpoint->name);
		SSL_set_tlsext_host_name(tls, endpoint->name);
	}
	if (ok != 1 || SSL_set_fd(tls, connection->fd) != 1)
		return -ENOMEM;
	if (connection->session && *connection->session)
		SSL_set_session(tls, *connection->session);
	return 0;
}

static void on_connected(struct connection *connection)
{
	socklen_t size = sizeof(int);
	int failure = 0;

	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure) {
		fail(connection, strerror(failure));
		return;
	}
	connection->endpoint->counts.connections++;
	if (!connection->endpoint->tls) {
		request_begins(connection);
		return;
	}
	connection->state = CONNECTION_SHAKING_HANDS;
	if (tls_start(connection) < 0)
		fail(connection, "TLS could not be started");
	else
		shake_hands(connection);
}

static void on_ready(struct reactor_io *io, uint32_t events)
{
	struct connection *connection = container_of(io, struct connection, io);

	switch (connection->state) {
	case CONNECTION_CONNECTING:
		on_connected(connection);
		return;
	case CONNECTION_SHAKING_HANDS:
		shake_hands(connection);
		return;
	case CONNECTION_SENDING:
		send_rest(connection);
		return;
	case CONNECTION_WAITING:
	case CONNECTION_IDLE:
		receive(connection);
		return;
	case CONNECTION_NEW:
	case CONNECTION_FAILED:
		return;
	}
}

static int connect_now(struct connection *connection)
{
	struct endpoint *endpoint = connection->endpoint;
	const struct sockaddr *address = (const struct sockaddr *)&endpoint->address;
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = connection->source };
	int yes = 1;

	connection->fd = socket(
		address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connection->fd < 0)
		return -errno;
	(void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connection->source.s_addr != 0 && address->sa_family == AF_INET) {
		/* The port is chosen at connect(), by the whole four-tuple: no port runs out.
		 */
		(void)setsockopt(
			connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
		if (bind(connection->fd, (struct sockaddr *)&source, sizeof(source)) < 0)
			return -errno;
	}
	if (connect(connection->fd, address, endpoint->address_size) < 0 &&
		errno != EINPROGRESS)
		return -errno;
	connection->state = CONNECTION_CONNECTING;
	return watch(connection, EPOLLOUT);
}

void connection_send(struct connection *connection, struct buf *request, uint64_t within_us)
{
	struct reactor *reactor = connection->endpoint->reactor;

	connection->out = *request;
	*request = (struct buf){ 0 };
	connection->sent_bytes = 0;
	connection->answer_within_us = within_us;
	if (connection->state == CONNECTION_IDLE) {
		connection->state = CONNECTION_SENDING;
		reactor_timer_set(reactor, &connection->deadline, within_us, on_deadline);
		/* No handler runs before we return: of a lost connection the next read tells.
		 */
		if (write_rest(connection) != 0)
			(void)wait_for_answer(connection);
		return;
	}
	reactor_timer_set(reactor, &connection->deadline,
		connect_now(connection) < 0 ? 0 : CONNECT_WITHIN_US, on_deadline);
}
