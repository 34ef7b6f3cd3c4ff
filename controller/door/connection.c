/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/door/door.h"

/* A client that has much to say is read on in the next turn. */
enum { READS_A_TURN = 4, LINGER_READS = 4 };

static void watch(struct connection *connection)
{
	struct door *door = connection->door;
	struct epoll_event event = { .data.u64 = connection->id };

	/* While an answer is being written nothing is read: what the client still sends waits.
	 */
	if (connection->state != CONNECTION_WRITING)
		event.events = EPOLLIN | EPOLLRDHUP;
	if (connection->out.len > connection->out_start || connection->stream.wants_write)
		event.events |= EPOLLOUT;
	if (event.events == connection->events)
		return;
	if (epoll_ctl(door->epoll_fd, EPOLL_CTL_MOD, connection->stream.fd, &event) < 0)
		connection_close(connection, false); /* no memory for a smaller change */
	connection->events = event.events;
}

/* It is there only while a request comes in: a parked client is to cost little. By the limits
 * of today. */
static struct http_parser *get_parser(struct connection *connection)
{
	const struct limit_settings *limits = &connection->door->settings.limits;

	if (connection->parser)
		return connection->parser;
	connection->parser = xmalloc(sizeof(*connection->parser));
	http_parser_init(connection->parser,
		&(struct http_limits){ limits->line_bytes, limits->header_bytes,
			limits->n_headers, limits->body_bytes });
	return connection->parser;
}

static void drop_parser(struct connection *connection)
{
	http_parser_done(connection->parser);
	free(connection->parser);
	connection->parser = NULL;
}

bool connection_is_reading(const struct connection *connection)
{
	return connection->parser && http_parser_is_busy(connection->parser);
}

void connection_measure(struct connection *connection)
{
	size_t held = connection->body.cap + connection->early.cap + connection->out.cap;

	if (connection->parser)
		held += sizeof(*connection->parser) + connection->parser->head.text.cap +
			connection->parser->tail.text.cap;

	connection->door->held_bytes += held - connection->held_bytes;
	connection->held_bytes = held;
}

void connection_enter(struct connection *connection, enum connection_state state)
{
	struct door *door = connection->door;

	if (connection->state == CONNECTION_CLOSED)
		return;
	queue_remove(&door->queues[connection->state], &connection->link);
	connection->state = state;
	queue_add(&door->queues[state], &connection->link, door_client_ms(door));
	if (state != CONNECTION_CLOSED)
		watch(connection);
}

void connection_close(struct connection *connection, bool is_in_order)
{
	struct door *door = connection->door;

	if (connection->state == CONNECTION_CLOSED)
		return;
	connection_enter(connection, CONNECTION_CLOSED);
	if (connection->request)
		core_link_cancel(connection);
	if (connection->is_announced)
		core_link_gone(connection);
	stream_close(&connection->stream, is_in_order);
	drop_parser(connection);
	buf_done(&connection->body);
	buf_done(&connection->early);
	buf_done(&connection->out);
	connection->out_start = 0;
	connection_measure(connection);
	addresses_release(&door->addresses, connection->address);
	free(connection->peer);
	connection->peer = NULL;
	door_remove(door, connection);
	listeners_update(door);
}

void connection_open(struct door *door, int fd, uint32_t listener,
	const struct sockaddr_storage *peer, struct address *address)
{
	struct connection *connection = xcalloc(1, sizeof(*connection));
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
	bool is_tls = door->settings.listeners[listener].is_tls;

	*connection = (struct connection){ .door = door,
		.state = is_tls ? CONNECTION_HANDSHAKE : CONNECTION_HEAD,
		.stream = { .fd = fd },
		.events = event.events,
		.listener = listener,
		.address = address,
		.is_unix = door->listeners[listener].is_unix };
	if (connection->is_unix) {
		struct ucred peer_of = { .uid = (uid_t)-1 };
		socklen_t n = sizeof(peer_of);

		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer_of, &n); /* -1: nobody */
		connection->uid = peer_of.uid;
	} else {
		connection->peer = xmemdup(peer, sizeof(*peer));
	}
	queue_add(&door->queues[connection->state], &connection->link, door_client_ms(door));
	if (!door_add(door, connection)) {
		connection->id = 0;
		connection_close(connection, false);
		return;
	}
	event.data.u64 = connection->id;
	if (epoll_ctl(door->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		connection_close(connection, false);
}

static void count_refusal(struct door *door, int status)
{
	door_count(door, status == 413 || status == 414 || status == 431 ? COUNT_TOO_LARGE
									 : COUNT_MALFORMED);
}

/* The head is whole. A body that is too long is refused before it is asked for. */
static bool begin_body(struct connection *connection, bool has_more)
{
	struct http_parser *parser = connection->parser;
	size_t used;

	connection_enter(connection, CONNECTION_BODY);
	if (!parser->request.expects_continue || has_more)
		return true;
	if (http_parse(parser, "", 0, &used) == HTTP_REFUSED)
		return true; /* told again by the next call */
	return connection_write(connection, http_continue, strlen(http_continue));
}

static void keep_early(struct connection *connection, const char *data, size_t n)
{
	if (n == 0)
		return;
	if (connection->early.len + n > CONNECTION_EARLY_BYTES ||
		connection->door->held_bytes > DOOR_HELD_BYTES) {
		door_count(connection->door, COUNT_TOO_EAGER);
		connection_close(connection, true);
		return;
	}
	buf_append(&connection->early, data, n);
}

/* The request is whole: to the core with it. */
static void pass_on(struct connection *connection, const char *rest, size_t n)
{
	struct http_parser *parser = connection->parser;

	connection->is_head = strcmp(parser->request.method, "HEAD") == 0;
	connection->keeps_open = parser->request.keeps_alive;
	if (!core_link_request(connection)) {
		door_count(connection->door, COUNT_NOT_ANSWERED);
		connection_refuse(
			connection, 503, "the controller has too much to do; try again");
		return;
	}
	door_count(connection->door, COUNT_REQUESTS);
	drop_parser(connection);
	buf_done(&connection->body);
	connection_enter(connection, CONNECTION_PARKED);
	if (connection->state == CONNECTION_PARKED)
		keep_early(connection, rest, n);
}

static void refuse_parsed(struct connection *connection)
{
	count_refusal(connection->door, connection->parser->status);
	connection_refuse(connection, connection->parser->status, connection->parser->reason);
}

/* Bytes of a request, which may be its end, and the begin of another. */
static void take_bytes(struct connection *connection, const char *data, size_t n)
{
	struct http_parser *parser = get_parser(connection);

	while (connection->state != CONNECTION_CLOSED) {
		size_t used = 0;
		enum http_event event = http_parse(parser, data, n, &used);

		data += used;
		n -= used;
		switch (event) {
		case HTTP_MORE:
			if (connection->state == CONNECTION_IDLE && http_parser_is_busy(parser))
				connection_enter(connection, CONNECTION_HEAD);
			return;
		case HTTP_HEAD:
			if (!begin_body(connection, n > 0))
				return;
			break;
		case HTTP_DATA:
			buf_append(&connection->body, parser->data, parser->data_len);
			break;
		case HTTP_END:
			pass_on(connection, data, n);
			return;
		case HTTP_REFUSED:
			refuse_parsed(connection);
			return;
		}
	}
}

void connection_answered(struct connection *connection)
{
	struct buf early = connection->early;

	if (!connection->keeps_open) {
		stream_finish(&connection->stream);
		drop_parser(connection);
		buf_done(&connection->body);
		connection_measure(connection);
		connection_enter(connection, CONNECTION_LINGERING);
		return;
	}
	connection_enter(connection, CONNECTION_IDLE);
	connection->early = (struct buf){ 0 };
	if (early.len > 0)
		take_bytes(connection, early.data, early.len);
	buf_done(&early);
	if (connection->state != CONNECTION_CLOSED)
		connection_measure(connection);
}

static void take_in(struct connection *connection, const char *data, size_t n)
{
	switch (connection->state) {
	case CONNECTION_HEAD:
	case CONNECTION_BODY:
	case CONNECTION_IDLE:
		take_bytes(connection, data, n);
		break;
	case CONNECTION_PARKED:
		keep_early(connection, data, n);
		break;
	case CONNECTION_WRITING:
	case CONNECTION_HANDSHAKE:
	case CONNECTION_LINGERING:
	case CONNECTION_CLOSED:
	case N_CONNECTION_STATES:
		break;
	}
}

/* The client will send no more: so it does not want an answer either. */
static void on_end(struct connection *connection, bool is_in_order)
{
	if (connection->state == CONNECTION_PARKED)
		door_count(connection->door, COUNT_LEFT);
	connection_close(connection, is_in_order);
}

static void shake_hands(struct connection *connection)
{
	struct door *door = connection->door;
	int r = 0;

	/* Made for the first byte only: who connects and says nothing costs next to nothing. */
	if (!connection->stream.ssl)
		r = stream_start_tls(&connection->stream, door->tls,
			door->settings.listeners[connection->listener].client_certificate);
	if (r == 0)
		r = stream_handshake(&connection->stream);
	if (r == -EAGAIN || r == -EINTR) {
		watch(connection);
		return;
	}
	if (r < 0) {
		door_count(door, COUNT_TLS_FAILED);
		connection_close(connection, false);
		return;
	}
	door_count(door, COUNT_HANDSHAKES);
	if (stream_is_resumed(&connection->stream))
		door_count(door, COUNT_RESUMED);
	connection_enter(connection, CONNECTION_HEAD);
}

static void read_some(struct connection *connection)
{
	struct door *door = connection->door;

	for (int i = 0; i < READS_A_TURN && connection->state != CONNECTION_CLOSED &&
			connection->state != CONNECTION_WRITING &&
			connection->state != CONNECTION_LINGERING;
		i++) {
		ssize_t n = stream_read(
			&connection->stream, door->scratch, sizeof(door->scratch));

		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n <= 0) {
			on_end(connection, n == 0);
			break;
		}
		take_in(connection, door->scratch, (size_t)n);
		/* Less than a whole record: mostly all there is, and epoll tells of the rest.
		 */
		if (n < STREAM_READ_BYTES)
			break;
	}
	if (connection->state == CONNECTION_CLOSED)
		return;
	connection_measure(connection);
	watch(connection);
}

static void throw_away(struct connection *connection)
{
	struct door *door = connection->door;

	for (int i = 0; i < LINGER_READS; i++) {
		ssize_t n = recv(
			connection->stream.fd, door->scratch, sizeof(door->scratch), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			connection_close(connection, false);
			return;
		}
	}
}

void connection_ready(struct connection *connection, uint32_t events)
{
	if (events & EPOLLOUT && connection->out.len > connection->out_start &&
		!connection_flush(connection))
		return;
	switch (connection->state) {
	case CONNECTION_HANDSHAKE:
		shake_hands(connection);
		break;
	case CONNECTION_WRITING:
		/* Its reader is gone; half a connection closed by it is none of these. */
		if (events & (EPOLLHUP | EPOLLERR))
			connection_close(connection, false);
		break;
	case CONNECTION_LINGERING:
		throw_away(connection);
		break;
	case CONNECTION_HEAD:
	case CONNECTION_BODY:
	case CONNECTION_PARKED:
	case CONNECTION_IDLE:
		read_some(connection);
		break;
	case CONNECTION_CLOSED:
	case N_CONNECTION_STATES:
		break;
	}
}

static void expire_request(struct connection *connection)
{
	door_count(connection->door, COUNT_TOO_SLOW);
	if (connection_is_reading(connection))
		connection_refuse(connection, 408, "the request did not come in time");
	else
		connection_close(connection, true);
}

void connection_expire(struct connection *connection)
{
	struct door *door = connection->door;

	switch (connection->state) {
	case CONNECTION_HEAD:
	case CONNECTION_BODY:
		expire_request(connection);
		break;
	case CONNECTION_PARKED:
		door_count(door, COUNT_NOT_ANSWERED);
		core_link_cancel(connection);
		connection_refuse(connection, 503, "the controller did not answer in time");
		break;
	case CONNECTION_HANDSHAKE:
	case CONNECTION_WRITING:
		door_count(door, COUNT_TOO_SLOW);
		connection_close(connection, false);
		break;
	case CONNECTION_IDLE:
		connection_close(connection, true);
		break;
	case CONNECTION_LINGERING:
		connection_close(connection, false);
		break;
	case CONNECTION_CLOSED:
	case N_CONNECTION_STATES:
		break;
	}
}
