/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/program.h"
#include "controller/door/confine.h"
#include "controller/door/door.h"

/*
 * drover-door CHANNEL LISTENER...: started by droverd with these descriptors. It meets no byte
 * of a client before it has locked itself in and the core has said how to serve.
 */
static int parse_fd(const char *text)
{
	char *end;
	long fd;

	errno = 0;
	fd = strtol(text, &end, 10);
	return errno != 0 || end == text || *end || fd < 3 || fd > 1 << 20 ? -1 : (int)fd;
}

static int parse_all(int *ret, int argc, char **argv)
{
	if (argc < 3 || argc > SETTINGS_LIMIT_LISTENERS + 2)
		return -EINVAL;
	for (int i = 1; i < argc; i++) {
		ret[i - 1] = parse_fd(argv[i]);
		if (ret[i - 1] < 0)
			return -EINVAL;
	}
	return 0;
}

/* As many connections as the service may have. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer will do */
}

/* The C library reads the time zone's file with the first date, even of UTC. */
static void prepare_dates(void)
{
	time_t epoch = 0;
	struct tm tm;

	tzset();
	(void)gmtime_r(&epoch, &tm);
}

struct drain_signal {
	struct loop_signal signal;
	struct door *door;
};

static void on_terminate(struct loop_signal *signal, int number)
{
	(void)number;
	door_drain(container_of(signal, struct drain_signal, signal)->door);
}

static int serve(const int *fds, size_t n_listeners, struct error *err)
{
	cleanup_with(door_freep) struct door *door = NULL;
	struct drain_signal drain = { 0 };
	int r = tls_prepare(err);

	if (r == 0)
		r = door_new(&door, fds[0], fds + 1, n_listeners, err);
	if (r < 0)
		return r;
	assert(door);
	drain.door = door;
	r = loop_signal_start(door->loop, &drain.signal, SIGTERM, on_terminate, err);
	if (r == 0)
		r = confine(err);
	if (r == 0)
		r = door_run(door);
	loop_signal_stop(&drain.signal);
	return r;
}

int main(int argc, char **argv)
{
	int fds[SETTINGS_LIMIT_LISTENERS + 1];
	struct error err = ERROR_NONE;
	int r;

	if (parse_all(fds, argc, argv) < 0) {
		(void)fprintf(stderr, "%s is started by droverd, not by hand\n", argv[0]);
		return 2;
	}
	program_start();
	log_open_stream();
	/* Of a terminal they go to all of us; what is to be done about it the parent says. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	raise_fd_limit();
	prepare_dates();
	r = serve(fds, (size_t)argc - 2, &err);
	if (r < 0)
		log_error("a door could not start: %s", err.text);
	return r < 0 ? EXIT_FAILURE : r;
}
