/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deployment_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/root.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/time.h"
#include "hooks/environment.h"
#include "hooks/hook.h"
#include "hooks/lifecycle.h"

/* The events whose failure an operator may choose to ignore: they come from the old bundle. */
static bool is_stop_event(const char *event)
{
	int known = lifecycle_find(event);

	return known == EVENT_APPLICATION_STOP || known == EVENT_BEFORE_BLOCK_TRAFFIC ||
	       known == EVENT_AFTER_BLOCK_TRAFFIC;
}

static bool may_ignore_failure(const struct deployment *deployment)
{
	return (deployment->request->ignore_stop_failures || deployment->request->rollback) &&
	       !deployment->cancelled && is_stop_event(deployment->event.name);
}

/* "d-7QX2M41KZ (/srv/shop-1.zip)" */
static char *describe_bundle(const struct deployment *deployment)
{
	const struct record *record = history_find(
		&deployment->history, deployment->event.bundle_of);

	return record && record->location
		       ? xasprintf("%s (%s)", deployment->event.bundle_of, record->location)
		       : xstrdup(deployment->event.bundle_of);
}

/* Ends the event in failure, or in a warning where that is allowed. */
static void fail_event(
	struct deployment *deployment, int code, const char *script, const char *text)
{
	cleanup_with(freep) char *whose = deployment->event.bundle_of
						  ? describe_bundle(deployment)
						  : NULL;
	cleanup_with(freep) char *message = NULL;

	if (may_ignore_failure(deployment)) {
		deployment_warn(deployment,
			"%s of the earlier deployment %s failed, which is ignored: %s",
			deployment->event.name, whose ? whose : "", text);
		deployment_event_ended(deployment, false);
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	if (whose)
		message = xasprintf("%s; it comes from the bundle of the earlier deployment "
				    "%s: go on without "
				    "it by --ignore-stop-failures, or for good by drover-agent "
				    "forget --group %s",
			text, whose, deployment->request->group);
	deployment_fail(deployment,
		deployment->cancelled ? DEPLOYMENT_CANCELLED : DEPLOYMENT_FAILED, code, script,
		"%s", message ? message : text);
	deployment_event_ended(deployment, true);
	deployment_input(deployment, INPUT_FAILED);
}

/* ---- which bundle */

static int point_at(
	struct deployment *deployment, enum lifecycle_bundle bundle, struct error *err)
{
	const char *kind = bundle == BUNDLE_MOST_RECENT ? "_most_recent_install"
							: "_last_successful_install";
	cleanup_with(freep) char *directory = NULL;
	int r;

	if (bundle == BUNDLE_CURRENT || deployment->is_archived) {
		deployment->event.directory = xstrdup(deployment->directory);
		deployment->event.archive = xstrdup(deployment->archive);
		deployment->event.spec = deployment->spec;
		return 0;
	}
	r = root_read_pointer(
		deployment->root, deployment->request->group, kind, &directory, err);
	if (r < 0 || !directory)
		return r;
	deployment->event.archive = path_join(directory, "deployment-archive");
	deployment->event.bundle_of = xstrdup(path_base(directory));
	deployment->event.directory = take(&directory);
	return 0;
}

static int load_named(struct deployment *deployment, int fd, const char *name, char **problem)
{
	cleanup_with(diagnostics_done) struct diagnostics problems = { 0 };
	int r = appspec_load(&deployment->event.spec, fd, name, &problems);

	free(*problem);
	*problem = r < 0 ? diagnostics_first_error(&problems) : NULL;
	return r;
}

/* An earlier bundle has its own appspec's name; the reference asks for the current one's. */
static int load_earlier_spec(struct deployment *deployment, struct error *err)
{
	cleanup_with(closep) int fd = open(
		deployment->event.archive, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const struct record *record = history_find(
		&deployment->history, deployment->event.bundle_of);
	const char *name = record ? record->appspec : deployment->request->appspec;
	cleanup_with(freep) char *problem = NULL;
	int r;

	if (fd < 0)
		return error_set(
			err, -errno, "its bundle %s is gone (%m)", deployment->event.archive);
	r = load_named(deployment, fd, name, &problem);
	if (r == -ENOENT && name)
		r = load_named(deployment, fd, NULL, &problem);
	return r < 0 ? error_set(err, r, "%s: %s", deployment->event.archive,
			       problem ? problem : "no usable appspec")
		     : 0;
}

static int find_hook(struct deployment *deployment, struct error *err)
{
	int event = lifecycle_find(deployment->event.name);
	enum lifecycle_bundle bundle = event < 0 ? BUNDLE_CURRENT
						 : lifecycle_bundle_of(
							   (enum lifecycle_event)event, false);
	int r = point_at(deployment, bundle, err);

	if (r == 0 && deployment->event.bundle_of)
		r = load_earlier_spec(deployment, err);
	if (r == 0 && deployment->event.spec)
		deployment->event.hook = appspec_find_hook(
			deployment->event.spec, deployment->event.name);
	if (deployment->event.hook && deployment->event.hook->n_scripts == 0)
		deployment->event.hook = NULL;
	return r;
}

bool deployment_has_early_scripts(struct deployment *deployment)
{
	const struct events *events = deployment->request->events;
	bool found = false;

	for (size_t i = 0; i < events->n && !found; i++) {
		if (lifecycle_find(events->names[i]) == EVENT_INSTALL)
			break;
		deployment->event.name = events->names[i];
		found = find_hook(deployment, NULL) == 0 && deployment->event.hook;
		deployment_forget_event(deployment);
	}
	return found;
}

/* ---- before the first script */

static bool is_number(const char *text)
{
	for (; isdigit((unsigned char)*text); text++)
		;
	return *text == '\0';
}

static int check_users(
	const struct deployment *deployment, const char **ret_script, struct error *err)
{
	const struct appspec_hook *hook = deployment->event.hook;

	for (size_t i = 0; i < hook->n_scripts; i++) {
		const char *user = hook->scripts[i].runas;

		if (!user || getpwnam(user) || (is_number(user) && user[0]))
			continue;
		*ret_script = hook->scripts[i].location;
		return error_set(err, -ENOENT,
			"runas: there is no user '%s' on this host; no "
			"script of %s was run",
			user, deployment->event.name);
	}
	return 0;
}

static int record_event(struct deployment *deployment, struct error *err)
{
	struct record *record = deployment_record(deployment);

	record_set(&record->event, deployment->event.name);
	return deployment_save(deployment, err);
}

/* ---- scripts */

static void start_script(struct deployment *deployment);

static void on_script_done(struct hook *hook, const struct hook_result *result, void *userdata)
{
	struct deployment *deployment = userdata;
	const struct appspec_script *script =
		&deployment->event.hook->scripts[deployment->event.script];
	bool failed = result->code != HOOK_SUCCEEDED || deployment->cancelled;
	cleanup_with(freep) char *message = xstrdup(result->message);
	int code = failed && result->code == HOOK_SUCCEEDED ? HOOK_SCRIPT_FAILED
							    : (int)result->code;

	if (result->log)
		tail_add(&deployment->event.log, result->log, strlen(result->log));
	if (result->note)
		deployment_warn(deployment, "%s: %s", script->location, result->note);
	deployment_notify(deployment, &(struct deployment_notice){ .kind = NOTICE_SCRIPT_ENDED,
					      .event = deployment->event.name,
					      .script = script->location,
					      .bundle_of = deployment->event.bundle_of,
					      .text = result->message,
					      .failed = failed,
					      .duration_ms = result->duration_ms });
	hook_free(hook);
	deployment->hook = NULL;
	if (failed) {
		if (deployment->cancelled) {
			free(message);
			message = xasprintf("cancelled: %s", deployment->cancelled);
		}
		fail_event(deployment, code, script->location, message);
		return;
	}
	deployment->event.script++;
	start_script(deployment);
}

static char **make_environment(const struct deployment *deployment)
{
	const struct deployment_request *request = deployment->request;

	return hook_environment_new(&(struct hook_environment){
		.lifecycle_event = deployment->event.name,
		.deployment_id = request->id,
		.application_name = request->application ? request->application
							 : request->location,
		.deployment_group_name = request->group_name,
		.deployment_group_id = request->group,
		.bundle_dir = deployment->event.archive,
		.previous_bundle_dir = deployment->previous_archive,
	});
}

static int start_hook(
	struct deployment *deployment, const struct appspec_script *script, struct error *err)
{
	const struct deployment_request *request = deployment->request;
	cleanup_with(hook_environment_freep) char **environment = make_environment(deployment);
	cleanup_with(freep) char *record_dir = xasprintf("%s/hooks/%02zu-%s-%zu",
		deployment->directory, deployment->n_begun, deployment->event.name,
		deployment->event.script + 1);
	cleanup_with(freep) char *scripts_log = path_join(
		deployment->directory, "logs/scripts.log");
	cleanup_with(freep) char *deployments_log = path_join(
		deployment->root->path, "deployment-logs/codedeploy-agent-deployments.log");

	return hook_start(&deployment->hook, deployment->loop,
		&(struct hook_spec){
			.deployment_id = request->id,
			.event = deployment->event.name,
			.location = script->location,
			.bundle_dir = deployment->event.archive,
			.working_dir = request->start_in_root ? "/" : deployment->event.archive,
			.timeout_s = script->timeout_s,
			.runas = script->runas,
			.sudo = script->sudo,
			.environment = environment,
			.record_dir = record_dir,
			.scripts_log = scripts_log,
			.deployments_log = request->deployments_log ? deployments_log : NULL,
			.lock_fd = deployment->lock_fd,
			.first_of_event = deployment->event.script == 0,
		},
		on_script_done, deployment, err);
}

static void start_script(struct deployment *deployment)
{
	const struct appspec_script *script;
	struct error err = ERROR_NONE;

	if (deployment->event.script == deployment->event.hook->n_scripts) {
		deployment_event_ended(deployment, false);
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	script = &deployment->event.hook->scripts[deployment->event.script];
	deployment_notify(
		deployment, &(struct deployment_notice){ .kind = NOTICE_SCRIPT_STARTED,
				    .event = deployment->event.name,
				    .script = script->location,
				    .bundle_of = deployment->event.bundle_of });
	if (start_hook(deployment, script, &err) < 0)
		fail_event(deployment, HOOK_SCRIPT_FAILED, script->location, err.text);
}

void deployment_enter_hooks(struct deployment *deployment)
{
	const char *script = NULL;
	struct error err = ERROR_NONE;
	int r = find_hook(deployment, &err);

	if (r < 0) {
		fail_event(deployment, HOOK_UNKNOWN_ERROR, NULL, err.text);
		return;
	}
	if (!deployment->event.hook) {
		deployment_event_ended(deployment, false);
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	r = check_users(deployment, &script, &err);
	if (r == 0)
		r = record_event(deployment, &err);
	if (r < 0) {
		fail_event(deployment, HOOK_SCRIPT_FAILED, script, err.text);
		return;
	}
	start_script(deployment);
}
