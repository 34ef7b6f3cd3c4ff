/* SPDX-License-Identifier: Apache-2.0 */

/*
 * door-driver DOOR DIRECTORY [NAME=VALUE | LISTENER]...
 *
 * Parent and core of one door, for tests and measurements: opens listeners, starts the door
 * DOOR with certificates from DIRECTORY (server.pem, server.key, ca.pem), and answers requests
 * at once.
 *
 * LISTENER is tls, mtls (a client certificate is welcome), plain, or unix:PATH; the former
 * three get a port of 127.0.0.1. NAMEs are those of limits below. On standard output it says
 * "port NUMBER" for each of them and "door PID", then answers each line of standard input with
 * one:
 *
 *   state    what has happened so far, as NAME=VALUE words
 *   last     the connection that was announced last
 *   wake     answers all parked requests
 *   reload   sends settings from DIRECTORY anew
 *   close    closes all connections that were announced
 *   pause    reads nothing from the door until "resume"
 *   drain    tells the door to end; answers "exit STATUS" when it did
 *
 * Paths: /park waits for "wake"; /echo answers with the request; /big?N with N bytes; /close
 * closes; all else gets a fixed JSON text of 295 bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/process.h"
#include "controller/exchange.h"

enum { FILE_BYTES = 64 * 1024, BODY_BYTES = 295, MOST_BIG_BYTES = 2 * 1000 * 1000 };

struct ids {
	uint64_t *items;
	size_t n;
	size_t cap;
};

struct driver {
	struct loop *loop;
	struct channel channel;
	struct loop_child child;
	struct loop_io commands;
	struct buf line;
	const char *directory;
	struct exchange_settings settings;
	struct ids parked;
	struct ids open;
	uint64_t requests;
	uint64_t cancelled;
	uint64_t connections;
	uint64_t gone;
	struct exchange_counts counts;
	char *last;
	char body[BODY_BYTES + 1];
	struct buf text; /* scratch */
	bool is_draining;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "door-driver: %s: %m\n", what);
	exit(EXIT_FAILURE);
}

static void die_of(const struct error *err)
{
	(void)fprintf(stderr, "door-driver: %s\n", err->text);
	exit(EXIT_FAILURE);
}

static void ids_add(struct ids *ids, uint64_t id)
{
	xgrow(&ids->items, &ids->cap, ids->n);
	ids->items[ids->n++] = id;
}

static bool ids_remove(struct ids *ids, uint64_t id)
{
	for (size_t i = ids->n; i > 0; i--)
		if (ids->items[i - 1] == id) {
			ids->items[i - 1] = ids->items[--ids->n];
			return true;
		}
	return false;
}

static void send_answer(
	struct driver *driver, uint64_t id, const struct exchange_answer *answer)
{
	buf_clear(&driver->text);
	exchange_encode_answer(&driver->text, answer);
	if (channel_send(&driver->channel, EXCHANGE_ANSWER, id, driver->text.data,
		    driver->text.len, NULL, 0) < 0)
		die("cannot send an answer");
}

static void answer_text(
	struct driver *driver, uint64_t id, const char *text, size_t n, bool closes)
{
	static const struct header headers[] = { { "Content-Type", "application/json" } };
	struct exchange_answer answer; /* its decoder's part is large */

	answer.status = 200;
	answer.closes = closes;
	answer.headers = headers;
	answer.n_headers = 1;
	answer.body = text;
	answer.body_bytes = n;
	send_answer(driver, id, &answer);
}

static void echo(struct driver *driver, uint64_t id, const struct exchange_request *request)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	buf_printf(&text, "%s %s %s %s\n", request->method, request->target, request->path,
		request->query ? request->query : "-");
	for (size_t i = 0; i < request->n_headers; i++)
		buf_printf(
			&text, "%s: %s\n", request->headers[i].name, request->headers[i].value);
	buf_puts(&text, "\n");
	buf_append(&text, request->body, request->body_bytes);
	answer_text(driver, id, text.data, text.len, false);
}

static void answer_big(struct driver *driver, uint64_t id, const char *query)
{
	cleanup_with(freep) char *text = NULL;
	size_t n = query ? strtoul(query, NULL, 10) : 0;

	if (n > MOST_BIG_BYTES)
		n = MOST_BIG_BYTES;
	text = xmalloc(n + 1);
	memset(text, 'x', n);
	answer_text(driver, id, text, n, false);
}

static int on_request(struct driver *driver, uint64_t id, const struct channel_message *message,
	struct error *err)
{
	struct exchange_request request;
	int r = exchange_decode_request(&request, message->payload, message->n, err);

	if (r < 0)
		return r;
	driver->requests++;
	if (strcmp(request.path, "/park") == 0)
		ids_add(&driver->parked, id);
	else if (strcmp(request.path, "/echo") == 0)
		echo(driver, id, &request);
	else if (strcmp(request.path, "/big") == 0)
		answer_big(driver, id, request.query);
	else
		answer_text(driver, id, driver->body, BODY_BYTES,
			strcmp(request.path, "/close") == 0);
	return 0;
}

static int on_connection(struct driver *driver, uint64_t id,
	const struct channel_message *message, struct error *err)
{
	struct exchange_connection connection;
	char hex[DIGEST_HEX_SIZE] = "-";
	int r = exchange_decode_connection(&connection, message->payload, message->n, err);

	if (r < 0)
		return r;
	if (connection.has_certificate)
		digest_format(connection.certificate_sha256, hex);
	free(driver->last);
	driver->last = xasprintf("listener=%u peer=%s uid=%d tls=%d certificate=%s uri=%s",
		connection.listener, connection.peer,
		connection.is_unix ? (int)connection.uid : -1, connection.is_tls, hex,
		connection.certificate_uri);
	ids_add(&driver->open, id);
	driver->connections++;
	return 0;
}

static int on_message(
	struct channel *channel, struct channel_message *message, struct error *err)
{
	struct driver *driver = container_of(channel, struct driver, channel);

	switch ((enum exchange_message)message->type) {
	case EXCHANGE_CONNECTION:
		return on_connection(driver, message->id, message, err);
	case EXCHANGE_REQUEST:
		return on_request(driver, message->id, message, err);
	case EXCHANGE_CANCEL:
		driver->cancelled++;
		(void)ids_remove(&driver->parked, message->id);
		return exchange_decode_empty(message->payload, message->n, err);
	case EXCHANGE_GONE:
		if (!ids_remove(&driver->open, message->id))
			return error_set(err, -EPROTO, "a connection went that never came");
		driver->gone++;
		return exchange_decode_empty(message->payload, message->n, err);
	case EXCHANGE_COUNTS:
		return exchange_decode_counts(
			&driver->counts, message->payload, message->n, err);
	case EXCHANGE_SETTINGS:
	case EXCHANGE_ANSWER:
	case EXCHANGE_CLOSE:
	case EXCHANGE_DRAIN:
		break;
	}
	return error_set(err, -EPROTO, "a door does not say %u", message->type);
}

static void on_closed(struct channel *channel, const struct error *why)
{
	struct driver *driver = container_of(channel, struct driver, channel);

	/* A door's death is the child's to tell. */
	if (why->code < 0 && !driver->is_draining)
		(void)fprintf(stderr, "door-driver: channel: %s\n", why->text);
}

static const struct channel_events events = { on_message, on_closed, NULL };

/* ---- settings */

static char *read_file(const char *directory, const char *name)
{
	cleanup_with(freep) char *path = path_join(directory, name);
	struct error err = ERROR_NONE;
	struct buf text = { 0 };

	if (file_read(AT_FDCWD, path, FILE_BYTES, &text, &err) < 0)
		die_of(&err);
	return buf_steal(&text);
}

static void send_settings(struct driver *driver)
{
	cleanup_with(freep) char *certificate = read_file(driver->directory, "server.pem");
	cleanup_with(freep) char *key = read_file(driver->directory, "server.key");
	cleanup_with(freep) char *ca = read_file(driver->directory, "ca.pem");

	driver->settings.certificate_pem = certificate;
	driver->settings.key_pem = key;
	driver->settings.ca_pem = ca;
	buf_clear(&driver->text);
	exchange_encode_settings(&driver->text, &driver->settings);
	if (channel_send(&driver->channel, EXCHANGE_SETTINGS, 0, driver->text.data,
		    driver->text.len, NULL, 0) < 0)
		die("cannot send settings");
}

static void set_defaults(struct exchange_settings *settings)
{
	*settings = (struct exchange_settings){
		.limits = { 8192, 32768, 64, 1 << 20, 100000, 100000 },
		.deadlines = { 10000, 10000, 30000, 30000, 300000 },
		.answer_ms = 120000,
		.drain_ms = 1500,
		.n_ticket_keys = 1,
	};
	memset(settings->ticket_keys[0], 'k', EXCHANGE_TICKET_KEY_BYTES);
}

static bool set_value(struct exchange_settings *settings, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : 0;
	uint64_t value = equals ? strtoull(equals + 1, NULL, 10) : 0;
	const struct {
		const char *name;
		uint64_t *at;
	} values[] = {
		{ "body_bytes", &settings->limits.body_bytes },
		{ "handshake_ms", &settings->deadlines.handshake_ms },
		{ "header_ms", &settings->deadlines.header_ms },
		{ "body_ms", &settings->deadlines.body_ms },
		{ "write_ms", &settings->deadlines.write_ms },
		{ "idle_ms", &settings->deadlines.idle_ms },
		{ "answer_ms", &settings->answer_ms },
	};

	if (n == 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (strlen(values[i].name) == n && strncmp(word, values[i].name, n) == 0) {
			*values[i].at = value;
			return true;
		}
	if (strncmp(word, "connections", n) == 0)
		settings->limits.connections = (unsigned)value;
	else if (strncmp(word, "per_address", n) == 0)
		settings->limits.connections_per_address = (unsigned)value;
	else
		return false;
	return true;
}

/* ---- listeners */

static int listen_on(const struct sockaddr *address, socklen_t n)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, n) < 0 || listen(fd, 16384) < 0)
		die("cannot listen");
	return fd;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		die(path);
	strcpy(address.sun_path, path);
	return listen_on((struct sockaddr *)&address, sizeof(address));
}

static int listen_inet(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(address);
	int fd = listen_on((struct sockaddr *)&address, sizeof(address));

	if (getsockname(fd, (struct sockaddr *)&address, &n) < 0)
		die("cannot tell the port");
	printf("port %u\n", ntohs(address.sin_port));
	return fd;
}

static int listen_as(struct exchange_listener *ret, const char *word)
{
	*ret = (struct exchange_listener){ .is_tls = strcmp(word, "tls") == 0 ||
						     strcmp(word, "mtls") == 0,
		.client_certificate = strcmp(word, "mtls") == 0 ? CLIENT_CERTIFICATE_OPTIONAL
								: CLIENT_CERTIFICATE_OFF };
	if (strncmp(word, "unix:", 5) == 0)
		return listen_unix(word + 5);
	if (strncmp(word, "fd:", 3) == 0)
		return (int)strtol(word + 3, NULL, 10);
	if (!ret->is_tls && strcmp(word, "plain") != 0) {
		(void)fprintf(stderr, "door-driver: what is \"%s\"?\n", word);
		exit(2);
	}
	return listen_inet();
}

/* ---- commands */

static void print_state(const struct driver *driver)
{
	printf("core_parked=%zu core_requests=%" PRIu64 " core_cancelled=%" PRIu64
	       " core_connections=%" PRIu64 " core_gone=%" PRIu64,
		driver->parked.n, driver->requests, driver->cancelled, driver->connections,
		driver->gone);
	for (int i = 0; i < EXCHANGE_N_COUNTS; i++)
		printf(" %s=%" PRIu64, exchange_count_name((enum exchange_count)i),
			driver->counts.values[i]);
	printf("\n");
}

static void wake(struct driver *driver)
{
	for (size_t i = 0; i < driver->parked.n; i++)
		answer_text(driver, driver->parked.items[i], driver->body, BODY_BYTES, false);
	printf("woken %zu\n", driver->parked.n);
	driver->parked.n = 0;
}

static void tell(struct driver *driver, enum exchange_message type, uint64_t id)
{
	if (channel_send(&driver->channel, type, id, NULL, 0, NULL, 0) < 0)
		die("cannot tell the door");
}

static void close_all(struct driver *driver)
{
	for (size_t i = 0; i < driver->open.n; i++)
		tell(driver, EXCHANGE_CLOSE, driver->open.items[i]);
	printf("closed %zu\n", driver->open.n);
	driver->open.n = 0;
	driver->parked.n = 0;
}

static void obey(struct driver *driver, const char *line)
{
	if (strcmp(line, "state") == 0) {
		print_state(driver);
	} else if (strcmp(line, "last") == 0) {
		printf("%s\n", driver->last ? driver->last : "none");
	} else if (strcmp(line, "wake") == 0) {
		wake(driver);
	} else if (strcmp(line, "close") == 0) {
		close_all(driver);
	} else if (strcmp(line, "reload") == 0) {
		send_settings(driver);
		printf("reloaded\n");
	} else if (strcmp(line, "pause") == 0) {
		channel_pause(&driver->channel);
		printf("paused\n");
	} else if (strcmp(line, "resume") == 0) {
		channel_resume(&driver->channel);
		printf("resumed\n");
	} else if (strcmp(line, "drain") == 0) {
		driver->is_draining = true;
		tell(driver, EXCHANGE_DRAIN, 0);
	} else {
		printf("what is \"%s\"?\n", line);
	}
	(void)fflush(stdout);
}

static void on_command(struct loop_io *io, uint32_t revents)
{
	struct driver *driver = container_of(io, struct driver, commands);
	char data[4096];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));
	char *end;

	(void)revents;
	if (n <= 0) {
		/* Without a core the door ends; how, is our status. */
		loop_io_stop(io);
		channel_stop(&driver->channel);
		return;
	}
	buf_append(&driver->line, data, (size_t)n);
	while (driver->line.len > 0 && (end = strchr(driver->line.data, '\n'))) {
		cleanup_with(buf_done) struct buf rest = { 0 };

		*end = '\0';
		buf_puts(&rest, end + 1);
		obey(driver, driver->line.data);
		buf_clear(&driver->line);
		buf_append(&driver->line, rest.data, rest.len);
	}
}

static void on_exit_of_door(struct loop_child *child, const siginfo_t *info)
{
	struct driver *driver = container_of(child, struct driver, child);

	bool is_well = info->si_code == CLD_EXITED && info->si_status == 0;

	printf("exit %d\n", info->si_code == CLD_EXITED ? info->si_status : -info->si_status);
	loop_exit(driver->loop, is_well ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- beginning */

static void start_door(struct driver *driver, const char *path, const int *listeners)
{
	struct process_fd fds[SETTINGS_LIMIT_LISTENERS + 2];
	char *argv[SETTINGS_LIMIT_LISTENERS + 3] = { (char *)path, (char *)"3" };
	static const struct channel_limits limits = { EXCHANGE_PAYLOAD_BYTES, 0,
		4 * (size_t)EXCHANGE_QUEUE_BYTES };
	size_t n = driver->settings.n_listeners;
	struct error err = ERROR_NONE;
	int pair[2];
	pid_t pid;
	int pidfd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		die("socketpair");
	fds[0] = (struct process_fd){ STDERR_FILENO, STDERR_FILENO };
	fds[1] = (struct process_fd){ pair[1], 3 };
	for (size_t i = 0; i < n; i++) {
		fds[i + 2] = (struct process_fd){ listeners[i], 4 + (int)i };
		argv[i + 2] = xasprintf("%d", 4 + (int)i);
	}
	if (process_spawn(&pid, &pidfd,
		    &(struct process_options){ .path = path,
			    .argv = argv,
			    .environment = environ,
			    .fds = fds,
			    .n_fds = n + 2,
			    .cwd_fd = -1 },
		    &err) < 0 ||
		channel_start(&driver->channel, driver->loop, pair[0], &limits, &events, &err) <
			0 ||
		loop_child_start(driver->loop, &driver->child, pidfd, on_exit_of_door, &err) <
			0)
		die_of(&err);
	(void)close(pair[1]);
	for (size_t i = 0; i < n; i++)
		free(argv[i + 2]);
	printf("door %d\n", pid);
}

int main(int argc, char **argv)
{
	static struct driver driver;
	int listeners[SETTINGS_LIMIT_LISTENERS];
	struct error err = ERROR_NONE;

	if (argc < 4)
		return 2;
	driver.directory = argv[2];
	memset(driver.body, ' ', BODY_BYTES);
	driver.body[0] = '{';
	driver.body[BODY_BYTES - 1] = '}';
	set_defaults(&driver.settings);
	for (int i = 3; i < argc; i++) {
		size_t n = driver.settings.n_listeners;

		if (set_value(&driver.settings, argv[i]))
			continue;
		if (n == SETTINGS_LIMIT_LISTENERS)
			return 2;
		listeners[n] = listen_as(&driver.settings.listeners[n], argv[i]);
		driver.settings.n_listeners++;
	}
	if (loop_new(&driver.loop, &err) < 0 ||
		loop_io_start(driver.loop, &driver.commands, STDIN_FILENO, EPOLLIN, on_command,
			&err) < 0)
		die_of(&err);
	start_door(&driver, argv[1], listeners);
	send_settings(&driver);
	(void)fflush(stdout);
	return loop_run(driver.loop, &err);
}
