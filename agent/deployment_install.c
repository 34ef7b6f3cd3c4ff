/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deployment_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/install.h"
#include "agent/worker.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/size.h"
#include "hooks/hook.h"

/* Another group's install holds it, which takes as long as its files do. */
enum { STATE_LOCK_WAIT_MS = 30 * 60 * 1000 };

/* ---- INSTALL: in the worker */

/* An only error is said by the failure itself. */
static void send_problems(struct worker_link *link, struct diagnostics *problems)
{
	diagnostics_sort(problems);
	for (size_t i = 0; i < problems->n; i++) {
		cleanup_with(freep) char *text = diagnostic_format(&problems->items[i]);

		if (problems->items[i].severity != SEVERITY_ERROR || problems->n_errors > 1)
			worker_send_finding(link, problems->items[i].severity, text);
	}
}

static void on_progress(uint64_t bytes, size_t files, void *userdata)
{
	worker_send_progress(userdata, bytes, files);
}

static void send_totals(struct worker_link *link, const struct plan *plan)
{
	struct plan_totals totals = plan_totals(plan);
	cleanup_with(freep) char *text = NULL;
	char size[16];

	size_format(totals.bytes, size);
	text = xasprintf("%zu new, %zu replaced, %zu same, %zu removed, %s written",
		totals.n_new, totals.n_replaced, totals.n_same, totals.n_removed, size);
	worker_send_summary(link, text);
}

static void send_remark(struct worker_link *link, const char *remark)
{
	cleanup_with(freep) char *text = xasprintf("warning: %s", remark);

	worker_send_finding(link, SEVERITY_WARNING, text);
}

static int plan(struct plan **ret, struct worker_link *link,
	const struct install_request *request, enum plan_stage stage, struct error *err)
{
	cleanup_with(diagnostics_done) struct diagnostics problems = { 0 };
	cleanup_with(freep) char *first = NULL;
	int r = install_plan(ret, request, stage, &problems, err);

	send_problems(link, &problems);
	first = diagnostics_first_error(&problems);
	if (first)
		return error_set(err, r < 0 ? r : -EINVAL, "%s%s", first,
			problems.n_errors > 1 ? " (and more, see above)" : "");
	return r;
}

static struct install_request request_of(
	const struct deployment *deployment, const char *bundle_dir)
{
	const struct deployment_request *request = deployment->request;

	return (struct install_request){
		.root = deployment->root,
		.group = request->group,
		.deployment = request->id,
		.bundle_dir = bundle_dir,
		.spec = deployment->spec,
		.behavior = request->behavior,
		.install_root = request->install_root,
		.rollback = request->rollback,
	};
}

static int install(struct worker_link *link, void *argument, struct error *err)
{
	const struct deployment *deployment = argument;
	const struct install_request request = request_of(deployment, deployment->archive);
	cleanup_with(plan_freep) struct plan *planned = NULL;
	cleanup_with(closep) int lock_fd = -1;
	int r = install_lock(deployment->root, STATE_LOCK_WAIT_MS, &lock_fd, err);

	if (r == 0)
		r = plan(&planned, link, &request, PLAN_AT_INSTALL, err);
	if (r == 0)
		r = install_run(planned, on_progress, link, err);
	if (r < 0)
		return r;
	if (err->text[0] != '\0')
		send_remark(link, err->text);
	send_totals(link, planned);
	return 0;
}

/* ---- CHECK: in the worker */

static int plan_ahead(struct worker_link *link, void *argument, struct error *err)
{
	const struct deployment *deployment = argument;
	struct install_request request = request_of(deployment, deployment->staging);
	cleanup_with(plan_freep) struct plan *planned = NULL;
	cleanup_with(closep) int lock_fd = -1;
	int r = install_lock(deployment->root, STATE_LOCK_WAIT_MS, &lock_fd, err);

	request.skip_compare = true;
	return r < 0 ? r : plan(&planned, link, &request, PLAN_BEFORE_HOOKS, err);
}

int deployment_plan_ahead(struct deployment *deployment,
	void (*on_done)(int r, const struct error *err, void *userdata), struct error *err)
{
	struct worker_callbacks callbacks;

	deployment_worker_callbacks(deployment, &callbacks, on_done);
	return worker_start(&deployment->worker, deployment->loop, "planning", plan_ahead,
		deployment, &callbacks, err);
}

/* ---- INSTALL: here */

static void on_installed(int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;

	worker_free(take(&deployment->worker));
	if (r >= 0) {
		deployment_event_ended(deployment, false);
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	if (deployment->cancelled)
		deployment_fail(deployment, DEPLOYMENT_CANCELLED, HOOK_UNKNOWN_ERROR, NULL,
			"cancelled: %s", deployment->cancelled);
	else
		deployment_fail(deployment, DEPLOYMENT_FAILED, HOOK_UNKNOWN_ERROR, NULL, "%s",
			err->text);
	deployment_event_ended(deployment, true);
	deployment_input(deployment, INPUT_FAILED);
}

void deployment_enter_install(struct deployment *deployment)
{
	struct worker_callbacks callbacks;
	struct error err = ERROR_NONE;

	deployment_worker_callbacks(deployment, &callbacks, on_installed);
	if (worker_start(&deployment->worker, deployment->loop, "the install", install,
		    deployment, &callbacks, &err) < 0)
		on_installed(err.code, &err, deployment);
}

/* ---- UNDO: a failed install has undone itself; one that was killed has not */

static int undo(struct worker_link *link, void *argument, struct error *err)
{
	const struct deployment *deployment = argument;
	enum install_recovery recovery = RECOVERY_NONE;
	cleanup_with(closep) int lock_fd = -1;
	int r = install_lock(deployment->root, STATE_LOCK_WAIT_MS, &lock_fd, err);

	if (r == 0)
		r = install_recover(
			deployment->root, deployment->request->group, &recovery, err);
	if (r == 0 && err->text[0] != '\0')
		send_remark(link, err->text);
	return r < 0 ? r : (int)recovery;
}

static void on_undone(int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;
	char *message = deployment->result.message;

	worker_free(take(&deployment->worker));
	if (r == RECOVERY_FINISHED)
		deployment->result.message = xasprintf("%s; it came too late to undo: all "
						       "files of the new revision are in place",
			message);
	else if (r == RECOVERY_UNDONE)
		deployment->result.message = xasprintf("%s; the install was undone", message);
	else if (r < 0)
		deployment->result.message = xasprintf("%s; and it could not be undone, which "
						       "the next command tries again: %s",
			message, err->text);
	if (message != deployment->result.message)
		free(message);
	deployment_input(deployment, INPUT_DONE);
}

void deployment_enter_undo(struct deployment *deployment)
{
	struct worker_callbacks callbacks;
	struct error err = ERROR_NONE;

	deployment_worker_callbacks(deployment, &callbacks, on_undone);
	if (worker_start(&deployment->worker, deployment->loop, "undoing the install", undo,
		    deployment, &callbacks, &err) < 0)
		on_undone(err.code, &err, deployment);
}
