/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenSSL keeps errors in a queue of the thread: whoever asks SSL_get_error() with an old one
 * in it is told of somebody else's failure. So every call is preceded by ERR_clear_error().
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "controller/door/tls.h"

/*
 * Records that carry nothing for us, such as updates of keys, OpenSSL handles within one call
 * for as long as there are more; a client that sends them as fast as it can would keep us
 * there. So the bytes of one call are counted, and behind the last the socket is said to be
 * empty: epoll knows better, and comes back to it in its turn.
 */
enum { BUDGET_BYTES = 32 * 1024 };

static BIO_METHOD *method;

static int read_socket(BIO *bio, char *data, int size)
{
	struct stream *stream = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (stream->budget == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if ((size_t)size > stream->budget)
		size = (int)stream->budget;
	n = recv(stream->fd, data, (size_t)size, 0);
	if (n > 0)
		stream->budget -= (size_t)n;
	else if (n == 0)
		stream->has_ended = true;
	else if (errno == EAGAIN || errno == EINTR)
		BIO_set_retry_read(bio);
	return (int)n;
}

static int write_socket(BIO *bio, const char *data, int size)
{
	struct stream *stream = BIO_get_data(bio);
	ssize_t n = send(stream->fd, data, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long control_socket(BIO *bio, int command, long number, void *pointer)
{
	struct stream *stream = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_EOF)
		return stream->has_ended;
	return command == BIO_CTRL_FLUSH; /* nothing is kept back */
}

int stream_prepare(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
	if (!method || BIO_meth_set_read(method, read_socket) != 1 ||
		BIO_meth_set_write(method, write_socket) != 1 ||
		BIO_meth_set_ctrl(method, control_socket) != 1)
		return -ENOMEM;
	return 0;
}

int stream_start_tls(
	struct stream *stream, const struct tls *tls, enum client_certificate certificate)
{
	BIO *bio = NULL;

	ERR_clear_error();
	if (tls->contexts[certificate])
		stream->ssl = SSL_new(tls->contexts[certificate]);
	if (stream->ssl)
		bio = BIO_new(method);
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	SSL_set_bio(stream->ssl, bio, bio);
	SSL_set_accept_state(stream->ssl);
	return 0;
}

/* What a failed call of OpenSSL means: 0 at the end, -EAGAIN, -EPROTO or the socket's errno. */
static int result_of(struct stream *stream, int r)
{
	int saved = errno;

	switch (SSL_get_error(stream->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		stream->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved ? -saved : -ECONNRESET;
	default:
		return -EPROTO;
	}
}

int stream_handshake(struct stream *stream)
{
	int r;

	stream->wants_write = false;
	stream->budget = BUDGET_BYTES;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(stream->ssl);
	if (r == 1)
		return 1;
	r = result_of(stream, r);
	return r == 0 ? -ECONNRESET : r;
}

bool stream_is_resumed(const struct stream *stream)
{
	return SSL_session_reused(stream->ssl);
}

ssize_t stream_read(struct stream *stream, void *data, size_t size)
{
	ssize_t n;

	assert(size >= STREAM_READ_BYTES);
	stream->wants_write = false;
	if (!stream->ssl) {
		n = recv(stream->fd, data, size, 0);
		return n < 0 ? -errno : n;
	}
	stream->budget = BUDGET_BYTES;
	ERR_clear_error();
	errno = 0;
	n = SSL_read(stream->ssl, data, (int)size);
	return n > 0 ? n : result_of(stream, (int)n);
}

ssize_t stream_write(struct stream *stream, const void *data, size_t n)
{
	int r;

	if (!stream->ssl) {
		ssize_t sent = send(stream->fd, data, n, MSG_NOSIGNAL);

		return sent < 0 ? -errno : sent;
	}
	ERR_clear_error();
	errno = 0;
	r = SSL_write(stream->ssl, data, (int)(n < INT32_MAX ? n : INT32_MAX));
	if (r > 0)
		return r;
	r = result_of(stream, r);
	return r == 0 ? -EPIPE : r;
}

static void end_tls(struct stream *stream, bool is_in_order)
{
	if (!stream->ssl)
		return;
	ERR_clear_error();
	if (is_in_order && SSL_is_init_finished(stream->ssl))
		(void)SSL_shutdown(stream->ssl); /* as far as the socket takes it */
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	stream->wants_write = false;
}

void stream_finish(struct stream *stream)
{
	end_tls(stream, true);
	(void)shutdown(stream->fd, SHUT_WR); /* a client that is gone already is fine */
}

void stream_close(struct stream *stream, bool is_in_order)
{
	end_tls(stream, is_in_order);
	(void)close(stream->fd);
	stream->fd = -1;
}

static void copy_uri(X509 *certificate, struct stream_certificate *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	ret->uri[0] = '\0';
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const char *text;
		size_t n;

		if (name->type != GEN_URI)
			continue;
		text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
		n = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		/* A NUL would make another name of it. */
		if (n < sizeof(ret->uri) && !memchr(text, '\0', n)) {
			memcpy(ret->uri, text, n);
			ret->uri[n] = '\0';
		}
		break;
	}
	GENERAL_NAMES_free(names);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return 0; /* long past */
	return (int64_t)timegm(&tm);
}

bool stream_get_certificate(const struct stream *stream, struct stream_certificate *ret)
{
	X509 *certificate = stream->ssl ? SSL_get1_peer_certificate(stream->ssl) : NULL;
	unsigned n = 0;

	if (!certificate)
		return false;
	if (X509_digest(certificate, EVP_sha256(), ret->sha256, &n) != 1 || n != DIGEST_BYTES) {
		X509_free(certificate);
		return false;
	}
	ret->not_after = seconds_of(X509_get0_notAfter(certificate));
	copy_uri(certificate, ret);
	X509_free(certificate);
	return true;
}
