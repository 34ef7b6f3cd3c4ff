/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs one script by hook_start() as the agent would, from arguments NAME=VALUE:
 *
 *   bundle_dir location record_dir scripts_log   as in struct hook_spec
 *   deployments_log runas working_dir deployment_id event timeout_s sudo first_of_event
 *   lock=FILE            a file that is locked and whose lock the runner inherits
 *   cancel_after_ms=N    asks for the end after that time
 *   abandon_after_ms=N   ends without waiting, as a killed agent would
 *   env=NAME=VALUE       one more variable, any number of times
 *
 * Prints the result as one line of JSON. Exit status 0, or 2 if the hook could not be started.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/loop.h"
#include "hooks/environment.h"
#include "hooks/hook.h"

struct driver {
	struct loop *loop;
	struct hook *hook;
	struct loop_timer cancel;
};

static const char *argument(char **argv, const char *name, const char *otherwise)
{
	size_t n = strlen(name);

	for (char **at = argv + 1; *at; at++)
		if (strncmp(*at, name, n) == 0 && (*at)[n] == '=')
			return *at + n + 1;
	return otherwise;
}

static unsigned number(char **argv, const char *name, const char *otherwise)
{
	return (unsigned)strtoul(argument(argv, name, otherwise), NULL, 10);
}

static void print(const struct hook_result *result)
{
	cleanup_with(json_decrefp) json_t *json = json_pack(
		"{s:i, s:i, s:i, s:o, s:o, s:o, s:I}", "code", (int)result->code, "exit_status",
		result->exit_status, "signal", result->signal, "message",
		json_text(result->message), "log", json_text(result->log), "note",
		result->note ? json_text(result->note) : json_null(), "duration_ms",
		(json_int_t)result->duration_ms);
	cleanup_with(freep) char *text = json_dumps(json, 0);

	printf("%s\n", text);
	(void)fflush(stdout);
}

static void on_done(struct hook *hook, const struct hook_result *result, void *userdata)
{
	struct driver *driver = userdata;

	(void)hook;
	print(result);
	loop_exit(driver->loop, 0);
}

static void on_cancel_due(struct loop_timer *timer)
{
	hook_cancel(container_of(timer, struct driver, cancel)->hook);
}

static void on_abandon_due(struct loop_timer *timer)
{
	(void)timer;
	_exit(0);
}

static char **environment_of(char **argv, const struct hook_spec *spec)
{
	char **environment = hook_environment_new(&(struct hook_environment){
		.lifecycle_event = spec->event,
		.deployment_id = spec->deployment_id,
		.application_name = "app",
		.deployment_group_name = "fleet",
		.deployment_group_id = "group",
		.bundle_dir = spec->bundle_dir,
	});
	size_t n = 0, n_more = 0;

	while (environment[n])
		n++;
	for (char **at = argv + 1; *at; at++)
		n_more += strncmp(*at, "env=", 4) == 0;
	environment = xreallocarray(environment, n + n_more + 1, sizeof(*environment));
	for (char **at = argv + 1; *at; at++)
		if (strncmp(*at, "env=", 4) == 0)
			environment[n++] = xstrdup(*at + 4);
	environment[n] = NULL;
	return environment;
}

static int open_lock(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		fprintf(stderr, "busy\n");
		exit(3);
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct hook_spec spec = {
		.deployment_id = argument(argv, "deployment_id", "d-TEST"),
		.event = argument(argv, "event", "AfterInstall"),
		.location = argument(argv, "location", ""),
		.bundle_dir = argument(argv, "bundle_dir", ""),
		.working_dir = argument(argv, "working_dir", argument(argv, "bundle_dir", "/")),
		.timeout_s = number(argv, "timeout_s", "60"),
		.runas = argument(argv, "runas", NULL),
		.sudo = number(argv, "sudo", "0") != 0,
		.record_dir = argument(argv, "record_dir", ""),
		.scripts_log = argument(argv, "scripts_log", ""),
		.deployments_log = argument(argv, "deployments_log", NULL),
		.lock_fd = open_lock(argument(argv, "lock", NULL)),
		.first_of_event = number(argv, "first_of_event", "1") != 0,
	};
	unsigned cancel_after_ms = number(argv, "cancel_after_ms", "0");
	unsigned abandon_after_ms = number(argv, "abandon_after_ms", "0");
	cleanup_with(hook_environment_freep) char **environment = environment_of(argv, &spec);
	struct driver driver = { 0 };
	struct error err = ERROR_NONE;
	int r;

	(void)argc;
	spec.environment = environment;
	r = loop_new(&driver.loop, &err);
	if (r == 0)
		r = hook_start(&driver.hook, driver.loop, &spec, on_done, &driver, &err);
	/* The runner has it; an agent would go on holding its own until the deployment ends. */
	closep(&spec.lock_fd);
	if (r == 0 && cancel_after_ms)
		r = loop_timer_start(
			driver.loop, &driver.cancel, cancel_after_ms, on_cancel_due, &err);
	if (r == 0 && abandon_after_ms)
		r = loop_timer_start(
			driver.loop, &driver.cancel, abandon_after_ms, on_abandon_due, &err);
	if (r == 0)
		r = loop_run(driver.loop, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	loop_timer_stop(&driver.cancel);
	hook_free(driver.hook);
	loop_free(driver.loop);
	return r < 0 ? 2 : 0;
}
