/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/scope.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "hooks/record.h"
#include "hooks/runner/note.h"

enum { LIMIT_MS = 5000, LIMIT_NAME_PART = 100 };

static const char service[] = "org.freedesktop.systemd1";
static const char object[] = "/org/freedesktop/systemd1";
static const char manager[] = "org.freedesktop.systemd1.Manager";

/*
 * Loaded only where there is a systemd to talk to, and only in the child that talks to it:
 * mapping the library and the seven that it needs costs as much as all else that a runner does.
 */
/* clang-format off */
#define BUS_FUNCTIONS(each)                     \
	each(sd_bus_open_system)                \
	each(sd_bus_close_unref)                \
	each(sd_bus_match_signal)               \
	each(sd_bus_call)                       \
	each(sd_bus_process)                    \
	each(sd_bus_wait)                       \
	each(sd_bus_message_new_method_call)    \
	each(sd_bus_message_append)             \
	each(sd_bus_message_open_container)     \
	each(sd_bus_message_close_container)    \
	each(sd_bus_message_read)               \
	each(sd_bus_message_unref)              \
	each(sd_bus_error_free)

/* NOLINTNEXTLINE(bugprone-macro-parentheses): it is a declaration */
#define MEMBER(name) __typeof__(&(name)) name;
#define LOOK_UP(name) && (bus_calls.name = (__typeof__(&(name)))dlsym(library, #name))
/* clang-format on */

static struct {
	BUS_FUNCTIONS(MEMBER)
} bus_calls;

static int load_library(struct error *err)
{
	void *library = dlopen("libsystemd.so.0", RTLD_LAZY | RTLD_LOCAL);

	if (library BUS_FUNCTIONS(LOOK_UP))
		return 0;
	return error_set(err, -ENOSYS, "cannot load libsystemd: %s", dlerror());
}

static void close_bus(sd_bus **bus)
{
	if (*bus)
		(void)bus_calls.sd_bus_close_unref(*bus);
}

static void drop_message(sd_bus_message **message)
{
	if (*message)
		(void)bus_calls.sd_bus_message_unref(*message);
}

static void drop_failure(sd_bus_error *failure)
{
	bus_calls.sd_bus_error_free(failure);
}

struct job {
	char *path;   /* of the job that makes the scope, once known */
	char *result; /* "done", once it is over */
};

static void job_done(struct job *job)
{
	free(job->path);
	free(job->result);
}

/* A unit name may hold few characters; the deployment's id and the event hold no others, unless
 * somebody means harm. */
static void append_part(struct buf *name, const char *text)
{
	for (size_t i = 0; i < LIMIT_NAME_PART && text[i]; i++)
		buf_putc(name,
			isalnum((unsigned char)text[i]) || text[i] == '-' ? text[i] : '_');
}

static char *unit_name(const struct request *request)
{
	struct buf name = { 0 };

	buf_puts(&name, "drover-hook-");
	append_part(&name, request->deployment_id);
	buf_putc(&name, '-');
	append_part(&name, request->event);
	buf_printf(&name, "-%d.scope", (int)getpid());
	return buf_steal(&name);
}

static int on_job_removed(sd_bus_message *message, void *userdata, sd_bus_error *failure)
{
	struct job *job = userdata;
	const char *path = NULL, *unit = NULL, *result = NULL;
	uint32_t id;
	int r = bus_calls.sd_bus_message_read(message, "uoss", &id, &path, &unit, &result);

	(void)failure;
	if (r < 0)
		return r;
	if (job->path && strcmp(job->path, path) == 0 && !job->result)
		job->result = xstrdup(result);
	return 0;
}

static int append_properties(sd_bus_message *message, const struct request *request)
{
	cleanup_with(freep) char *description = xasprintf("%s script %s of deployment %s",
		request->event, request->location, request->deployment_id);
	int r = bus_calls.sd_bus_message_append(
		message, "(sv)", "Description", "s", description);

	if (r >= 0)
		r = bus_calls.sd_bus_message_append(
			message, "(sv)", "Slice", "s", "drover-hooks.slice");
	if (r >= 0)
		r = bus_calls.sd_bus_message_append(
			message, "(sv)", "CollectMode", "s", "inactive-or-failed");
	/* The group below the scope is ours to make. */
	if (r >= 0)
		r = bus_calls.sd_bus_message_append(message, "(sv)", "Delegate", "b", 1);
	if (r >= 0)
		r = bus_calls.sd_bus_message_append(
			message, "(sv)", "PIDs", "au", 1, (uint32_t)getppid());
	return r;
}

static int call_start(sd_bus *bus, const struct request *request, const char *unit,
	struct job *job, struct error *err)
{
	cleanup_with(drop_message) sd_bus_message *message = NULL;
	cleanup_with(drop_message) sd_bus_message *reply = NULL;
	cleanup_with(drop_failure) sd_bus_error failure = SD_BUS_ERROR_NULL;
	const char *path = NULL;
	int r = bus_calls.sd_bus_message_new_method_call(
		bus, &message, service, object, manager, "StartTransientUnit");

	if (r >= 0)
		r = bus_calls.sd_bus_message_append(message, "ss", unit, "fail");
	if (r >= 0)
		r = bus_calls.sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = append_properties(message, request);
	if (r >= 0)
		r = bus_calls.sd_bus_message_close_container(message);
	if (r >= 0)
		r = bus_calls.sd_bus_message_append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = bus_calls.sd_bus_call(
			bus, message, (uint64_t)LIMIT_MS * 1000, &failure, &reply);
	if (r >= 0)
		r = bus_calls.sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return error_set(
			err, r, "%s", failure.message ? failure.message : strerror(-r));
	job->path = xstrdup(path);
	return 0;
}

static int wait_for_job(sd_bus *bus, const struct job *job, struct error *err)
{
	while (!job->result) {
		int r = bus_calls.sd_bus_process(bus, NULL);

		if (r == 0)
			r = bus_calls.sd_bus_wait(bus, UINT64_MAX);
		if (r < 0)
			return error_set(err, r, "lost the system bus: %m");
	}
	if (strcmp(job->result, "done") != 0)
		return error_set(err, -EIO, "the job ended as \"%s\"", job->result);
	return 0;
}

/* For the parent process. */
static int start_scope(const struct request *request, const char *unit, struct error *err)
{
	cleanup_with(close_bus) sd_bus *bus = NULL;
	cleanup_with(job_done) struct job job = { 0 };
	int r = load_library(err);

	if (r < 0)
		return r;
	r = bus_calls.sd_bus_open_system(&bus);
	if (r < 0)
		return error_set(err, r, "no system bus: %m");
	/* Before the call, or the answer may have passed. */
	r = bus_calls.sd_bus_match_signal(
		bus, NULL, service, object, manager, "JobRemoved", on_job_removed, &job);
	if (r < 0)
		return error_set(err, r, "cannot listen to systemd: %m");
	r = call_start(bus, request, unit, &job, err);
	return r < 0 ? r : wait_for_job(bus, &job, err);
}

/* Until the child is done or the time is up; what it wrote is why it failed. */
static int wait_for_child(int fd, struct error *err)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char text[sizeof(err->text)];
	ssize_t n;

	if (poll(&readable, 1, LIMIT_MS) <= 0)
		return error_set(err, -ETIMEDOUT, "no answer within %d s", LIMIT_MS / 1000);
	n = read(fd, text, sizeof(text) - 1);
	if (n == 0)
		return 0;
	text[n > 0 ? n : 0] = '\0';
	return error_set(err, -EIO, "%s", text);
}

/* In a child, since the library waits without limit for a bus that hangs while it connects. */
static int ask_for_scope(const struct request *request, const char *unit, struct error *err)
{
	int status = 0;
	int ends[2];
	pid_t child;
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, -errno, "cannot make a pipe: %m");
	child = fork();
	if (child == 0) {
		r = start_scope(request, unit, err);
		if (r < 0)
			(void)file_write_all(ends[1], err->text, strlen(err->text));
		_exit(r < 0);
	}
	(void)close(ends[1]);
	r = child < 0 ? error_set(err, -EAGAIN, "cannot fork") : wait_for_child(ends[0], err);
	(void)close(ends[0]);
	if (child < 0)
		return r;
	if (r < 0)
		(void)kill(child, SIGKILL);
	if (waitpid(child, &status, 0) == child && status != 0 && r == 0)
		return error_set(err, -EIO, "the process that asked for it died");
	return r;
}

/* The path behind "0::" or "1:name=systemd:" in /proc/self/cgroup, or NULL. */
static char *own_group(const char *key)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	char *rest, *line;

	if (file_read(AT_FDCWD, "/proc/self/cgroup", 65536, &text, NULL) < 0)
		return NULL;
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		char *at = strchr(line, ':');

		if (at && strncmp(at + 1, key, strlen(key)) == 0)
			return xstrdup(at + 1 + strlen(key));
	}
	return NULL;
}

static char *make_script_group(const char *mount, const char *key, const char *unit)
{
	cleanup_with(freep) char *group = own_group(key);
	cleanup_with(freep) char *scope = NULL;
	cleanup_with(freep) char *path = NULL;

	/* Only the group that systemd has just made for us is ours. */
	if (!group || strcmp(path_base(group), unit) != 0)
		return NULL;
	scope = path_join(mount, group);
	path = path_join(scope, "script");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return NULL;
	return take(&path);
}

char *scope_enter(const struct request *request, struct buf *notes)
{
	cleanup_with(freep) char *unit = NULL;
	struct error err = ERROR_NONE;
	char *path;

	if (access("/run/systemd/system", F_OK) < 0)
		return NULL;
	unit = unit_name(request);
	if (ask_for_scope(request, unit, &err) < 0) {
		note(notes,
			"no systemd scope for the script (%s): stopping the agent's service "
			"may "
			"end what it leaves running",
			err.text);
		return NULL;
	}
	/* Unified, hybrid, legacy. */
	path = make_script_group("/sys/fs/cgroup", ":", unit);
	if (!path)
		path = make_script_group("/sys/fs/cgroup/unified", ":", unit);
	if (!path)
		path = make_script_group("/sys/fs/cgroup/systemd", "name=systemd:", unit);
	return path;
}
