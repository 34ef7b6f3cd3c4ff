/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/log.h"
#include "base/sigv4.h"
#include "base/time.h"
#include "controller/admin_key.h"
#include "controller/core.h"
#include "controller/exchange.h"
#include "controller/init.h"
#include "controller/settings.h"
#include "unit.h"

/*
 * The core as a process of its own in a directory that `droverd init` made; the test plays its
 * parent and its doors, byte by byte.
 */
enum { CORE_WAIT_MS = 10 * 1000, FRAME_HEADER_BYTES = 16 };

struct core_case {
	char *directory;
	struct admin_key admin;
	pid_t pid;
	int parent_fd;
	int local_fd; /* the local door's end */
	int net_fd;   /* another door's */
	uint64_t next_id;
};

struct frame {
	uint32_t type;
	uint64_t id;
	char *payload; /* with a NUL behind */
	size_t n;
};

/* One answer to a request. */
struct reply {
	int status;
	json_t *json; /* NULL if it is none */
	char *text;
};

static inline void core_start_process(struct core_case *core)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(freep) char *path = xasprintf("%s/droverd.yml", core->directory);
	struct core_start start = { .n_doors = 2 };
	struct error err = ERROR_NONE;
	int parent[2], local[2], net[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, parent), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, net), 0);
	core->pid = fork();
	ck_assert_int_ge(core->pid, 0);
	if (core->pid == 0) {
		const struct core_door doors[] = { { local[1], true }, { net[1], false } };

		(void)close(parent[0]);
		(void)close(local[0]);
		(void)close(net[0]);
		if (settings_load(&start.settings, path, &found, &err) < 0)
			_exit(99);
		start.channel_fd = parent[1];
		start.doors = doors;
		_exit(core_main(&start));
	}
	(void)close(parent[1]);
	(void)close(local[1]);
	(void)close(net[1]);
	core->parent_fd = parent[0];
	core->local_fd = local[0];
	core->net_fd = net[0];
}

static inline void send_all(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent < 0)
			return; /* the other end is gone, which the test sees by reading */
		at += sent;
		n -= (size_t)sent;
	}
}

static inline void send_frame(int fd, uint32_t type, uint64_t id, const void *payload, size_t n)
{
	cleanup_with(buf_done) struct buf bytes = { 0 };
	uint32_t length = htole32((uint32_t)n);
	uint32_t le_type = htole32(type);
	uint64_t le_id = htole64(id);

	buf_append(&bytes, &length, 4);
	buf_append(&bytes, &le_type, 4);
	buf_append(&bytes, &le_id, 8);
	if (n > 0)
		buf_append(&bytes, payload, n);
	send_all(fd, bytes.data, bytes.len);
}

/* False at the end, or if nothing comes in time. */
static inline bool read_all(int fd, char *ret, size_t n)
{
	while (n > 0) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&ready, 1, CORE_WAIT_MS) <= 0)
			return false;
		got = read(fd, ret, n);
		if (got <= 0)
			return false;
		ret += got;
		n -= (size_t)got;
	}
	return true;
}

static inline bool read_frame(int fd, struct frame *ret)
{
	char header[FRAME_HEADER_BYTES];
	uint32_t n, type;

	if (!read_all(fd, header, sizeof(header)))
		return false;
	memcpy(&n, header, 4);
	memcpy(&type, header + 4, 4);
	memcpy(&ret->id, header + 8, 8);
	ret->n = le32toh(n);
	ret->type = le32toh(type);
	ret->id = le64toh(ret->id);
	ret->payload = xcalloc(1, ret->n + 1);
	return read_all(fd, ret->payload, ret->n);
}

static inline void frame_done(struct frame *frame)
{
	free(frame->payload);
	frame->payload = NULL;
}

/* Reads on until a frame of that type. */
static inline bool read_until(int fd, uint32_t type, struct frame *ret)
{
	while (read_frame(fd, ret)) {
		if (ret->type == type)
			return true;
		frame_done(ret);
	}
	frame_done(ret);
	return false;
}

static inline bool is_at_end(int fd)
{
	struct frame frame = { 0 };

	while (read_frame(fd, &frame))
		frame_done(&frame);
	frame_done(&frame);
	return true;
}

/* ---- as the parent */

static inline bool answers_ping(struct core_case *core)
{
	struct frame frame = { 0 };
	bool is_there;

	send_frame(core->parent_fd, SERVICE_PING, ++core->next_id, NULL, 0);
	is_there = read_until(core->parent_fd, SERVICE_PONG, &frame) &&
		   frame.id == core->next_id;
	frame_done(&frame);
	return is_there;
}

/* Gives the core another door, and returns our end. */
static inline int give_door(struct core_case *core, bool is_local)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint32_t header[4] = { 0, htole32(is_local ? SERVICE_LOCAL_DOOR : SERVICE_DOOR), 0, 0 };
	struct iovec iov = { header, sizeof(header) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.data) };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &pair[1], sizeof(int));
	ck_assert_int_eq(sendmsg(core->parent_fd, &msg, 0), sizeof(header));
	(void)close(pair[1]);
	return pair[0];
}

static inline int wait_core(struct core_case *core)
{
	int status = 0;

	ck_assert_int_eq(waitpid(core->pid, &status, 0), core->pid);
	core->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void core_close(struct core_case *core)
{
	(void)close(core->parent_fd);
	(void)close(core->local_fd);
	(void)close(core->net_fd);
}

/* As by a loss of power. */
static inline void core_kill(struct core_case *core)
{
	(void)kill(core->pid, SIGKILL);
	(void)wait_core(core);
	core_close(core);
}

/* In order: the exit status. */
static inline int core_stop(struct core_case *core)
{
	send_frame(core->parent_fd, SERVICE_STOP, 0, NULL, 0);
	core_close(core);
	return wait_core(core);
}

static inline void core_begin(struct core_case *core)
{
	struct init_request request = { 0 };
	cleanup_with(freep) char *key = NULL;
	struct frame frame = { 0 };
	struct init_result result;
	struct error err = ERROR_NONE;

	*core = (struct core_case){ .directory = xasprintf("%s/d", test_dir()) };
	(void)log_set_level("error");
	request.directory = core->directory;
	request.now_ms = time_now_ms();
	ck_assert_msg(init_make(&result, &request, &err) == 0, "%s", err.text);
	init_result_done(&result);
	key = xasprintf("%s/keys/admin.json", core->directory);
	ck_assert_msg(admin_key_read(&core->admin, key, &err) == 0, "%s", err.text);
	core_start_process(core);
	ck_assert(read_until(core->parent_fd, SERVICE_READY, &frame));
	frame_done(&frame);
}

/* ---- as a door */

static inline uint64_t connect_as(struct core_case *core, int fd, bool is_unix, uint32_t uid)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	struct exchange_connection connection = { .peer = is_unix ? "" : "192.0.2.7:40122",
		.is_unix = is_unix,
		.uid = uid,
		.is_tls = !is_unix,
		.certificate_uri = "" };

	exchange_encode_connection(&payload, &connection);
	send_frame(fd, EXCHANGE_CONNECTION, ++core->next_id, payload.data, payload.len);
	return core->next_id;
}

static inline uint64_t ask_with(struct core_case *core, int fd, uint64_t connection,
	const char *method, const char *path, const struct header *headers, size_t n_headers,
	const char *body)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	struct exchange_request request = { .connection = connection,
		.method = method,
		.target = path,
		.path = path,
		.headers = headers,
		.n_headers = n_headers,
		.body = body,
		.body_bytes = strlen(body) };

	exchange_encode_request(&payload, &request);
	send_frame(fd, EXCHANGE_REQUEST, ++core->next_id, payload.data, payload.len);
	return core->next_id;
}

/* Of one who need not sign. */
static inline uint64_t ask(struct core_case *core, int fd, uint64_t connection,
	const char *target, const char *body)
{
	const struct header headers[] = { { "Host", "localhost" },
		{ "Content-Type", "application/x-amz-json-1.1" }, { "X-Amz-Target", target } };

	return ask_with(core, fd, connection, "POST", "/", headers, 3, body);
}

static inline uint64_t ask_signed(struct core_case *core, int fd, uint64_t connection,
	const char *target, const char *body, const char *key, const char *secret)
{
	cleanup_with(freep) char *authorization = NULL;
	struct sigv4_scope scope = { .region = "local" };
	struct header headers[5] = { { "Host", "localhost:8443" },
		{ "Content-Type", "application/x-amz-json-1.1" }, { "X-Amz-Target", target } };
	char hash[DIGEST_HEX_SIZE];
	struct sigv4_request request = { "POST", "/", NULL, headers, 4, hash };
	uint8_t digest[DIGEST_BYTES];
	struct error err = ERROR_NONE;
	time_t now = time(NULL);
	char date[24];
	struct tm tm;

	(void)strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	headers[3] = (struct header){ "X-Amz-Date", date };
	strcpy(scope.service, strncmp(target, "CodeDeployCommand", 17) == 0
				      ? "codedeploy-commands"
				      : "codedeploy");
	digest_of(body, strlen(body), digest);
	digest_format(digest, hash);
	ck_assert_msg(sigv4_sign(&authorization, &request, key, secret, &scope, &err) == 0,
		"%s", err.text);
	headers[4] = (struct header){ "Authorization", authorization };
	return ask_with(core, fd, connection, "POST", "/", headers, 5, body);
}

/* The answer to the request, which must be the next. */
static inline struct reply hear(int fd, uint64_t id)
{
	struct frame frame = { 0 };
	struct exchange_answer answer;
	struct error err = ERROR_NONE;
	struct reply reply;
	bool has_id = false;

	ck_assert_msg(read_until(fd, EXCHANGE_ANSWER, &frame), "no answer came");
	ck_assert_uint_eq(frame.id, id);
	ck_assert_msg(exchange_decode_answer(&answer, frame.payload, frame.n, &err) == 0, "%s",
		err.text);
	for (size_t i = 0; i < answer.n_headers; i++)
		has_id |= strcmp(answer.headers[i].name, "x-amzn-RequestId") == 0 &&
			  strlen(answer.headers[i].value) == 36;
	ck_assert_msg(has_id, "the answer has no x-amzn-RequestId");
	reply.status = answer.status;
	reply.text = xstrdup(answer.body);
	reply.json = json_loads(reply.text, 0, NULL);
	frame_done(&frame);
	return reply;
}

static inline void reply_done(struct reply *reply)
{
	json_decref(reply->json);
	free(reply->text);
}

static inline const char *reply_member(const struct reply *reply, const char *member)
{
	const char *text = json_string_value(json_object_get(reply->json, member));

	return text ? text : "";
}

static inline void expect_reply(int fd, uint64_t id, int status, const char *words)
{
	struct reply reply = hear(fd, id);

	ck_assert_msg(reply.status == status && strstr(reply.text, words), "%d: %s",
		reply.status, reply.text);
	reply_done(&reply);
}

/* As local root, over a connection of its own. */
static inline void expect_as_root(struct core_case *core, const char *target, const char *body,
	int status, const char *words)
{
	uint64_t connection = connect_as(core, core->local_fd, true, 0);

	expect_reply(core->local_fd, ask(core, core->local_fd, connection, target, body),
		status, words);
	send_frame(core->local_fd, EXCHANGE_GONE, connection, NULL, 0);
}
