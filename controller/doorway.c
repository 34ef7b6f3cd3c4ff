/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/doorway.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/desk.h"
#include "controller/request.h"

static const struct channel_limits limits = {
	.payload_bytes = EXCHANGE_PAYLOAD_BYTES,
	.queue_bytes = EXCHANGE_QUEUE_BYTES,
};

static struct connection *find_connection(const struct doorway *doorway, uint64_t id)
{
	struct id_entry *entry = id_table_find(&doorway->connections, id);

	return entry ? container_of(entry, struct connection, entry) : NULL;
}

static struct request *find_request(const struct doorway *doorway, uint64_t id)
{
	struct id_entry *entry = id_table_find(&doorway->requests, id);

	return entry ? container_of(entry, struct request, entry) : NULL;
}

/* The request is the door's no more. */
static void detach(struct doorway *doorway, struct request *request)
{
	id_table_remove(&doorway->requests, &request->entry);
	request->connection->request = NULL;
}

static void drop_request(struct doorway *doorway, struct request *request)
{
	detach(doorway, request);
	request_leave(request);
}

static void drop_connection(struct doorway *doorway, struct connection *connection)
{
	if (connection->request)
		drop_request(doorway, connection->request);
	id_table_remove(&doorway->connections, &connection->entry);
	free((char *)connection->info.peer);
	free((char *)connection->info.certificate_uri);
	free(connection);
}

static void drop_entry(void *context, struct id_entry *entry)
{
	drop_connection(context, container_of(entry, struct connection, entry));
}

/* Each request is in a connection, so that none is left behind. */
static void drop_all(struct doorway *doorway)
{
	id_table_each(&doorway->connections, drop_entry, doorway);
	id_table_done(&doorway->connections);
	id_table_done(&doorway->requests);
}

static void give_up(struct doorway *doorway, const struct error *why)
{
	if (why->code < 0)
		log_warning("a door is given up: %s", why->text);
	loop_later_stop(&doorway->failing);
	channel_stop(&doorway->channel);
	drop_all(doorway);
	doorway->on_gone(doorway);
}

/* Not at once: somebody further up may be going through our tables. */
static void on_failed(struct loop_later *later)
{
	struct doorway *doorway = container_of(later, struct doorway, failing);

	give_up(doorway, &doorway->failure);
}

static void on_closed(struct channel *channel, const struct error *why)
{
	give_up(container_of(channel, struct doorway, channel), why);
}

static void on_drained(struct channel *channel)
{
	channel_resume(channel);
}

static int on_connection(
	struct doorway *doorway, const struct channel_message *message, struct error *err)
{
	struct exchange_connection info;
	struct connection *connection;
	int r;

	r = exchange_decode_connection(&info, message->payload, message->n, err);
	if (r < 0)
		return r;
	if (message->id == 0 || find_connection(doorway, message->id))
		return error_set(
			err, -EPROTO, "connection %" PRIu64 " is announced twice", message->id);
	if (info.listener >= doorway->n_listeners)
		return error_set(err, -EPROTO, "connection %" PRIu64 " is of listener %u",
			message->id, info.listener);
	if (doorway->connections.n >= doorway->max_connections)
		return error_set(err, -EPROTO, "more than %zu connections are announced",
			doorway->max_connections);
	connection = xcalloc(1, sizeof(*connection));
	connection->info = info;
	connection->info.peer = xstrdup(info.peer);
	connection->info.certificate_uri = xstrdup(info.certificate_uri);
	id_table_add(&doorway->connections, &connection->entry, message->id);
	return 0;
}

static int on_request(
	struct doorway *doorway, const struct channel_message *message, struct error *err)
{
	struct desk *desk = doorway->desk;
	struct exchange_request http;
	struct connection *connection;
	struct request *request;
	int r;

	r = exchange_decode_request(&http, message->payload, message->n, err);
	if (r < 0)
		return r;
	if (message->id == 0 || find_request(doorway, message->id))
		return error_set(
			err, -EPROTO, "request %" PRIu64 " is made twice", message->id);
	connection = find_connection(doorway, http.connection);
	if (!connection)
		return error_set(err, -EPROTO, "a request is of unknown connection %" PRIu64,
			http.connection);
	if (connection->request)
		return error_set(err, -EPROTO,
			"connection %" PRIu64 " has two requests at a time", http.connection);
	request = xcalloc(1, sizeof(*request));
	request->desk = desk;
	request->doorway = doorway;
	request->connection = connection;
	connection->request = request;
	id_table_add(&doorway->requests, &request->entry, message->id);
	request_begin(request, &http);
	turn_check(&desk->turn);
	return 0;
}

static int on_cancel(
	struct doorway *doorway, const struct channel_message *message, struct error *err)
{
	struct request *request = find_request(doorway, message->id);
	int r = exchange_decode_empty(message->payload, message->n, err);

	/* One that is unknown has been answered: the two have crossed. */
	if (r == 0 && request)
		drop_request(doorway, request);
	return r;
}

static int on_connection_gone(
	struct doorway *doorway, const struct channel_message *message, struct error *err)
{
	struct connection *connection = find_connection(doorway, message->id);
	int r = exchange_decode_empty(message->payload, message->n, err);

	if (r < 0)
		return r;
	if (!connection)
		return error_set(err, -EPROTO, "connection %" PRIu64 " that ends is unknown",
			message->id);
	drop_connection(doorway, connection);
	return 0;
}

static int on_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct doorway *doorway = container_of(channel, struct doorway, channel);

	switch (message->type) {
	case EXCHANGE_CONNECTION:
		return on_connection(doorway, message, err);
	case EXCHANGE_REQUEST:
		return on_request(doorway, message, err);
	case EXCHANGE_CANCEL:
		return on_cancel(doorway, message, err);
	case EXCHANGE_GONE:
		return on_connection_gone(doorway, message, err);
	case EXCHANGE_COUNTS:
		return exchange_decode_counts(
			&doorway->counts, message->payload, message->n, err);
	default:
		return error_set(
			err, -EPROTO, "doors send no message of type %u", message->type);
	}
}

static const struct channel_events events = {
	.on_message = on_message,
	.on_closed = on_closed,
	.on_drained = on_drained,
};

int doorway_new(struct doorway **ret, struct desk *desk, struct loop *loop, int fd,
	bool is_local, void (*on_gone)(struct doorway *doorway), struct error *err)
{
	struct doorway *doorway = xcalloc(1, sizeof(*doorway));
	int r;

	doorway->desk = desk;
	doorway->loop = loop;
	doorway->is_local = is_local;
	doorway->on_gone = on_gone;
	r = channel_start(&doorway->channel, loop, fd, &limits, &events, err);
	if (r < 0) {
		free(doorway);
		return r;
	}
	*ret = doorway;
	return 0;
}

void doorway_free(struct doorway *doorway)
{
	if (!doorway)
		return;
	loop_later_stop(&doorway->failing);
	channel_stop(&doorway->channel);
	drop_all(doorway);
	free(doorway);
}

int doorway_set(struct doorway *doorway, const struct exchange_settings *settings,
	const struct buf *payload, struct error *err)
{
	int r = channel_send(
		&doorway->channel, EXCHANGE_SETTINGS, 0, payload->data, payload->len, NULL, 0);

	if (r < 0)
		return error_set(err, r, "cannot tell a door its settings: %m");
	doorway->n_listeners = settings->n_listeners;
	/* Those that are open stay when the limit is lowered. */
	if (settings->limits.connections > doorway->max_connections)
		doorway->max_connections = settings->limits.connections;
	return 0;
}

static void release_entry(void *context, struct id_entry *entry)
{
	(void)context;
	request_release(container_of(entry, struct request, entry));
}

void doorway_release(struct doorway *doorway)
{
	id_table_each(&doorway->requests, release_entry, NULL);
}

void doorway_drain(struct doorway *doorway)
{
	(void)channel_send(&doorway->channel, EXCHANGE_DRAIN, 0, NULL, 0, NULL, 0);
}

void doorway_answer(
	struct doorway *doorway, struct request *request, const struct exchange_answer *answer)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	struct error err = ERROR_NONE;
	int r;

	detach(doorway, request);
	exchange_encode_answer(&payload, answer);
	r = channel_send(&doorway->channel, EXCHANGE_ANSWER, request->entry.id, payload.data,
		payload.len, NULL, 0);
	if (r < 0) {
		error_set(&doorway->failure, r, "it does not take its answers: %m");
		if (loop_later_start(doorway->loop, &doorway->failing, on_failed, &err) < 0)
			log_error("%s", err.text);
	} else if (channel_is_full(&doorway->channel)) {
		/* It shall read what it was told before it asks more. */
		channel_pause(&doorway->channel);
	}
}
