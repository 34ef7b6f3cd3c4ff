/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/header.h"
#include "controller/settings.h"

struct buf;
struct error;

/*
 * What a door and the core say to each other over a channel (base/channel.h). A door owns the
 * connections of clients and knows nothing of the API; the core knows requests and answers, and
 * no socket.
 *
 * Ids are given by the door, never 0 and never used again in its life. A connection is
 * announced before its first request. A request is asked once and ends once: by an answer, or
 * by a cancel if its client left; both may cross, and what comes for an id that has ended is
 * ignored. A connection has one request at a time.
 *
 * Either end takes the other for hostile: what the decoders accept is within the limits here,
 * and text is text (no NUL within, one behind). All pointers of a decoded message are borrowed
 * from the payload, or point into the struct itself, which therefore must not be copied.
 */
enum exchange_message {
	/* To the door. */
	EXCHANGE_SETTINGS = 1, /* first of all, and again when they change */
	EXCHANGE_ANSWER,       /* id: request */
	EXCHANGE_CLOSE,        /* id: connection, ended at once; no payload */
	EXCHANGE_DRAIN,        /* accept no more, end what idles, exit when all is answered */

	/* To the core. */
	EXCHANGE_CONNECTION = 16, /* id: connection */
	EXCHANGE_REQUEST,         /* id: request */
	EXCHANGE_CANCEL,          /* id: request whose client left; no payload */
	EXCHANGE_GONE,            /* id: connection that was announced; no payload */
	EXCHANGE_COUNTS,          /* id: 0; at most once a second, and only if they changed */
};

enum {
	EXCHANGE_PAYLOAD_BYTES = 8 * 1024 * 1024, /* of any message */
	EXCHANGE_QUEUE_BYTES = 32 * 1024 * 1024,  /* struct channel_limits, at both ends */
	EXCHANGE_MAX_HEADERS = 128,               /* of a request or an answer */
	EXCHANGE_TICKET_KEY_BYTES = 80,           /* name 16, HMAC 32, AES-256 32 */
	EXCHANGE_MAX_TICKET_KEYS = 4,
};

struct exchange_listener {
	bool is_tls;
	enum client_certificate client_certificate;
};

/*
 * Everything a door must be told. New connections go by the newest; those that are open keep
 * their TLS session, but the limits and deadlines count for them, too.
 */
struct exchange_settings {
	struct limit_settings limits;
	struct deadline_settings deadlines;
	uint64_t answer_ms; /* the core's: afterwards the door answers 503 and cancels */
	uint64_t drain_ms;  /* from EXCHANGE_DRAIN until the door exits, whatever is open */

	/* In the order in which the door got their sockets. */
	struct exchange_listener listeners[SETTINGS_LIMIT_LISTENERS];
	size_t n_listeners;

	/* PEM; "" if no listener is TLS. ca_pem is who may have issued a client's certificate.
	 */
	const char *certificate_pem; /* the chain, the leaf first */
	const char *key_pem;
	const char *ca_pem;

	/* Of TLS sessions: the first makes new tickets, all are honoured. */
	uint8_t ticket_keys[EXCHANGE_MAX_TICKET_KEYS][EXCHANGE_TICKET_KEY_BYTES];
	size_t n_ticket_keys;
};

struct exchange_connection {
	uint32_t listener; /* index into the settings' list */
	const char *peer;  /* "192.0.2.7:40122", "[2001:db8::7]:40122", "" on a unix socket */
	bool is_unix;
	uint32_t uid; /* of the peer, if is_unix */
	bool is_tls;

	/* The client's certificate, verified when its session began: which may be hours ago and
	 * in another connection. Whether it still counts is the core's to say. */
	bool has_certificate;
	uint8_t certificate_sha256[DIGEST_BYTES];
	int64_t certificate_not_after; /* seconds since 1970 */
	const char *certificate_uri;   /* the first URI among its alternative names, or "" */
};

/* As the parser (http.h) told it: bounded, and strict in every form. */
struct exchange_request {
	uint64_t connection;
	const char *method;
	const char *target;
	const char *path;
	const char *query; /* NULL if there was no '?' */
	const struct header *headers;
	size_t n_headers;
	const char *body; /* followed by a NUL */
	size_t body_bytes;

	struct header storage[EXCHANGE_MAX_HEADERS]; /* of the decoder */
};

struct exchange_answer {
	uint16_t status; /* 200..599 */
	bool closes;     /* the connection, when the answer has left */
	/* Besides Date, Content-Length and Connection, which the door writes. */
	const struct header *headers;
	size_t n_headers;
	const char *body; /* of HEAD, too: the door leaves it out */
	size_t body_bytes;

	struct header storage[EXCHANGE_MAX_HEADERS]; /* of the decoder */
};

/* What a door counts, since its start if not said otherwise. */
enum exchange_count {
	COUNT_OPEN,         /* now: connections */
	COUNT_PARKED,       /* now: of them, waiting for the core's answer */
	COUNT_ACCEPTED,     /* connections */
	COUNT_HANDSHAKES,   /* whole ones */
	COUNT_RESUMED,      /* of them, by ticket */
	COUNT_REQUESTS,     /* passed to the core */
	COUNT_ADDRESS_FULL, /* closed at once: too many connections from there */
	COUNT_DOOR_FULL,    /* times that accepting stopped: no connection or descriptor left */
	COUNT_TLS_FAILED,   /* handshakes */
	COUNT_MALFORMED,    /* requests: 400, 417, 501, 505 */
	COUNT_TOO_LARGE,    /* requests: 413, 414, 431 */
	COUNT_TOO_SLOW,  /* handshakes, heads, bodies, readers of answers beyond their time */
	COUNT_TOO_EAGER, /* sent more than one bounded request while one was parked */
	COUNT_EVICTED,   /* the oldest of unfinished requests, for want of memory */
	COUNT_LEFT,      /* clients that left while their request was parked */
	COUNT_NOT_ANSWERED, /* requests the core did not take, or not answer in time */
	EXCHANGE_N_COUNTS,
};

/* "open", "parked", "accepted", ... */
const char *exchange_count_name(enum exchange_count count);

struct exchange_counts {
	uint64_t values[EXCHANGE_N_COUNTS];
};

/* Append a payload. A caller within the limits that the decoders check never fails. */
void exchange_encode_settings(struct buf *ret, const struct exchange_settings *settings);
void exchange_encode_connection(struct buf *ret, const struct exchange_connection *connection);
void exchange_encode_request(struct buf *ret, const struct exchange_request *request);
void exchange_encode_answer(struct buf *ret, const struct exchange_answer *answer);
void exchange_encode_counts(struct buf *ret, const struct exchange_counts *counts);

/* Return 0, or -EBADMSG with err filled, and *ret undefined then. `payload` is aligned as it
 * comes. */
int exchange_decode_settings(
	struct exchange_settings *ret, const void *payload, size_t n, struct error *err);
int exchange_decode_connection(
	struct exchange_connection *ret, const void *payload, size_t n, struct error *err);
int exchange_decode_request(
	struct exchange_request *ret, const void *payload, size_t n, struct error *err);
int exchange_decode_answer(
	struct exchange_answer *ret, const void *payload, size_t n, struct error *err);
int exchange_decode_counts(
	struct exchange_counts *ret, const void *payload, size_t n, struct error *err);

/* A message of a kind that has no payload. */
int exchange_decode_empty(const void *payload, size_t n, struct error *err);
