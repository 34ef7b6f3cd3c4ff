/* SPDX-License-Identifier: Apache-2.0 */
#include "base/channel.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum {
	CHUNK_BYTES = 64 * 1024,
	READ_BYTES = 64 * 1024,
};

/*
 * A part of the queue, sent by as many sendmsg() as it takes. A message with descriptors has
 * one for itself: the kernel ends a read behind the bytes that descriptors came with, so the
 * receiver finds them with the last message it has read of.
 */
struct channel_chunk {
	struct channel_chunk *next;
	int fds[CHANNEL_MAX_FDS];
	size_t n_fds;
	bool is_alone;
	size_t start; /* of what is left */
	size_t end;
	size_t cap;
	char data[];
};

/* Held by the function that hands messages over, so that it notices a stop within. */
struct channel_delivery {
	bool is_stopped;
	char *in; /* what the message in hand is borrowed from */
};

struct frame {
	uint32_t n;
	uint32_t type;
	uint64_t id;
};

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		closep(&fds[i]);
}

static void free_chunk(struct channel_chunk *chunk)
{
	close_all(chunk->fds, chunk->n_fds);
	free(chunk);
}

static void drop_queue(struct channel *channel)
{
	struct channel_chunk *next;

	for (struct channel_chunk *chunk = channel->first; chunk; chunk = next) {
		next = chunk->next;
		free_chunk(chunk);
	}
	channel->first = NULL;
	channel->last = NULL;
	channel->queued_bytes = 0;
}

static void drop_fds(struct channel *channel)
{
	for (size_t i = 0; i < ARRAY_SIZE(channel->in_fds); i++) {
		close_all(channel->in_fds[i].fds, channel->in_fds[i].n);
		channel->in_fds[i].n = 0;
	}
}

void channel_stop(struct channel *channel)
{
	if (!channel->is_running)
		return;
	channel->is_running = false;
	loop_io_stop(&channel->io);
	loop_later_stop(&channel->later);
	closep(&channel->fd);
	channel->fd = -1;
	drop_fds(channel);
	drop_queue(channel);
	if (channel->delivery) {
		channel->delivery->is_stopped = true;
		channel->delivery->in = channel->in;
		channel->delivery = NULL;
	} else {
		free(channel->in);
	}
	channel->in = NULL;
	channel->in_start = channel->in_end = channel->in_cap = 0;
}

static void close_with(struct channel *channel, const struct error *why)
{
	struct error kept = *why;

	channel_stop(channel);
	channel->events->on_closed(channel, &kept);
}

static void do_later(struct loop_later *later);

/* Tells of a failure that was met where the owner does not expect a callback. */
static void put_off(struct channel *channel, const struct error *why)
{
	if (channel->failure.code < 0)
		return;
	channel->failure = *why;
	(void)loop_later_start(channel->loop, &channel->later, do_later, NULL);
}

static void watch(struct channel *channel)
{
	uint32_t events = (channel->is_paused ? 0 : EPOLLIN) | (channel->first ? EPOLLOUT : 0);
	struct error err = ERROR_NONE;

	/* EPOLLHUP cannot be masked: without anything to do there must be no watch at all. */
	if (events == 0)
		loop_io_stop(&channel->io);
	else if (channel->io.source ? loop_io_watch(&channel->io, events, &err) < 0
				    : loop_io_start(channel->loop, &channel->io, channel->fd,
					      events, channel->io.on_ready, &err) < 0)
		put_off(channel, &err);
}

static struct frame parse_header(const char *data)
{
	struct frame frame;

	memcpy(&frame.n, data, 4);
	memcpy(&frame.type, data + 4, 4);
	memcpy(&frame.id, data + 8, 8);
	return (struct frame){ le32toh(frame.n), le32toh(frame.type), le64toh(frame.id) };
}

static void format_header(char *ret, const struct frame *frame)
{
	uint32_t n = htole32(frame->n);
	uint32_t type = htole32(frame->type);
	uint64_t id = htole64(frame->id);

	memcpy(ret, &n, 4);
	memcpy(ret + 4, &type, 4);
	memcpy(ret + 8, &id, 8);
}

/* The message at the start of what was read: 1 if it is whole, 0 if not yet. */
static int next_frame(struct channel *channel, struct frame *ret, struct error *err)
{
	size_t n = channel->in_end - channel->in_start;

	if (n < CHANNEL_HEADER_BYTES)
		return 0;
	*ret = parse_header(channel->in + channel->in_start);
	if (ret->n > channel->limits.payload_bytes)
		return error_set(err, -EMSGSIZE,
			"a message of type %u announces %u bytes, the limit is %zu", ret->type,
			ret->n, channel->limits.payload_bytes);
	return n - CHANNEL_HEADER_BYTES >= ret->n;
}

/* Those that came with bytes of the message that ends before in_start. */
static int give_fds(struct channel *channel, struct channel_message *message, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(channel->in_fds); i++) {
		struct channel_fds *fds = &channel->in_fds[i];

		if (fds->n == 0 || fds->at >= channel->in_start)
			continue;
		if (message->n_fds > 0)
			return error_set(err, -EPROTO,
				"descriptors came with the inner bytes of a message");
		memcpy(message->fds, fds->fds, fds->n * sizeof(int));
		message->n_fds = fds->n;
		fds->n = 0;
	}
	return 0;
}

/* Hands one message over. Returns what the owner said; nothing of the channel may be touched if
 * delivery->is_stopped. */
static int hand_over(struct channel *channel, const struct frame *frame,
	struct channel_delivery *delivery, struct error *err)
{
	char *payload = channel->in + channel->in_start + CHANNEL_HEADER_BYTES;
	struct channel_message message = {
		.type = frame->type, .id = frame->id, .payload = payload, .n = frame->n
	};
	char covered = payload[frame->n]; /* there is a spare byte behind the last */
	int r;

	channel->in_start += CHANNEL_HEADER_BYTES + frame->n;
	r = give_fds(channel, &message, err);
	if (r == 0) {
		payload[frame->n] = '\0';
		r = channel->events->on_message(channel, &message, err);
		payload[frame->n] = covered;
	}
	close_all(message.fds, message.n_fds);
	return r;
}

/* All whole messages that were read. False if the channel is stopped, whoever did it. */
static bool deliver(struct channel *channel)
{
	struct channel_delivery delivery = { 0 };
	struct error err = ERROR_NONE;
	struct frame frame = { 0 };
	int r = 0;

	/* cppcheck-suppress autoVariables ; taken back before the end */
	channel->delivery = &delivery;
	while (!delivery.is_stopped && !channel->is_paused && r >= 0) {
		r = next_frame(channel, &frame, &err);
		if (r <= 0)
			break;
		r = hand_over(channel, &frame, &delivery, &err);
	}
	if (delivery.is_stopped) {
		free(delivery.in);
		return false;
	}
	channel->delivery = NULL;
	if (r < 0) {
		if (err.code == 0)
			(void)error_set(&err, r, "message of type %u: %m", frame.type);
		close_with(channel, &err);
		return false;
	}
	return true;
}

/* Room for READ_BYTES, or for all of the message under way, and the spare byte. */
static void make_room(struct channel *channel)
{
	size_t have = channel->in_end - channel->in_start;
	size_t wanted = READ_BYTES;

	if (have >= CHANNEL_HEADER_BYTES) {
		size_t whole = CHANNEL_HEADER_BYTES +
			       parse_header(channel->in + channel->in_start).n;

		if (whole > wanted) /* within the limit: next_frame() was asked before */
			wanted = whole;
	}
	if (channel->in_start > 0) {
		memmove(channel->in, channel->in + channel->in_start, have);
		for (size_t i = 0; i < ARRAY_SIZE(channel->in_fds); i++)
			channel->in_fds[i].at -= channel->in_start;
		channel->in_start = 0;
		channel->in_end = have;
	}
	/* A long message's memory is given back behind it. */
	if (channel->in_cap < wanted + 1 || (channel->in_cap > wanted + 1 && have <= wanted)) {
		channel->in = xreallocarray(channel->in, wanted + 1, 1);
		channel->in_cap = wanted + 1;
	}
}

static int take_fds(
	struct channel *channel, const struct cmsghdr *control, size_t read, struct error *err)
{
	struct channel_fds *ret = &channel->in_fds[channel->in_fds[0].n > 0];
	size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fds[CHANNEL_MAX_FDS + 2]; /* the kernel uses padding, too */

	assert(n <= ARRAY_SIZE(fds));
	memcpy(fds, CMSG_DATA(control), n * sizeof(int));
	if (n > channel->limits.n_fds || ret->n > 0) {
		close_all(fds, n);
		return error_set(err, -EPROTO,
			"%zu descriptors came with a message that may bring %zu", ret->n + n,
			channel->limits.n_fds);
	}
	memcpy(ret->fds, fds, n * sizeof(int));
	ret->n = n;
	ret->at = channel->in_end + read - 1;
	return 0;
}

static int take_control(
	struct channel *channel, struct msghdr *msg, size_t read, struct error *err)
{
	int r = 0;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(msg); control;
		control = CMSG_NXTHDR(msg, control))
		if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
			r == 0 && read > 0)
			r = take_fds(channel, control, read, err);
	if (r == 0 && msg->msg_flags & MSG_CTRUNC)
		r = error_set(err, -EPROTO, "more descriptors came than the %zu that may",
			channel->limits.n_fds);
	return r;
}

/* One read. Returns the bytes, 0 at the end, -EAGAIN without err if there are none. */
static ssize_t receive(struct channel *channel, struct error *err)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(CHANNEL_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = channel->limits.n_fds
					  ? CMSG_SPACE(channel->limits.n_fds * sizeof(int))
					  : 0 };
	ssize_t n;
	int r;

	make_room(channel);
	iov.iov_base = channel->in + channel->in_end;
	iov.iov_len = channel->in_cap - 1 - channel->in_end;
	n = recvmsg(channel->fd, &msg, MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n < 0 && errno == ECONNRESET)
		return 0; /* closed before it had read all of ours */
	if (n < 0)
		return error_set(err, -errno, "cannot read from the channel: %m");
	r = take_control(channel, &msg, (size_t)n, err);
	if (r < 0)
		return r;
	channel->in_end += (size_t)n;
	return n;
}

static void on_end(struct channel *channel, struct error *why)
{
	if (channel->in_end > channel->in_start)
		(void)error_set(why, -EPROTO, "the channel ended within a message");
	close_with(channel, why);
}

static void read_some(struct channel *channel)
{
	struct error err = ERROR_NONE;
	ssize_t n;

	/* What a pause left there first: then one message at most has begun. */
	if (!deliver(channel) || channel->is_paused)
		return;
	n = receive(channel, &err);
	if (n == -EAGAIN && err.code == 0)
		return;
	if (n < 0)
		close_with(channel, &err);
	else if (n == 0)
		on_end(channel, &err);
	else
		(void)deliver(channel);
}

/* Attaches the descriptors to the first byte only. */
static ssize_t send_chunk(struct channel *channel, struct channel_chunk *chunk)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(CHANNEL_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { chunk->data + chunk->start, chunk->end - chunk->start };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (chunk->n_fds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(chunk->n_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(chunk->n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), chunk->fds, chunk->n_fds * sizeof(int));
	}
	return sendmsg(channel->fd, &msg, MSG_NOSIGNAL);
}

static void note_sent(struct channel *channel, struct channel_chunk *chunk, size_t n)
{
	close_all(chunk->fds, chunk->n_fds);
	chunk->n_fds = 0;
	chunk->start += n;
	channel->queued_bytes -= n;
	if (chunk->start < chunk->end)
		return;
	channel->first = chunk->next;
	if (!channel->first)
		channel->last = NULL;
	free_chunk(chunk);
}

/* As much as the socket takes. Returns 0 or a negative errno with err filled. */
static int send_some(struct channel *channel, struct error *err)
{
	while (channel->first) {
		ssize_t n = send_chunk(channel, channel->first);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			/* Its last words may be waiting: the end is told behind them. */
			channel->is_unheard = true;
			drop_queue(channel);
			return 0;
		}
		if (n < 0)
			return error_set(err, -errno, "cannot write to the channel: %m");
		note_sent(channel, channel->first, (size_t)n);
	}
	return 0;
}

/* Sends, and tells the owner of a failure or of new room. False if the channel is stopped. */
static bool send_and_tell(struct channel *channel)
{
	struct channel_delivery delivery = { 0 };
	struct error err = ERROR_NONE;

	if (send_some(channel, &err) < 0) {
		close_with(channel, &err);
		return false;
	}
	watch(channel);
	if (!channel->was_full || channel->queued_bytes > channel->limits.queue_bytes / 8)
		return true;
	channel->was_full = false;
	if (!channel->events->on_drained)
		return true;
	/* cppcheck-suppress autoVariables ; taken back before the end */
	channel->delivery = &delivery;
	channel->events->on_drained(channel);
	if (delivery.is_stopped) {
		free(delivery.in);
		return false;
	}
	channel->delivery = NULL;
	return true;
}

static void do_later(struct loop_later *later)
{
	struct channel *channel = container_of(later, struct channel, later);

	if (channel->failure.code < 0) {
		close_with(channel, &channel->failure);
		return;
	}
	if (!send_and_tell(channel))
		return;
	if (!channel->is_paused && channel->in_end > channel->in_start)
		(void)deliver(channel);
}

static void on_ready(struct loop_io *io, uint32_t revents)
{
	struct channel *channel = container_of(io, struct channel, io);

	if (revents & EPOLLOUT && !send_and_tell(channel))
		return;
	if (!channel->is_paused)
		read_some(channel);
	else if (revents & (EPOLLHUP | EPOLLERR) && !(revents & EPOLLOUT))
		loop_io_stop(&channel->io);
}

int channel_start(struct channel *channel, struct loop *loop, int fd,
	const struct channel_limits *limits, const struct channel_events *events,
	struct error *err)
{
	int flags = fcntl(fd, F_GETFL);
	int r;

	assert(limits->n_fds <= CHANNEL_MAX_FDS);
	assert(limits->queue_bytes >= 2 * (limits->payload_bytes + CHANNEL_HEADER_BYTES));
	*channel = (struct channel){
		.loop = loop, .fd = fd, .limits = *limits, .events = events, .is_running = true
	};
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		r = error_set(err, -errno, "cannot use descriptor %d as a channel: %m", fd);
	else
		r = loop_io_start(loop, &channel->io, fd, EPOLLIN, on_ready, err);
	if (r < 0)
		channel_stop(channel);
	return r;
}

static struct channel_chunk *add_chunk(struct channel *channel, size_t n, size_t n_fds)
{
	size_t cap = n_fds == 0 && n < CHUNK_BYTES ? CHUNK_BYTES : n;
	struct channel_chunk *chunk = xmalloc(sizeof(*chunk) + cap);

	*chunk = (struct channel_chunk){ .is_alone = n_fds > 0, .cap = cap };
	if (channel->last)
		channel->last->next = chunk;
	else
		channel->first = chunk;
	channel->last = chunk;
	return chunk;
}

static int check_send(const struct channel *channel, size_t n, size_t n_fds)
{
	if (!channel->is_running || channel->is_unheard || channel->failure.code < 0)
		return -EPIPE;
	if (n > channel->limits.payload_bytes || n_fds > CHANNEL_MAX_FDS)
		return -EMSGSIZE;
	if (channel->queued_bytes + CHANNEL_HEADER_BYTES + n > channel->limits.queue_bytes)
		return -ENOBUFS;
	return 0;
}

int channel_send(struct channel *channel, uint32_t type, uint64_t id, const void *payload,
	size_t n, const int *fds, size_t n_fds)
{
	struct frame frame = { (uint32_t)n, type, id };
	struct channel_chunk *chunk = channel->last;
	size_t total = CHANNEL_HEADER_BYTES + n;
	struct error err = ERROR_NONE;
	int r = check_send(channel, n, n_fds);

	if (r < 0) {
		for (size_t i = 0; i < n_fds; i++)
			(void)close(fds[i]);
		return r;
	}
	if (!chunk || chunk->is_alone || n_fds > 0 || chunk->cap - chunk->end < total)
		chunk = add_chunk(channel, total, n_fds);
	format_header(chunk->data + chunk->end, &frame);
	if (n > 0)
		memcpy(chunk->data + chunk->end + CHANNEL_HEADER_BYTES, payload, n);
	chunk->end += total;
	if (n_fds > 0)
		memcpy(chunk->fds, fds, n_fds * sizeof(int));
	chunk->n_fds = n_fds;
	channel->queued_bytes += total;
	channel->was_full |= channel_is_full(channel);
	if (loop_later_start(channel->loop, &channel->later, do_later, &err) < 0)
		channel->failure =
			err; /* the next send says so; without a loop nobody else can */
	return 0;
}

bool channel_flush(struct channel *channel)
{
	struct error err = ERROR_NONE;

	if (channel->is_running && send_some(channel, &err) < 0)
		put_off(channel, &err);
	return !channel->first;
}

bool channel_is_full(const struct channel *channel)
{
	return channel->queued_bytes >= channel->limits.queue_bytes / 2;
}

void channel_pause(struct channel *channel)
{
	if (!channel->is_running || channel->is_paused)
		return;
	channel->is_paused = true;
	watch(channel);
}

void channel_resume(struct channel *channel)
{
	struct error err = ERROR_NONE;

	if (!channel->is_running || !channel->is_paused)
		return;
	channel->is_paused = false;
	watch(channel);
	/* What was read already does not make the socket ready. */
	if (loop_later_start(channel->loop, &channel->later, do_later, &err) < 0)
		channel->failure = err;
}
