/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/door/door.h"

static const struct channel_limits limits = {
	.payload_bytes = EXCHANGE_PAYLOAD_BYTES,
	.n_fds = 0,
	.queue_bytes = EXCHANGE_QUEUE_BYTES,
};

/* The texts are used here and now; keys are not left lying about. */
static int take_settings(
	struct door *door, const struct channel_message *message, struct error *err)
{
	struct exchange_settings settings;
	cleanup_with(tls_freep) struct tls *tls = NULL;
	int r = exchange_decode_settings(&settings, message->payload, message->n, err);

	if (r == 0 && settings.n_listeners != door->n_listeners && !door->is_draining)
		r = error_set(err, -EINVAL, "settings for %zu listeners came, there are %zu",
			settings.n_listeners, door->n_listeners);
	if (r == 0)
		r = tls_new(&tls, &settings, err);
	OPENSSL_cleanse((void *)message->payload, message->n);
	OPENSSL_cleanse(settings.ticket_keys, sizeof(settings.ticket_keys));
	if (r < 0)
		return r;
	settings.certificate_pem = settings.key_pem = settings.ca_pem = NULL;
	tls_free(door->tls);
	door->tls = take(&tls);
	door->settings = settings;
	door->has_settings = true;
	listeners_update(door);
	return 0;
}

/* The core has checked them; if they are wrong all the same, the old ones still serve. */
static int on_settings(
	struct door *door, const struct channel_message *message, struct error *err)
{
	int r = take_settings(door, message, err);

	if (r == 0 || !door->has_settings)
		return r;
	log_error("new settings are not used: %s", err->text);
	*err = ERROR_NONE;
	return 0;
}

static int on_answer(
	struct door *door, const struct channel_message *message, struct error *err)
{
	struct connection *connection = door_find(door, message->id);
	struct exchange_answer answer;
	int r = exchange_decode_answer(&answer, message->payload, message->n, err);

	if (r < 0)
		return r;
	/* Its client left, or it was answered for the core: both messages crossed. */
	if (connection && connection->request == message->id)
		connection_answer(connection, &answer);
	return 0;
}

static void on_close(struct door *door, uint64_t id)
{
	struct connection *connection = door_find(door, id);

	if (!connection || connection->id != id)
		return;
	connection->is_announced = false; /* the core forgot it already */
	connection->request = 0;
	connection_close(connection, true);
}

static int on_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct door *door = container_of(channel, struct door, channel);

	switch ((enum exchange_message)message->type) {
	case EXCHANGE_SETTINGS:
		return on_settings(door, message, err);
	case EXCHANGE_ANSWER:
		return on_answer(door, message, err);
	case EXCHANGE_CLOSE:
		on_close(door, message->id);
		return exchange_decode_empty(message->payload, message->n, err);
	case EXCHANGE_DRAIN:
		door_drain(door);
		return exchange_decode_empty(message->payload, message->n, err);
	case EXCHANGE_CONNECTION:
	case EXCHANGE_REQUEST:
	case EXCHANGE_CANCEL:
	case EXCHANGE_GONE:
	case EXCHANGE_COUNTS:
		break;
	}
	return error_set(
		err, -EBADMSG, "a message of type %u is none for a door", message->type);
}

/* Without a core nobody answers. While draining, what is answered already still leaves. */
static void on_closed(struct channel *channel, const struct error *why)
{
	struct door *door = container_of(channel, struct door, channel);

	if (why->code < 0)
		log_error("the core's channel failed: %s", why->text);
	if (door->is_draining && why->code == 0) {
		door_close_parked(door);
		return;
	}
	door->is_done = true;
	door->status = why->code < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static const struct channel_events events = { on_message, on_closed, NULL };

int core_link_start(struct door *door, int fd, struct error *err)
{
	return channel_start(&door->channel, door->loop, fd, &limits, &events, err);
}

static void format_peer(const struct sockaddr_storage *peer, char *ret, size_t size)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	char text[INET6_ADDRSTRLEN] = "?";

	if (peer->ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
		(void)snprintf(ret, size, "%s:%u", text, ntohs(v4->sin_port));
	} else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		(void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof(text));
		(void)snprintf(ret, size, "%s:%u", text, ntohs(v6->sin6_port));
	} else {
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		(void)snprintf(ret, size, "[%s]:%u", text, ntohs(v6->sin6_port));
	}
}

static bool announce(struct connection *connection)
{
	struct door *door = connection->door;
	struct stream_certificate certificate = { 0 };
	char peer[INET6_ADDRSTRLEN + 16] = "";
	struct exchange_connection message = {
		.listener = connection->listener,
		.peer = peer,
		.is_unix = connection->is_unix,
		.uid = connection->uid,
		.is_tls = connection->stream.ssl,
		.has_certificate = stream_get_certificate(&connection->stream, &certificate),
		.certificate_not_after = certificate.not_after,
		.certificate_uri = certificate.uri,
	};

	if (connection->peer)
		format_peer(connection->peer, peer, sizeof(peer));
	memcpy(message.certificate_sha256, certificate.sha256, DIGEST_BYTES);
	buf_clear(&door->text);
	exchange_encode_connection(&door->text, &message);
	if (channel_send(&door->channel, EXCHANGE_CONNECTION, connection->id, door->text.data,
		    door->text.len, NULL, 0) < 0)
		return false;
	connection->is_announced = true;
	free(connection->peer);
	connection->peer = NULL;
	return true;
}

bool core_link_request(struct connection *connection)
{
	struct door *door = connection->door;
	const struct http_request *parsed = &connection->parser->request;
	struct exchange_request message; /* 2 KiB of it are the decoder's */
	uint64_t id = door_next_id(door, connection);

	if (!connection->is_announced && !announce(connection))
		return false;
	message.connection = connection->id;
	message.method = parsed->method;
	message.target = parsed->target;
	message.path = parsed->path;
	message.query = parsed->query;
	message.headers = parsed->headers;
	message.n_headers = parsed->n_headers;
	message.body = connection->body.data ? connection->body.data : "";
	message.body_bytes = connection->body.len;
	buf_clear(&door->text);
	exchange_encode_request(&door->text, &message);
	if (door->channel.queued_bytes + door->text.len >
		EXCHANGE_QUEUE_BYTES - DOOR_SPARE_QUEUE_BYTES)
		return false;
	if (channel_send(&door->channel, EXCHANGE_REQUEST, id, door->text.data, door->text.len,
		    NULL, 0) < 0)
		return false;
	connection->request = id;
	return true;
}

/* These have no place to wait in: without room the channel is beyond help. */
static void tell(struct door *door, enum exchange_message type, uint64_t id)
{
	if (channel_send(&door->channel, type, id, NULL, 0, NULL, 0) == -ENOBUFS) {
		log_error("the core does not read what its door says");
		door->is_done = true;
		door->status = EXIT_FAILURE;
	}
}

void core_link_cancel(struct connection *connection)
{
	tell(connection->door, EXCHANGE_CANCEL, connection->request);
	connection->request = 0;
}

void core_link_gone(struct connection *connection)
{
	tell(connection->door, EXCHANGE_GONE, connection->id);
	connection->is_announced = false;
}

void core_link_counts(struct door *door)
{
	if (door->now_ms - door->counts_told_ms < DOOR_COUNTS_MS ||
		memcmp(&door->counts, &door->counts_told, sizeof(door->counts)) == 0)
		return;
	buf_clear(&door->text);
	exchange_encode_counts(&door->text, &door->counts);
	/* If there is no room now, there is in a second. */
	(void)channel_send(
		&door->channel, EXCHANGE_COUNTS, 0, door->text.data, door->text.len, NULL, 0);
	door->counts_told = door->counts;
	door->counts_told_ms = door->now_ms;
}
