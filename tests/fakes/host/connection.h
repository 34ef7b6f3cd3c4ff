/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "reactor.h"

struct answer;
struct endpoint;
struct connection;

/*
 * One HTTP/1.1 connection to the controller, embedded in its owner: one request at a time, kept
 * alive between them.
 * It is connected, and the TLS session negotiated or resumed, when the first request is sent.
 */
enum connection_state {
	CONNECTION_NEW,
	CONNECTION_CONNECTING,
	CONNECTION_SHAKING_HANDS,
	CONNECTION_SENDING,
	CONNECTION_WAITING, /* for an answer */
	CONNECTION_IDLE,
	CONNECTION_FAILED,
};

/* Called from the reactor; each may end the connection. */
struct connection_handler {
	void (*on_answer)(struct connection *connection, const struct answer *answer);
	/* While a request was under way. was_silent: it was sent on a connection used before,
	 * and not a byte of an answer came, as when the server closed it at the same moment. */
	void (*on_failure)(struct connection *connection, const char *why, bool was_silent);
	void (*on_closed)(struct connection *connection); /* while idle */
};

struct connection {
	struct endpoint *endpoint;
	const struct connection_handler *handler;
	SSL_SESSION **session; /* the owner's, newest; read and replaced */
	struct in_addr source; /* 0: any */
	enum connection_state state;
	bool was_used;
	int fd;
	SSL *tls;
	struct reactor_io io;
	struct reactor_timer deadline;
	uint64_t answer_within_us;
	struct buf out; /* the request, whole; sent_bytes of it are gone */
	size_t sent_bytes;
	struct buf in;
};

void connection_init(struct connection *connection, struct endpoint *endpoint,
	const struct connection_handler *handler, struct in_addr source, SSL_SESSION **session);
/* Closes at once. */
void connection_done(struct connection *connection);

/* Sends a request (taken over). Its end is told to the handler, never before this returns. */
void connection_send(struct connection *connection, struct buf *request, uint64_t within_us);

/* Keeps the socket open but never reads or writes it again, as if the machine had lost power.
 */
void connection_silence(struct connection *connection);

/* For the TLS context: keeps a session for the next connection of the same owner. */
int connection_on_session(SSL *tls, SSL_SESSION *session);
