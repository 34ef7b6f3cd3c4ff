/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/runner/scope.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"
#include "hooks/record.h"
#include "hooks/runner/note.h"

enum { LIMIT_MS = 5000, LIMIT_NAME_PART = 100 };

static const char service[] = "org.freedesktop.systemd1";
static const char object[] = "/org/freedesktop/systemd1";
static const char manager[] = "org.freedesktop.systemd1.Manager";

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
	int r = sd_bus_message_read(message, "uoss", &id, &path, &unit, &result);

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
	int r = sd_bus_message_append(message, "(sv)", "Description", "s", description);

	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)", "Slice", "s", "drover-hooks.slice");
	if (r >= 0)
		r = sd_bus_message_append(
			message, "(sv)", "CollectMode", "s", "inactive-or-failed");
	/* The group below the scope is ours to make. */
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)", "Delegate", "b", 1);
	if (r >= 0)
		r = sd_bus_message_append(message, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	return r;
}

static int call_start(sd_bus *bus, const struct request *request, const char *unit,
	struct job *job, struct error *err)
{
	cleanup_with(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	cleanup_with(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	cleanup_with(sd_bus_error_free) sd_bus_error failure = SD_BUS_ERROR_NULL;
	const char *path = NULL;
	int r = sd_bus_message_new_method_call(
		bus, &message, service, object, manager, "StartTransientUnit");

	if (r >= 0)
		r = sd_bus_message_append(message, "ss", unit, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(message, 'a', "(sv)");
	if (r >= 0)
		r = append_properties(message, request);
	if (r >= 0)
		r = sd_bus_message_close_container(message);
	if (r >= 0)
		r = sd_bus_message_append(message, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(bus, message, (uint64_t)LIMIT_MS * 1000, &failure, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return error_set(
			err, r, "%s", failure.message ? failure.message : strerror(-r));
	job->path = xstrdup(path);
	return 0;
}

static int wait_for_job(sd_bus *bus, struct job *job, uint64_t until_ms, struct error *err)
{
	while (!job->result) {
		uint64_t now_ms = time_boot_ms();
		int r = sd_bus_process(bus, NULL);

		if (r == 0 && now_ms >= until_ms)
			return error_set(
				err, -ETIMEDOUT, "no answer within %d s", LIMIT_MS / 1000);
		if (r == 0)
			r = sd_bus_wait(bus, (until_ms - now_ms) * 1000);
		if (r < 0)
			return error_set(err, r, "%m");
	}
	if (strcmp(job->result, "done") != 0)
		return error_set(err, -EIO, "the job ended as \"%s\"", job->result);
	return 0;
}

static int start_scope(const struct request *request, const char *unit, struct error *err)
{
	cleanup_with(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	cleanup_with(job_done) struct job job = { 0 };
	uint64_t until_ms = time_boot_ms() + LIMIT_MS;
	int r = sd_bus_open_system(&bus);

	if (r < 0)
		return error_set(err, r, "no system bus: %m");
	(void)sd_bus_set_method_call_timeout(bus, (uint64_t)LIMIT_MS * 1000);
	/* Before the call, or the answer may have passed. */
	r = sd_bus_match_signal(
		bus, NULL, service, object, manager, "JobRemoved", on_job_removed, &job);
	if (r < 0)
		return error_set(err, r, "cannot listen to systemd: %m");
	r = call_start(bus, request, unit, &job, err);
	return r < 0 ? r : wait_for_job(bus, &job, until_ms, err);
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
	if (start_scope(request, unit, &err) < 0) {
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
