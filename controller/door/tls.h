/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "controller/settings.h"

struct error;
struct exchange_settings;
struct ssl_ctx_st;
struct ssl_st;

/*
 * OpenSSL as a server: TLS 1.2 and 1.3, sessions resumed by tickets and nothing kept for them.
 * Every connection holds on to the context it began with, so a context may be replaced at any
 * time.
 */
struct tls {
	struct ssl_ctx_st *contexts[2]; /* by enum client_certificate */
};

/* Everything OpenSSL reads, opens or fetches once: before the process gives up files. */
int tls_prepare(struct error *err);

/* From the settings' PEM texts. *ret is written on success only. */
int tls_new(struct tls **ret, const struct exchange_settings *settings, struct error *err);
void tls_free(struct tls *tls);
void tls_freep(struct tls **tls);

/* The bytes of one connection, through TLS or not. */
struct stream {
	int fd;
	struct ssl_st *ssl; /* NULL: plain */
	bool wants_write;   /* what returned -EAGAIN waits for that */
	bool has_ended;
	size_t budget; /* bytes that TLS may still read in this call */
};

/* Once, before all others. */
int stream_prepare(void);

/* Begins TLS on the accepted socket. The stream must stay where it is. */
int stream_start_tls(
	struct stream *stream, const struct tls *tls, enum client_certificate certificate);

/* Returns 1 when done, -EAGAIN, or another negative errno: it failed. */
int stream_handshake(struct stream *stream);
bool stream_is_resumed(const struct stream *stream);

/*
 * Returns bytes, 0 if the other end will send no more, -EAGAIN, or another negative errno.
 * `size` is STREAM_READ_BYTES or more, so that nothing is left in TLS that epoll does not see.
 */
enum { STREAM_READ_BYTES = 16 * 1024 };
ssize_t stream_read(struct stream *stream, void *data, size_t size);

/* Returns bytes, which may be fewer, -EAGAIN, or another negative errno. */
ssize_t stream_write(struct stream *stream, const void *data, size_t n);

/* Says that nothing follows, ends TLS and frees it; the socket can still be read and thrown
 * away. */
void stream_finish(struct stream *stream);

/* Closes it. is_in_order: TLS says goodbye, which lets clients resume. */
void stream_close(struct stream *stream, bool is_in_order);

struct stream_certificate {
	uint8_t sha256[DIGEST_BYTES];
	int64_t not_after;
	char uri[256]; /* "" if there is none, or none that short */
};

/* The client's certificate. False if it has none. */
bool stream_get_certificate(const struct stream *stream, struct stream_certificate *ret);
