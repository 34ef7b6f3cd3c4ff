/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/parent.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/core.h"

/* The parent is ours, but a bound costs nothing. */
static const struct channel_limits limits = {
	.payload_bytes = SERVICE_LIMIT_BYTES,
	.n_fds = 1,
	.queue_bytes = 64 * (SERVICE_LIMIT_BYTES + CHANNEL_HEADER_BYTES),
};

static void stop_once(struct parent *parent)
{
	if (parent->stops)
		return;
	parent->stops = true;
	parent->events->on_stop(parent);
}

static int on_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct parent *parent = container_of(channel, struct parent, channel);

	switch (message->type) {
	case SERVICE_DOOR:
	case SERVICE_LOCAL_DOOR:
		if (message->n_fds != 1)
			return error_set(err, -EBADMSG, "a door came without its channel");
		parent->events->on_door(
			parent, take_fd(&message->fds[0]), message->type == SERVICE_LOCAL_DOOR);
		return 0;
	case SERVICE_RELOAD:
		parent->reload_id = message->id;
		parent->events->on_reload(parent);
		return 0;
	case SERVICE_PING:
		/* The queue is full only if the parent does not read: then it waits for
		 * nothing either. */
		(void)channel_send(channel, SERVICE_PONG, message->id, NULL, 0, NULL, 0);
		return 0;
	case SERVICE_STOP:
		stop_once(parent);
		return 0;
	default:
		return error_set(
			err, -EBADMSG, "message of unknown type %" PRIu32, message->type);
	}
}

static void on_closed(struct channel *channel, const struct error *why)
{
	(void)why;
	stop_once(container_of(channel, struct parent, channel));
}

int parent_start(struct parent *parent, struct loop *loop, int fd,
	const struct parent_events *events, struct error *err)
{
	static const struct channel_events channel_events = {
		.on_message = on_message,
		.on_closed = on_closed,
	};

	*parent = (struct parent){ .events = events };
	return channel_start(&parent->channel, loop, fd, &limits, &channel_events, err);
}

void parent_stop(struct parent *parent)
{
	/* The last words: nobody turns the loop for them any more. */
	if (parent->channel.is_running)
		(void)channel_flush(&parent->channel);
	channel_stop(&parent->channel);
}

static void tell(
	struct parent *parent, enum service_message type, uint64_t id, const char *text)
{
	size_t n = strnlen(text, SERVICE_LIMIT_BYTES);

	(void)channel_send(&parent->channel, type, id, text, n, NULL, 0);
}

void parent_tell_ready(struct parent *parent)
{
	tell(parent, SERVICE_READY, 0, "");
}

void parent_tell_status(struct parent *parent, const char *text)
{
	tell(parent, SERVICE_STATUS, 0, text);
}

void parent_tell_reloaded(struct parent *parent, const char *complaint)
{
	tell(parent, SERVICE_RELOADED, parent->reload_id, complaint);
}
