/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/message.h"

#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static char sent[4096];
static size_t n_sent;

static void collect(int fd)
{
	ssize_t n = read(fd, sent, sizeof(sent));

	ck_assert_int_gt(n, 0);
	n_sent = (size_t)n;
}

START_TEST(what_is_sent_is_parsed)
{
	const struct message_progress progress = { 1, 2, 3, 4 };
	struct message message;
	int n, m, fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(message_send_progress(fds[1], &progress), 0);
	ck_assert_int_eq(message_send_warning(fds[1], "beware"), 0);
	ck_assert_int_eq(message_send_result(fds[1], -EPERM, false, "no"), 0);
	collect(fds[0]);

	n = message_parse(&message, sent, n_sent);
	ck_assert_int_eq(n, 40);
	ck_assert_int_eq(message.type, MESSAGE_PROGRESS);
	ck_assert_uint_eq(message.progress.total_bytes, 4);
	m = message_parse(&message, sent + n, n_sent - (size_t)n);
	ck_assert_int_eq(message.type, MESSAGE_WARNING);
	ck_assert_str_eq(message.text, "beware");
	ck_assert_int_gt(
		message_parse(&message, sent + n + m, n_sent - (size_t)n - (size_t)m), 0);
	ck_assert_int_eq(message.type, MESSAGE_RESULT);
	ck_assert_int_eq(message.result.r, -EPERM);
	ck_assert_str_eq(message.text, "no");
}
END_TEST

START_TEST(a_part_of_a_message_is_waited_for)
{
	struct message message;
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(message_send_warning(fds[1], "beware"), 0);
	collect(fds[0]);
	for (size_t n = 0; n < n_sent; n++)
		ck_assert_int_eq(message_parse(&message, sent, n), 0);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	struct message_header header = { .type = 9 };
	struct message message;
	struct {
		struct message_header header;
		struct message_result result;
	} result = { { MESSAGE_RESULT, 8 }, { 0, 0 } };

	ck_assert_int_eq(
		message_parse(&message, (const char *)&header, sizeof(header)), -EBADMSG);
	header = (struct message_header){ MESSAGE_WARNING, MESSAGE_MAX + 1 };
	ck_assert_int_eq(
		message_parse(&message, (const char *)&header, sizeof(header)), -EBADMSG);
	header = (struct message_header){ MESSAGE_PROGRESS, 0 };
	ck_assert_int_eq(
		message_parse(&message, (const char *)&header, sizeof(header)), -EBADMSG);
	result.result.r = 1;
	ck_assert_int_eq(
		message_parse(&message, (const char *)&result, sizeof(result)), -EBADMSG);
	result.result.r = -5000;
	ck_assert_int_eq(
		message_parse(&message, (const char *)&result, sizeof(result)), -EBADMSG);
	result.result = (struct message_result){ 0, 2 };
	ck_assert_int_eq(
		message_parse(&message, (const char *)&result, sizeof(result)), -EBADMSG);
}
END_TEST

START_TEST(text_is_cut_and_made_printable)
{
	struct message message;
	char text[3000];
	int fds[2];

	memset(text, 'x', sizeof(text));
	memcpy(text, "a\x1b\xff\n", 4);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_eq(message_send_warning(fds[1], text), 0);
	collect(fds[0]);
	ck_assert_int_eq(message_parse(&message, sent, n_sent), 8 + MESSAGE_MAX);
	ck_assert_int_eq(strncmp(message.text, "a???xxx", 7), 0);
	ck_assert_uint_eq(strlen(message.text), MESSAGE_MAX);
}
END_TEST

TESTS("message", what_is_sent_is_parsed, a_part_of_a_message_is_waited_for, nonsense_is_refused,
	text_is_cut_and_made_printable)
