/* SPDX-License-Identifier: Apache-2.0 */
#include "base/channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "unit.h"

static const struct channel_limits limits = { 64, 2, 4096 };
static const struct channel_limits long_limits = { 1 << 20, 2, 4 << 20 };

/* One end, and what it saw: "type:id:payload[+descriptors];". */
struct end {
	struct channel channel;
	struct loop *loop;
	struct buf seen;
	size_t n_messages;
	size_t exit_after; /* messages */
	int kept[CHANNEL_MAX_FDS];
	size_t n_kept;
	bool keeps;
	bool refuses;
	bool stops;
	bool pauses;
	bool is_closed;
	bool is_drained;
	struct error why;
};

static int on_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct end *end = container_of(channel, struct end, channel);

	ck_assert_int_eq(message->payload[message->n], 0);
	buf_printf(&end->seen, "%u:%lu:", message->type, (unsigned long)message->id);
	if (message->n < 100)
		buf_append(&end->seen, message->payload, message->n);
	else
		buf_printf(&end->seen, "(%zu)", message->n);
	if (message->n_fds > 0)
		buf_printf(&end->seen, "+%zu", message->n_fds);
	buf_puts(&end->seen, ";");
	for (size_t i = 0; end->keeps && i < message->n_fds; i++)
		end->kept[end->n_kept++] = take_fd(&message->fds[i]);
	if (++end->n_messages == end->exit_after)
		loop_exit(end->loop, 0);
	if (end->pauses)
		channel_pause(channel);
	if (end->stops) {
		channel_stop(channel);
		ck_assert_int_eq(message->payload[message->n], 0); /* still there */
	}
	return end->refuses ? error_set(err, -EPROTO, "what is %u?", message->type) : 0;
}

static void on_closed(struct channel *channel, const struct error *why)
{
	struct end *end = container_of(channel, struct end, channel);

	ck_assert(!end->is_closed);
	end->is_closed = true;
	end->why = *why;
	loop_exit(end->loop, 0);
}

static void on_drained(struct channel *channel)
{
	struct end *end = container_of(channel, struct end, channel);

	end->is_drained = true;
}

static const struct channel_events events = { on_message, on_closed, on_drained };

static struct loop *loop;
static int raw; /* the other end */

static void start(struct end *end, int fd, const struct channel_limits *what)
{
	*end = (struct end){ .loop = loop };
	ck_assert_int_eq(channel_start(&end->channel, loop, fd, what, &events, &end->why), 0);
}

static void setup_with(struct end *end, const struct channel_limits *what)
{
	int fds[2];

	ck_assert_int_eq(loop_new(&loop, NULL), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	raw = fds[1];
	start(end, fds[0], what);
}

static void setup(struct end *end)
{
	setup_with(end, &limits);
}

static void end_done(struct end *end)
{
	channel_stop(&end->channel);
	channel_stop(&end->channel);
	buf_done(&end->seen);
	for (size_t i = 0; i < end->n_kept; i++)
		(void)close(end->kept[i]);
}

static void teardown(struct end *end)
{
	end_done(end);
	loop_free(loop);
	(void)close(raw);
}

/* Goes on until the end has seen so many messages more, or is closed. */
static void run(struct end *end, size_t n_messages)
{
	end->exit_after = end->n_messages + n_messages;
	ck_assert_int_eq(loop_run(loop, NULL), 0);
}

static void put(struct buf *ret, unsigned type, unsigned id, const char *text)
{
	const unsigned char header[CHANNEL_HEADER_BYTES] = { (unsigned char)strlen(text), 0, 0,
		0, (unsigned char)type, 0, 0, 0, (unsigned char)id };

	buf_append(ret, header, sizeof(header));
	buf_puts(ret, text);
}

static void give(const void *data, size_t n)
{
	ck_assert_int_eq(write(raw, data, n), (ssize_t)n);
}

static void give_with_fds(const void *data, size_t n, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(16 * sizeof(int))];
	} control = { .align = { .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { (void *)data, n };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };
	int fds[16] = { 0 };

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	ck_assert_int_eq(sendmsg(raw, &msg, 0), (ssize_t)n);
}

static size_t count_fds(void)
{
	cleanup_with(closedirp) DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	return n;
}

START_TEST(messages_arrive_whole_wherever_the_bytes_are_cut)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	put(&text, 1, 2, "one");
	put(&text, 3, 4, "");
	put(&text, 5, 6, "three");
	for (size_t cut = 0; cut <= text.len; cut++)
		for (size_t again = cut; again <= text.len; again++) {
			struct end end;
			struct channel *channel = &end.channel;

			setup(&end);
			if (cut > 0)
				give(text.data, cut);
			if (cut > 0 && cut < text.len)
				channel->io.on_ready(&channel->io, 1);
			if (again > cut)
				give(text.data + cut, again - cut);
			if (again > cut && again < text.len)
				channel->io.on_ready(&channel->io, 1);
			if (again < text.len)
				give(text.data + again, text.len - again);
			channel->io.on_ready(&channel->io, 1);
			ck_assert_str_eq(end.seen.data, "1:2:one;3:4:;5:6:three;");
			teardown(&end);
		}
}
END_TEST

START_TEST(an_end_between_messages_is_in_order)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct end end;

	setup(&end);
	put(&text, 1, 2, "one");
	give(text.data, text.len);
	ck_assert_int_eq(shutdown(raw, SHUT_WR), 0);
	run(&end, 9);
	ck_assert(end.is_closed);
	ck_assert_int_eq(end.why.code, 0);
	ck_assert_str_eq(end.seen.data, "1:2:one;");
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, "", 0, NULL, 0), -EPIPE);
	teardown(&end);
}
END_TEST

START_TEST(an_end_within_a_message_is_a_failure)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	put(&text, 1, 2, "one");
	for (size_t n = 1; n < text.len; n++) {
		struct end end;

		setup(&end);
		give(text.data, n);
		ck_assert_int_eq(shutdown(raw, SHUT_WR), 0);
		run(&end, 9);
		ck_assert_int_eq(end.why.code, -EPROTO);
		ck_assert_str_eq(end.why.text, "the channel ended within a message");
		ck_assert_ptr_null(end.seen.data);
		teardown(&end);
	}
}
END_TEST

START_TEST(a_message_beyond_the_limit_fails_the_channel_at_its_header)
{
	const char header[CHANNEL_HEADER_BYTES] = { 65, 0, 0, 0, 7 };
	const char huge[CHANNEL_HEADER_BYTES] = { -1, -1, -1, -1, 7 };
	struct end end;

	setup(&end);
	give(header, sizeof(header));
	run(&end, 1);
	ck_assert_int_eq(end.why.code, -EMSGSIZE);
	ck_assert_str_eq(
		end.why.text, "a message of type 7 announces 65 bytes, the limit is 64");
	teardown(&end);
	setup(&end);
	give(huge, sizeof(huge));
	run(&end, 1);
	ck_assert_str_eq(end.why.text,
		"a message of type 7 announces 4294967295 bytes, the limit is 64");
	teardown(&end);
}
END_TEST

START_TEST(a_message_that_its_owner_refuses_fails_the_channel)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct end end;

	setup(&end);
	end.refuses = true;
	put(&text, 9, 2, "one");
	put(&text, 9, 3, "two");
	give(text.data, text.len);
	run(&end, 9);
	ck_assert_str_eq(end.seen.data, "9:2:one;");
	ck_assert_str_eq(end.why.text, "what is 9?");
	teardown(&end);
}
END_TEST

START_TEST(an_owner_may_stop_it_while_a_message_is_in_hand)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct end end;

	setup(&end);
	end.stops = true;
	put(&text, 1, 2, "one");
	put(&text, 1, 3, "two");
	give(text.data, text.len);
	run(&end, 1);
	ck_assert_str_eq(end.seen.data, "1:2:one;");
	ck_assert(!end.is_closed);
	teardown(&end);
}
END_TEST

START_TEST(descriptors_belong_to_the_message_they_were_sent_with)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	size_t before = count_fds();
	struct end end;

	setup(&end);
	end.keeps = true;
	put(&text, 1, 1, "none");
	give(text.data, text.len);
	buf_clear(&text);
	put(&text, 1, 2, "two of them");
	give_with_fds(text.data, 3, 2);
	end.channel.io.on_ready(&end.channel.io, 1); /* without, with */
	end.channel.io.on_ready(&end.channel.io, 1);
	give(text.data + 3, text.len - 3);
	buf_clear(&text);
	put(&text, 1, 3, "one");
	give_with_fds(text.data, text.len, 1);
	buf_clear(&text);
	put(&text, 1, 4, "none");
	give(text.data, text.len);
	run(&end, 3);
	ck_assert_str_eq(end.seen.data, "1:1:none;1:2:two of them+2;1:3:one+1;1:4:none;");
	ck_assert_int_eq(fcntl(end.kept[2], F_GETFD), FD_CLOEXEC);
	teardown(&end);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(descriptors_not_taken_are_closed)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	size_t before = count_fds();
	struct end end;

	setup(&end);
	put(&text, 1, 2, "x");
	for (int i = 0; i < 20; i++)
		give_with_fds(text.data, text.len, 2);
	give_with_fds(text.data, 5, 2); /* of a message that never ends */
	run(&end, 20);
	end.channel.io.on_ready(&end.channel.io, 1);
	teardown(&end);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(descriptors_beyond_the_limit_fail_the_channel)
{
	const struct channel_limits without = { 64, 0, 4096 };
	cleanup_with(buf_done) struct buf text = { 0 };
	size_t before = count_fds();
	struct end end;

	put(&text, 1, 2, "x");
	for (size_t n = 3; n <= 16; n++) {
		setup(&end);
		give_with_fds(text.data, text.len, n);
		run(&end, 1);
		ck_assert_int_eq(end.why.code, -EPROTO);
		ck_assert_ptr_null(end.seen.data);
		teardown(&end);
	}
	setup_with(&end, &without);
	give_with_fds(text.data, text.len, 1);
	run(&end, 1);
	ck_assert_str_eq(end.why.text, "more descriptors came than the 0 that may");
	teardown(&end);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(descriptors_at_every_byte_of_a_message_fail_the_channel)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	size_t before = count_fds();
	struct end end;

	setup(&end);
	put(&text, 1, 2, "x");
	for (size_t i = 0; i < text.len; i++)
		give_with_fds(text.data + i, 1, 1);
	run(&end, 1);
	ck_assert_int_eq(end.why.code, -EPROTO);
	ck_assert_ptr_null(end.seen.data);
	teardown(&end);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

static void make_small(int fd)
{
	int bytes = 1; /* the kernel makes it its minimum */

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

START_TEST(long_messages_with_descriptors_pass_a_tiny_socket_in_order)
{
	cleanup_with(freep) char *long_text = xcalloc(1, 1 << 20);
	size_t before = count_fds();
	struct end from;
	struct end to;

	setup_with(&from, &long_limits);
	make_small(from.channel.fd);
	start(&to, raw, &long_limits);
	to.keeps = true;
	for (unsigned i = 0; i < 3; i++) {
		int fds[2] = { fcntl(2, F_DUPFD_CLOEXEC, 0), fcntl(2, F_DUPFD_CLOEXEC, 0) };

		ck_assert_int_eq(channel_send(&from.channel, 1, i, "a", 1, NULL, 0), 0);
		ck_assert_int_eq(
			channel_send(&from.channel, 2, i, long_text, 1 << 20, fds, 2), 0);
		ck_assert_int_eq(channel_send(&from.channel, 3, i, "b", 1, NULL, 0), 0);
	}
	to.exit_after = 9;
	ck_assert_int_eq(loop_run(loop, NULL), 0);
	ck_assert_str_eq(to.seen.data, "1:0:a;2:0:(1048576)+2;3:0:b;1:1:a;2:1:(1048576)+2;3:1:"
				       "b;1:2:a;2:2:(1048576)+2;3:2:b;");
	ck_assert_uint_eq(from.channel.queued_bytes, 0);
	end_done(&to);
	raw = -1;
	teardown(&from);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(a_sender_is_told_when_the_queue_is_full_and_when_it_is_drained)
{
	size_t before = count_fds();
	struct end from;
	struct end to;
	unsigned sent = 0;
	int fd = fcntl(2, F_DUPFD_CLOEXEC, 0);

	setup(&from);
	make_small(from.channel.fd);
	start(&to, raw, &limits);
	while (!channel_is_full(&from.channel))
		ck_assert_int_eq(
			channel_send(&from.channel, 1, sent++, "0123456789", 10, NULL, 0), 0);
	ck_assert_uint_eq(from.channel.queued_bytes, 79 * 26);
	while (channel_send(&from.channel, 1, sent, "0123456789", 10, NULL, 0) == 0)
		sent++;
	ck_assert_int_eq(
		channel_send(&from.channel, 1, sent, "0123456789", 10, &fd, 1), -ENOBUFS);
	ck_assert_uint_eq(sent, 4096 / 26);
	ck_assert(!from.is_drained);
	to.exit_after = sent;
	ck_assert_int_eq(loop_run(loop, NULL), 0);
	ck_assert(from.is_drained);
	end_done(&to);
	raw = -1;
	teardown(&from);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(what_is_too_long_is_not_sent)
{
	char text[65] = { 0 };
	struct end end;

	setup(&end);
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, text, 65, NULL, 0), -EMSGSIZE);
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, text, 64, NULL, 0), 0);
	ck_assert(channel_flush(&end.channel));
	ck_assert_int_eq(read(raw, text, sizeof(text)), 65);
	ck_assert_int_eq(read(raw, text, sizeof(text)), 15);
	teardown(&end);
}
END_TEST

struct patience {
	struct loop_timer timer;
	struct end *end;
};

static void on_due(struct loop_timer *timer)
{
	struct end *end = container_of(timer, struct patience, timer)->end;

	ck_assert_str_eq(end->seen.data, "1:1:one;");
	end->pauses = false;
	channel_resume(&end->channel);
}

START_TEST(a_paused_reader_gets_nothing_and_all_of_it_later)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct end end;
	struct patience patience = { .end = &end };

	setup(&end);
	end.pauses = true;
	put(&text, 1, 1, "one");
	put(&text, 1, 2, "two");
	give(text.data, text.len);
	buf_clear(&text);
	put(&text, 1, 3, "three");
	give_with_fds(text.data, text.len, 1);
	ck_assert_int_eq(loop_timer_start(loop, &patience.timer, 20, on_due, NULL), 0);
	run(&end, 3);
	ck_assert_str_eq(end.seen.data, "1:1:one;1:2:two;1:3:three+1;");
	teardown(&end);
}
END_TEST

START_TEST(what_the_other_end_said_last_arrives_although_it_is_gone)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct end end;

	setup(&end);
	put(&text, 1, 1, "farewell");
	give(text.data, text.len);
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, "x", 1, NULL, 0), 0);
	ck_assert(channel_flush(&end.channel)); /* never read: the end is a reset */
	(void)close(take_fd(&raw));
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, "y", 1, NULL, 0), 0);
	ck_assert(channel_flush(&end.channel));
	ck_assert_int_eq(channel_send(&end.channel, 1, 1, "z", 1, NULL, 0), -EPIPE);
	run(&end, 9);
	ck_assert_str_eq(end.seen.data, "1:1:farewell;");
	ck_assert(end.is_closed);
	ck_assert_int_eq(end.why.code, 0);
	teardown(&end);
}
END_TEST

START_TEST(what_is_no_socket_is_closed_and_refused)
{
	size_t before = count_fds();
	struct error err = ERROR_NONE;
	struct channel channel = { 0 };

	ck_assert_int_eq(loop_new(&loop, NULL), 0);
	ck_assert_int_lt(channel_start(&channel, loop, open("/", O_RDONLY | O_CLOEXEC), &limits,
				 &events, &err),
		0);
	ck_assert_int_lt(channel_start(&channel, loop, 999, &limits, &events, &err), 0);
	channel_stop(&channel);
	loop_free(loop);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

TESTS("channel", messages_arrive_whole_wherever_the_bytes_are_cut,
	an_end_between_messages_is_in_order, an_end_within_a_message_is_a_failure,
	a_message_beyond_the_limit_fails_the_channel_at_its_header,
	a_message_that_its_owner_refuses_fails_the_channel,
	an_owner_may_stop_it_while_a_message_is_in_hand,
	descriptors_belong_to_the_message_they_were_sent_with, descriptors_not_taken_are_closed,
	descriptors_beyond_the_limit_fail_the_channel,
	descriptors_at_every_byte_of_a_message_fail_the_channel,
	long_messages_with_descriptors_pass_a_tiny_socket_in_order,
	a_sender_is_told_when_the_queue_is_full_and_when_it_is_drained,
	what_is_too_long_is_not_sent, a_paused_reader_gets_nothing_and_all_of_it_later,
	what_the_other_end_said_last_arrives_although_it_is_gone,
	what_is_no_socket_is_closed_and_refused)
