/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/core.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "core_case.h"

static void close_streamp(FILE **stream)
{
	if (*stream)
		(void)fclose(*stream);
}

#define CREATE "CodeDeploy_20141006.CreateApplication"
#define LIST "CodeDeploy_20141006.ListApplications"
#define POLL "CodeDeployCommandService_v20141006.PollHostCommand"
#define ARN "arn:aws:iam::000000000000:user/drover/web-1"

static struct core_case core;

START_TEST(each_door_is_told_what_it_needs_and_no_more)
{
	struct exchange_settings settings;
	struct error err = ERROR_NONE;
	struct frame frame = { 0 };

	core_begin(&core);
	ck_assert(read_frame(core.local_fd, &frame));
	ck_assert_uint_eq(frame.type, EXCHANGE_SETTINGS);
	ck_assert_int_eq(exchange_decode_settings(&settings, frame.payload, frame.n, &err), 0);
	ck_assert_uint_eq(settings.n_listeners, 1);
	ck_assert(!settings.listeners[0].is_tls);
	ck_assert_str_eq(settings.key_pem, "");
	frame_done(&frame);
	ck_assert(read_frame(core.net_fd, &frame));
	ck_assert_uint_eq(frame.type, EXCHANGE_SETTINGS);
	ck_assert_int_eq(exchange_decode_settings(&settings, frame.payload, frame.n, &err), 0);
	ck_assert_uint_eq(settings.n_listeners, 1);
	ck_assert(settings.listeners[0].is_tls);
	ck_assert_ptr_nonnull(strstr(settings.key_pem, "PRIVATE KEY"));
	ck_assert_ptr_nonnull(strstr(settings.certificate_pem, "CERTIFICATE"));
	ck_assert_uint_ge(settings.answer_ms, 60000);
	frame_done(&frame);
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(what_was_answered_outlives_a_kill)
{
	struct frame frame = { 0 };

	core_begin(&core);
	expect_as_root(&core, CREATE, "{\"applicationName\":\"shop\"}", 200, "applicationId");
	core_kill(&core);
	core_start_process(&core);
	ck_assert(read_until(core.parent_fd, SERVICE_READY, &frame));
	frame_done(&frame);
	expect_as_root(&core, LIST, "{}", 200, "{\"applications\":[\"shop\"]}");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(the_first_administrators_key_is_taken_once)
{
	struct frame frame = { 0 };
	uint64_t connection;
	char body[128];

	core_begin(&core);
	connection = connect_as(&core, core.net_fd, false, 0);
	expect_reply(core.net_fd,
		ask_signed(&core, core.net_fd, connection, LIST, "{}", core.admin.id,
			core.admin.secret),
		200, "applications");
	(void)snprintf(body, sizeof(body), "{\"accessKeyId\":\"%s\"}", core.admin.id);
	expect_reply(core.net_fd,
		ask_signed(&core, core.net_fd, connection, "Drover_20261120.DeleteKey", body,
			core.admin.id, core.admin.secret),
		400, "LastAdministratorException");
	expect_as_root(&core, "Drover_20261120.DeleteKey", body, 200, "{}");
	core_kill(&core);
	core_start_process(&core);
	ck_assert(read_until(core.parent_fd, SERVICE_READY, &frame));
	frame_done(&frame);
	connection = connect_as(&core, core.net_fd, false, 0);
	expect_reply(core.net_fd,
		ask_signed(&core, core.net_fd, connection, LIST, "{}", core.admin.id,
			core.admin.secret),
		403, "UnrecognizedClientException");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(the_local_door_alone_may_speak_for_root)
{
	uint64_t connection;

	core_begin(&core);
	connection = connect_as(&core, core.net_fd, true, 0);
	expect_reply(core.net_fd, ask(&core, core.net_fd, connection, LIST, "{}"), 403,
		"MissingAuthenticationToken");
	connection = connect_as(&core, core.local_fd, true, 12345);
	expect_reply(core.local_fd, ask(&core, core.local_fd, connection, LIST, "{}"), 403,
		"MissingAuthenticationToken");
	connection = connect_as(&core, core.local_fd, true, 0);
	expect_reply(
		core.local_fd, ask(&core, core.local_fd, connection, LIST, "{}"), 200, "{");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(wrong_requests_are_told_so)
{
	static const struct header target = { "X-Amz-Target", LIST };
	uint64_t at;
	int fd;

	core_begin(&core);
	fd = core.local_fd;
	at = connect_as(&core, fd, true, 0);
	expect_reply(fd, ask_with(&core, fd, at, "GET", "/", NULL, 0, ""), 200, "Drover");
	expect_reply(fd, ask_with(&core, fd, at, "GET", "/healthz", NULL, 0, ""), 200, "ok");
	expect_reply(fd, ask_with(&core, fd, at, "GET", "/x", NULL, 0, ""), 404, "nothing");
	expect_reply(fd, ask_with(&core, fd, at, "PUT", "/", NULL, 0, ""), 405, "POST");
	expect_reply(fd, ask_with(&core, fd, at, "POST", "/", NULL, 0, "{}"), 400,
		"UnknownOperationException");
	expect_reply(fd, ask_with(&core, fd, at, "POST", "/", &target, 1, "{}"), 400,
		"SerializationException");
	expect_reply(fd, ask(&core, fd, at, "CodeDeploy_20141006.Nothing", "{}"), 400,
		"UnknownOperationException");
	expect_reply(fd, ask(&core, fd, at, LIST, "{\"a\":"), 400, "SerializationException");
	expect_reply(fd, ask(&core, fd, at, LIST, "[]"), 400, "SerializationException");
	expect_reply(fd, ask(&core, fd, at, LIST, ""), 200, "applications");
	expect_reply(fd, ask(&core, fd, at, POLL, "{\"HostIdentifier\":\"" ARN "\"}"), 403,
		"AccessDeniedException");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

/* ---- hosts that wait */

static void make_host(char key[64], char secret[64])
{
	uint64_t connection = connect_as(&core, core.local_fd, true, 0);
	struct reply reply = hear(core.local_fd,
		ask(&core, core.local_fd, connection, "Drover_20261120.CreateKey",
			"{\"name\":\"web-1\",\"role\":\"host\",\"userArn\":\"" ARN "\"}"));

	ck_assert_int_eq(reply.status, 200);
	(void)snprintf(key, 64, "%s", reply_member(&reply, "accessKeyId"));
	(void)snprintf(secret, 64, "%s", reply_member(&reply, "secretAccessKey"));
	reply_done(&reply);
	expect_as_root(&core, "CodeDeploy_20141006.RegisterOnPremisesInstance",
		"{\"instanceName\":\"web-1\",\"iamUserArn\":\"" ARN "\"}", 200, "{}");
}

START_TEST(a_poll_waits_until_its_client_leaves_or_the_core_ends)
{
	char key[64], secret[64];
	uint64_t first, second, at, id;

	core_begin(&core);
	make_host(key, secret);
	first = connect_as(&core, core.net_fd, false, 0);
	id = ask_signed(&core, core.net_fd, first, POLL, "{\"HostIdentifier\":\"" ARN "\"}",
		key, secret);
	send_frame(core.net_fd, EXCHANGE_CANCEL, id, NULL, 0);
	send_frame(core.net_fd, EXCHANGE_CANCEL, id, NULL, 0); /* late: harmless */
	send_frame(core.net_fd, EXCHANGE_GONE, first, NULL, 0);
	second = connect_as(&core, core.net_fd, false, 0);
	id = ask_signed(&core, core.net_fd, second, POLL, "{\"HostIdentifier\":\"" ARN "\"}",
		key, secret);
	/* Others are served meanwhile. */
	at = connect_as(&core, core.net_fd, false, 0);
	expect_reply(core.net_fd,
		ask_signed(&core, core.net_fd, at, POLL, "{\"HostIdentifier\":\"other\"}", key,
			secret),
		403, "cannot speak for another");
	expect_reply(core.net_fd, ask_signed(&core, core.net_fd, at, LIST, "{}", key, secret),
		403, "AccessDeniedException");
	expect_as_root(&core, "Drover_20261120.Why", "{\"instanceName\":\"web-1\"}", 200,
		"\"reason\":\"NONE\"");
	send_frame(core.parent_fd, SERVICE_STOP, 0, NULL, 0);
	expect_reply(core.net_fd, id, 200, "{}");
	core_close(&core);
	ck_assert_int_eq(wait_core(&core), 0);
}
END_TEST

START_TEST(a_door_that_ends_takes_its_polls_along)
{
	char key[64], secret[64];
	uint64_t at;
	int door;

	core_begin(&core);
	make_host(key, secret);
	door = give_door(&core, false);
	at = connect_as(&core, door, false, 0);
	(void)ask_signed(
		&core, door, at, POLL, "{\"HostIdentifier\":\"" ARN "\"}", key, secret);
	(void)close(door);
	ck_assert(answers_ping(&core));
	expect_as_root(&core, LIST, "{}", 200, "applications");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

/* ---- doors that were taken */

static void expect_given_up(int door)
{
	ck_assert(is_at_end(door));
	(void)close(door);
	ck_assert(answers_ping(&core));
	expect_as_root(&core, LIST, "{}", 200, "applications");
}

START_TEST(what_no_door_sends_ends_the_door_alone)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	struct exchange_connection far = { .listener = 7, .peer = "", .certificate_uri = "" };
	char key[64], secret[64];
	uint64_t at;
	int door;

	core_begin(&core);
	make_host(key, secret);
	door = give_door(&core, false);
	send_frame(door, 99, 1, NULL, 0); /* an unknown message */
	expect_given_up(door);
	door = give_door(&core, false);
	send_frame(door, EXCHANGE_SETTINGS, 1, NULL, 0); /* one of the core's */
	expect_given_up(door);
	door = give_door(&core, false);
	send_frame(door, EXCHANGE_REQUEST, 1, "\xff\xff\xff\xff", 4); /* cut off */
	expect_given_up(door);
	door = give_door(&core, false);
	(void)ask(&core, door, 4711, LIST, "{}"); /* of no connection */
	expect_given_up(door);
	door = give_door(&core, false);
	send_frame(door, EXCHANGE_GONE, 4711, NULL, 0); /* likewise */
	expect_given_up(door);
	door = give_door(&core, false);
	exchange_encode_connection(&payload, &far);
	send_frame(door, EXCHANGE_CONNECTION, 1, payload.data, payload.len);
	expect_given_up(door);
	door = give_door(&core, false);
	at = connect_as(&core, door, false, 0);
	core.next_id = at - 1;
	(void)connect_as(&core, door, false, 0); /* announced twice */
	expect_given_up(door);
	door = give_door(&core, false);
	at = connect_as(&core, door, false, 0);
	(void)ask_signed(
		&core, door, at, POLL, "{\"HostIdentifier\":\"" ARN "\"}", key, secret);
	(void)ask(&core, door, at, LIST, "{}"); /* two at a time */
	expect_given_up(door);
	door = give_door(&core, false);
	(void)connect_as(&core, door, false, 0);
	send_frame(door, EXCHANGE_CANCEL, 4711, "x", 1); /* with a payload */
	expect_given_up(door);
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(random_bytes_from_doors_never_end_the_core)
{
	unsigned seed = 20261120;

	core_begin(&core);
	for (int round = 0; round < 200; round++) {
		int door = give_door(&core, rand_r(&seed) % 2);
		uint64_t at = connect_as(&core, door, rand_r(&seed) % 2, 12345);

		for (int i = 0; i < 20; i++) {
			char payload[64];
			size_t n = (size_t)rand_r(&seed) % sizeof(payload);

			for (size_t k = 0; k < n; k++)
				payload[k] = (char)(rand_r(&seed) % 3 ? 0 : rand_r(&seed));
			if (rand_r(&seed) % 2)
				(void)ask(&core, door, at, "x", payload);
			else
				send_frame(door, (uint32_t)rand_r(&seed) % 24,
					(uint64_t)rand_r(&seed) % 8, payload, n);
		}
		(void)close(door);
	}
	ck_assert(answers_ping(&core));
	expect_as_root(&core, LIST, "{}", 200, "applications");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

/* A number of the core's /proc/PID/status: "VmRSS:" in kB. */
static long status_of(const char *name)
{
	cleanup_with(freep) char *path = xasprintf("/proc/%d/status", core.pid);
	cleanup_with(close_streamp) FILE *file = fopen(path, "re");
	char line[256];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			return strtol(line + strlen(name), NULL, 10);
	return -1;
}

START_TEST(a_door_that_does_not_read_is_not_listened_to)
{
	cleanup_with(buf_done) struct buf payload = { 0 };
	cleanup_with(freep) char *path = xcalloc(1, 4001);
	struct exchange_request request = {
		.method = "GET", .target = "/", .path = "/", .body = ""
	};
	struct timeval patience = { .tv_sec = 1 };
	size_t sent = 0;
	int door;

	core_begin(&core);
	door = give_door(&core, false);
	memset(path, '/', 4000);
	request.connection = connect_as(&core, door, false, 0);
	exchange_encode_request(&payload, &request);
	ck_assert_int_eq(
		setsockopt(door, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	for (; sent < 400000; sent++) {
		uint32_t header[4] = { htole32((uint32_t)payload.len),
			htole32(EXCHANGE_REQUEST), htole32((uint32_t)sent + 1000000), 0 };
		struct iovec iov[] = { { header, sizeof(header) },
			{ payload.data, payload.len } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

		if (sendmsg(door, &msg, MSG_NOSIGNAL) !=
			(ssize_t)(sizeof(header) + payload.len))
			break;
	}
	ck_assert_msg(sent < 400000, "the core took all of it");
	ck_assert_int_lt(status_of("VmRSS:"), 300 * 1024);
	ck_assert(answers_ping(&core));
	expect_as_root(&core, LIST, "{}", 200, "applications");
	(void)close(door);
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

/* ---- writes that fail */

START_TEST(what_could_not_be_kept_has_not_happened)
{
	const struct rlimit none = { 0, RLIM_INFINITY };
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	char key[64], secret[64];
	uint64_t at, poll_id;

	core_begin(&core);
	make_host(key, secret);
	at = connect_as(&core, core.net_fd, false, 0);
	poll_id = ask_signed(
		&core, core.net_fd, at, POLL, "{\"HostIdentifier\":\"" ARN "\"}", key, secret);
	expect_as_root(&core, LIST, "{}", 200, "\"applications\":[]");
	ck_assert_int_eq(prlimit(core.pid, RLIMIT_FSIZE, &none, NULL), 0);
	expect_as_root(
		&core, CREATE, "{\"applicationName\":\"shop\"}", 503, "nothing was changed");
	/* What waits rests on a state that was dropped: it is to ask again. */
	expect_reply(core.net_fd, poll_id, 200, "{}");
	expect_as_root(&core, LIST, "{}", 200, "\"applications\":[]");
	expect_as_root(&core, "CodeDeploy_20141006.GetApplication",
		"{\"applicationName\":\"shop\"}", 400, "ApplicationDoesNotExistException");
	ck_assert_int_eq(prlimit(core.pid, RLIMIT_FSIZE, &all, NULL), 0);
	expect_as_root(&core, CREATE, "{\"applicationName\":\"shop\"}", 200, "applicationId");
	expect_as_root(&core, "Drover_20261120.Why", "{}", 200, "WRITES_FAILED");
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

/* ---- what it can do */

/* link: "socket:[INODE]", which /proc/net/unix has in its seventh column. */
static bool is_unix_socket(const char *link)
{
	cleanup_with(close_streamp) FILE *file = fopen("/proc/net/unix", "re");
	unsigned long wanted = strtoul(link + strlen("socket:["), NULL, 10);
	char line[512];

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest = line;
		const char *word = NULL;

		for (int column = 0; column < 7;) {
			word = strsep(&rest, " ");
			if (!word)
				break;
			column += *word != '\0';
		}
		if (word && strtoul(word, NULL, 10) == wanted)
			return true;
	}
	return false;
}

START_TEST(the_core_has_no_socket_to_a_network)
{
	cleanup_with(freep) char *path = NULL;
	cleanup_with(closedirp) DIR *dir = NULL;
	size_t n_sockets = 0;
	struct dirent *entry;

	core_begin(&core);
	path = xasprintf("/proc/%d/fd", core.pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		char link[256] = "";

		if (readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1) < 0 ||
			strncmp(link, "socket:", 7) != 0)
			continue;
		n_sockets++;
		ck_assert_msg(is_unix_socket(link), "%s is of a network", link);
	}
	ck_assert_uint_ge(n_sockets, 3);
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

START_TEST(the_core_runs_behind_a_filter)
{
	core_begin(&core);
	ck_assert_int_eq(status_of("NoNewPrivs:"), 1);
	ck_assert_int_eq(status_of("Seccomp:"), 2);
	ck_assert_int_eq(core_stop(&core), 0);
}
END_TEST

TESTS("core", each_door_is_told_what_it_needs_and_no_more, what_was_answered_outlives_a_kill,
	the_first_administrators_key_is_taken_once, the_local_door_alone_may_speak_for_root,
	wrong_requests_are_told_so, a_poll_waits_until_its_client_leaves_or_the_core_ends,
	a_door_that_ends_takes_its_polls_along, what_no_door_sends_ends_the_door_alone,
	random_bytes_from_doors_never_end_the_core,
	a_door_that_does_not_read_is_not_listened_to, what_could_not_be_kept_has_not_happened,
	the_core_has_no_socket_to_a_network, the_core_runs_behind_a_filter)
