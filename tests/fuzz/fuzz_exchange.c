/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as what a taken door writes to its channel: first the frames, cut where the first
 * byte says, then each payload by the decoder of its type. What a decoder accepts is encoded
 * again, and must be the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "controller/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct channel_limits limits = { 4096, 0, 16384 };

static void expect_same(const struct buf *text, const void *payload, size_t n)
{
	assert(text->len == n);
	assert(n == 0 || memcmp(text->data, payload, n) == 0);
}

static int use_request(const void *payload, size_t n, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_request request;
	int r = exchange_decode_request(&request, payload, n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < request.n_headers; i++)
		assert(strlen(request.headers[i].name) > 0);
	assert(request.body[request.body_bytes] == '\0');
	exchange_encode_request(&text, &request);
	expect_same(&text, payload, n);
	return 0;
}

static int use_connection(const void *payload, size_t n, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_connection connection;
	int r = exchange_decode_connection(&connection, payload, n, err);

	if (r < 0)
		return r;
	exchange_encode_connection(&text, &connection);
	expect_same(&text, payload, n);
	return 0;
}

static int use_answer(const void *payload, size_t n, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_answer answer;
	int r = exchange_decode_answer(&answer, payload, n, err);

	if (r < 0)
		return r;
	assert(answer.status >= 200 && answer.status < 600);
	exchange_encode_answer(&text, &answer);
	expect_same(&text, payload, n);
	return 0;
}

static int use_settings(const void *payload, size_t n, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct exchange_settings settings;
	int r = exchange_decode_settings(&settings, payload, n, err);

	if (r < 0)
		return r;
	exchange_encode_settings(&text, &settings);
	expect_same(&text, payload, n);
	return 0;
}

static int use_counts(const void *payload, size_t n, struct error *err)
{
	struct exchange_counts counts;

	return exchange_decode_counts(&counts, payload, n, err);
}

static int use_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	/* Exactly as large as it is, so that a sanitizer sees the first byte read too far. */
	cleanup_with(freep) char *payload = xmemdup(
		message->payload, message->n ? message->n : 1);

	(void)channel;
	switch ((enum exchange_message)message->type) {
	case EXCHANGE_SETTINGS:
		return use_settings(payload, message->n, err);
	case EXCHANGE_ANSWER:
		return use_answer(payload, message->n, err);
	case EXCHANGE_CONNECTION:
		return use_connection(payload, message->n, err);
	case EXCHANGE_REQUEST:
		return use_request(payload, message->n, err);
	case EXCHANGE_COUNTS:
		return use_counts(payload, message->n, err);
	case EXCHANGE_CLOSE:
	case EXCHANGE_DRAIN:
	case EXCHANGE_CANCEL:
	case EXCHANGE_GONE:
		break;
	}
	return exchange_decode_empty(payload, message->n, err);
}

static void on_closed(struct channel *channel, const struct error *why)
{
	(void)channel;
	assert(why->code == 0 || why->text[0]);
}

static const struct channel_events events = { use_message, on_closed, NULL };

static void use_stream(
	struct channel *channel, int fd, const char *data, size_t n, size_t piece)
{
	for (size_t done = 0; done < n && channel->is_running; done += piece) {
		if (piece > n - done)
			piece = n - done;
		if (write(fd, data + done, piece) != (ssize_t)piece)
			abort();
		channel->io.on_ready(&channel->io, EPOLLIN);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_with(loop_freep) struct loop *loop = NULL;
	struct channel channel = { 0 };
	int fds[2];

	if (n < 2 || n > 8192)
		return 0;
	if (loop_new(&loop, NULL) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
		channel_start(&channel, loop, fds[0], &limits, &events, NULL) < 0)
		abort();
	use_stream(&channel, fds[1], (const char *)data + 1, n - 1, data[0] * 8 + 1);
	channel_stop(&channel);
	(void)close(fds[1]);
	return 0;
}
