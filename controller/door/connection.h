/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "controller/door/queue.h"
#include "controller/door/tls.h"
#include "controller/http.h"

struct address;
struct door;
struct exchange_answer;

/*
 * One client. Every state has a deadline; whoever breaks a rule, a limit or a deadline loses
 * this connection, and nothing else happens.
 *
 *   HANDSHAKE -> HEAD -> BODY -> PARKED -> WRITING -> IDLE -> HEAD ...
 *                                            `------> LINGERING
 *
 * LINGERING is how a connection ends behind an answer: closed at once with bytes unread, it
 * would be reset, and the answer lost on its way. What still comes is thrown away.
 */
enum connection_state {
	CONNECTION_HANDSHAKE,
	CONNECTION_HEAD, /* of a request is awaited, or under way */
	CONNECTION_BODY,
	CONNECTION_PARKED,  /* the request is with the core */
	CONNECTION_WRITING, /* an answer that the socket did not take at once */
	CONNECTION_IDLE,    /* answered, and open for another request */
	CONNECTION_LINGERING,
	CONNECTION_CLOSED, /* freed at the end of the turn */
	N_CONNECTION_STATES,
};

struct connection {
	struct door *door;
	struct queue_link link; /* in door->queues[state] */
	enum connection_state state;
	struct stream stream;
	uint32_t events; /* that epoll watches */
	uint32_t listener;
	uint64_t id;
	uint64_t request; /* with the core, or 0 */
	struct address *address;
	struct sockaddr_storage *peer; /* until it is announced */
	uint32_t uid;                  /* of a unix socket's peer */
	bool is_unix;
	bool is_announced;
	bool is_head;    /* the request's method */
	bool keeps_open; /* behind the answer */

	struct http_parser *parser; /* of the request that is under way, or NULL */
	struct buf body;
	struct buf early; /* sent while its request was parked */
	struct buf out;   /* of an answer, from out_start */
	size_t out_start;
	size_t held_bytes; /* of these, as door->held_bytes counts them */
};

enum {
	CONNECTION_EARLY_BYTES = 16 * 1024, /* of a further request, while one is parked */
	CONNECTION_LINGER_MS = 2000,
};

/* Takes the accepted socket over. */
void connection_open(struct door *door, int fd, uint32_t listener,
	const struct sockaddr_storage *peer, struct address *address);

/* Something happened on the socket. */
void connection_ready(struct connection *connection, uint32_t events);

/* The deadline of its state has passed. */
void connection_expire(struct connection *connection);

/* The core's answer to its request. */
void connection_answer(struct connection *connection, const struct exchange_answer *answer);

/* Ends it, with its request. is_in_order: TLS says goodbye. */
void connection_close(struct connection *connection, bool is_in_order);

/* A byte of a request has come, and not yet all of it. */
bool connection_is_reading(const struct connection *connection);

/* ---- between connection.c and connection_out.c */

void connection_enter(struct connection *connection, enum connection_state state);

/* Sends the bytes, or keeps what the socket does not take. False if the connection is closed.
 */
bool connection_write(struct connection *connection, const void *data, size_t n);

/* Sends more of what was kept. False if the connection is closed. */
bool connection_flush(struct connection *connection);

/* Answers with an error of the door's own, then closes. */
void connection_refuse(struct connection *connection, int status, const char *reason);

/* The answer has left: on to the next request, or close. */
void connection_answered(struct connection *connection);

/* Whoever changed the buffers says so. */
void connection_measure(struct connection *connection);
