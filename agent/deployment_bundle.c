/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deployment_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/bundle_check.h"
#include "agent/events.h"
#include "agent/revision.h"
#include "agent/root.h"
#include "agent/worker.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/size.h"
#include "base/time.h"
#include "hooks/hook.h"
#include "hooks/lifecycle.h"

/* ---- UNPACK */

static void on_unpack_progress(
	struct bundle_unpack *unpack, const struct bundle_progress *progress, void *userdata)
{
	struct deployment *deployment = userdata;

	(void)unpack;
	deployment->unpacked = *progress;
	deployment_progress(deployment, "unpacking",
		progress->total_bytes ? progress->read_bytes : progress->bytes,
		progress->entries, progress->total_bytes);
}

static void on_unpack_warning(struct bundle_unpack *unpack, const char *text, void *userdata)
{
	(void)unpack;
	deployment_warn(userdata, "%s", text);
}

/* What is wrong with the bundle is the caller's to mend; what is wrong with the host is not. */
static bool is_of_the_host(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EIO || r == -ENOMEM || r == -EROFS ||
	       r == -EMFILE || r == -ENFILE || r == -EAGAIN;
}

static void fail_input(struct deployment *deployment, int r, const char *text)
{
	deployment_fail(deployment, is_of_the_host(r) ? DEPLOYMENT_FAILED : DEPLOYMENT_REFUSED,
		HOOK_UNKNOWN_ERROR, NULL, "%s", text);
	deployment_input(deployment, INPUT_FAILED);
}

static void on_unpacked(
	struct bundle_unpack *unpack, int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;
	struct error error = r < 0 ? *err : ERROR_NONE;

	bundle_unpack_free(unpack);
	deployment->unpack = NULL;
	if (r < 0)
		fail_input(deployment, r, error.text);
	else
		deployment_input(deployment, INPUT_DONE);
}

static int make_directory(struct deployment *deployment, struct error *err)
{
	int r = file_make_dirs(AT_FDCWD, deployment->directory, 0755, err);

	if (r == 0)
		deployment->is_staged = true;
	return r;
}

void deployment_enter_unpack(struct deployment *deployment)
{
	const struct deployment_request *request = deployment->request;
	const struct bundle_request bundle = {
		.location = request->bundle_path,
		.type = request->type,
		.target_dir = deployment->staging,
	};
	const struct bundle_callbacks callbacks = {
		.on_progress = on_unpack_progress,
		.on_warning = on_unpack_warning,
		.on_done = on_unpacked,
		.userdata = deployment,
	};
	struct error err = ERROR_NONE;
	int r = make_directory(deployment, &err);

	if (r == 0)
		r = bundle_unpack_start(
			&deployment->unpack, deployment->loop, &bundle, &callbacks, &err);
	if (r < 0)
		fail_input(deployment, r, err.text);
}

/* ---- CHECK */

/* codedeploy-local's events of its user's own exist only by the appspec's word. */
static void check_own_events(struct deployment *deployment, struct diagnostics *problems)
{
	const struct events *events = deployment->request->events;

	for (size_t i = 0; i < events->n; i++)
		if (lifecycle_find(events->names[i]) < 0 &&
			!appspec_find_hook(deployment->spec, events->names[i]))
			diagnostics_add(problems, SEVERITY_ERROR, deployment->spec->name, 0, 0,
				"E-CUSTOM-MISSING",
				"the appspec has no hook for the event %s, which is asked for",
				events->names[i]);
}

static int load_spec(struct deployment *deployment, struct diagnostics *problems)
{
	cleanup_with(closep) int fd = open(
		deployment->staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = appspec_load(&deployment->spec, fd, deployment->request->appspec, problems);
	if (r == 0) {
		check_own_events(deployment, problems);
		bundle_check(fd, deployment->spec, problems);
	}
	return r;
}

/* All of them, but an only error is said by the refusal itself. *ret_first is the caller's. */
static void report_problems(
	struct deployment *deployment, struct diagnostics *problems, char **ret_first)
{
	cleanup_with(freep) char *first = NULL;

	diagnostics_sort(problems);
	for (size_t i = 0; i < problems->n; i++) {
		cleanup_with(freep) char *text = diagnostic_format(&problems->items[i]);

		if (problems->items[i].severity != SEVERITY_ERROR || problems->n_errors > 1)
			deployment_find(deployment, problems->items[i].severity, text);
	}
	first = diagnostics_first_error(problems);
	if (problems->n_errors > 1)
		*ret_first = xasprintf(
			"%s (the first of %zu errors)", first, problems->n_errors);
	else
		*ret_first = take(&first);
}

static void describe_source(const struct deployment_request *request, struct record *record)
{
	struct stat st;

	if (request->from || stat(request->bundle_path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	record->source_bytes = (int64_t)st.st_size;
	record->source_mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* The host changes from here on, so the record comes first. */
static int begin_record(struct deployment *deployment, struct error *err)
{
	const struct deployment_request *request = deployment->request;
	const struct record *origin = request->from ? history_find(&deployment->history,
							      request->from)
						    : NULL;
	cleanup_with(freep) char *from = NULL;
	int64_t bytes = origin ? origin->source_bytes : 0;
	int64_t mtime_ns = origin ? origin->source_mtime_ns : 0;
	struct record *record;

	/* Of copies of copies the first is named: it is the revision. */
	if (request->from)
		from = xstrdup(origin && origin->from ? origin->from : request->from);
	record_set(&deployment->history.name, request->group_name);
	if (request->application)
		record_set(&deployment->history.application, request->application);
	record = history_add(&deployment->history, request->id);
	record_set(&record->location, request->location);
	record_set(&record->from, from);
	record_set(&record->appspec, request->appspec);
	record_set(&record->user, request->user);
	record->rollback = request->rollback;
	record->source_bytes = bytes;
	record->source_mtime_ns = mtime_ns;
	describe_source(request, record);
	deployment->is_recorded = true;
	return deployment_save(deployment, err);
}

static int make_logs(struct deployment *deployment, struct error *err)
{
	cleanup_with(freep) char *logs = path_join(deployment->directory, "logs");
	int r = file_make_dirs(AT_FDCWD, logs, 0755, err);

	if (r == 0 && deployment->request->deployments_log)
		r = file_make_dirs(deployment->root->fd, "deployment-logs", 0755, err);
	return r;
}

static void begin(struct deployment *deployment)
{
	struct error err = ERROR_NONE;
	int r = begin_record(deployment, &err);

	if (r == 0)
		r = make_logs(deployment, &err);
	if (r < 0) {
		deployment_fail(deployment, DEPLOYMENT_FAILED, HOOK_UNKNOWN_ERROR, NULL, "%s",
			err.text);
		deployment_input(deployment, INPUT_FAILED);
		return;
	}
	deployment_notify(deployment, &(struct deployment_notice){ .kind = NOTICE_STARTED,
					      .files = deployment->unpacked.entries,
					      .bytes = deployment->unpacked.bytes });
	deployment_input(deployment, INPUT_DONE);
}

static void on_planned(int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;

	worker_free(take(&deployment->worker));
	if (r >= 0) {
		begin(deployment);
		return;
	}
	if (deployment->cancelled)
		deployment_fail(deployment, DEPLOYMENT_CANCELLED, HOOK_UNKNOWN_ERROR, NULL,
			"cancelled: %s", deployment->cancelled);
	else
		/* The bundle is good; it is this host that cannot take it. */
		deployment_fail(deployment, DEPLOYMENT_FAILED, HOOK_UNKNOWN_ERROR, NULL,
			"%s; no script was run, nothing was changed", err->text);
	deployment_input(deployment, INPUT_FAILED);
}

void deployment_enter_check(struct deployment *deployment)
{
	cleanup_with(diagnostics_done) struct diagnostics problems = { 0 };
	cleanup_with(freep) char *first = NULL;
	struct error err = ERROR_NONE;
	int r = load_spec(deployment, &problems);

	report_problems(deployment, &problems, &first);
	if (r < 0 || first) {
		fail_input(deployment, r < 0 ? r : -EINVAL,
			first ? first : "the bundle cannot be read");
		return;
	}
	/* An application must not be stopped for a revision that cannot be installed. Where no
	 * script comes first, Install itself finds out as early. */
	if (!deployment_has_early_scripts(deployment)) {
		begin(deployment);
		return;
	}
	if (deployment_plan_ahead(deployment, on_planned, &err) < 0)
		on_planned(err.code, &err, deployment);
}

/* ---- DOWNLOAD */

/* Kept: what is installed, what last worked, what this deployment is made of, and the origin
 * of each of them does not matter, since copies are whole. */
static int find_extra(struct deployment *deployment, char ***ret, size_t *n, struct error *err)
{
	const struct deployment_request *request = deployment->request;
	const struct record *good = history_newest_good(&deployment->history);
	cleanup_with(freep) char *installed = NULL;
	const char *spared[4] = { NULL };
	size_t n_spared = 0;
	int r = revision_installed(deployment->root, request->group, &installed, err);

	if (r < 0)
		return r;
	if (installed)
		spared[n_spared++] = installed;
	if (good)
		spared[n_spared++] = good->deployment;
	if (request->from)
		spared[n_spared++] = request->from;
	return revision_extra(deployment->root, request->group, request->id,
		request->max_revisions, spared, ret, n, err);
}

/* The reference leaves the archive itself, or a link to it, under this fixed name. */
static void link_bundle(const struct deployment *deployment)
{
	cleanup_with(freep) char *path = path_join(deployment->directory, "bundle.tar");
	struct stat st;

	if (stat(deployment->request->bundle_path, &st) == 0 && S_ISREG(st.st_mode))
		(void)symlink(deployment->request->bundle_path, path); /* for readers only */
}

static int become_archive(struct deployment *deployment, struct error *err)
{
	if (rename(deployment->staging, deployment->archive) < 0)
		return error_set(err, -errno, "cannot rename %s to deployment-archive: %m",
			deployment->staging);
	deployment->is_staged = false;
	deployment->is_archived = true;
	link_bundle(deployment);
	return root_write_pointer(deployment->root, deployment->request->group,
		"_most_recent_install", deployment->directory, err);
}

static void finish_download(struct deployment *deployment, int r, const struct error *err)
{
	struct error error = *err;
	char size[16];

	if (r >= 0)
		r = become_archive(deployment, &error);
	if (r < 0)
		deployment_fail(deployment,
			deployment->cancelled ? DEPLOYMENT_CANCELLED : DEPLOYMENT_FAILED,
			HOOK_UNKNOWN_ERROR, NULL, "%s", error.text);
	else {
		size_format(deployment->unpacked.bytes, size);
		deployment->event.summary = xasprintf("%llu entries, %s",
			(unsigned long long)deployment->unpacked.entries, size);
	}
	deployment_event_ended(deployment, r < 0);
	deployment_input(deployment, r < 0 ? INPUT_FAILED : INPUT_DONE);
}

static void on_removed(int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;

	worker_free(take(&deployment->worker));
	finish_download(deployment, r, err);
}

struct removal {
	struct deployment *deployment;
	char **names;
};

static int remove_revisions(struct worker_link *link, void *argument, struct error *err)
{
	const struct removal *removal = argument;

	(void)link;
	return revision_remove(removal->deployment->root, removal->deployment->request->group,
		removal->names, err);
}

static void free_names(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void deployment_enter_download(struct deployment *deployment)
{
	struct removal removal = { .deployment = deployment };
	struct worker_callbacks callbacks;
	struct error err = ERROR_NONE;
	size_t n = 0;
	int r = find_extra(deployment, &removal.names, &n, &err);

	deployment_worker_callbacks(deployment, &callbacks, on_removed);
	if (r == 0 && n > 0)
		r = worker_start(&deployment->worker, deployment->loop,
			"removing old revisions", remove_revisions, &removal, &callbacks, &err);
	free_names(removal.names, n);
	if (!deployment->worker)
		finish_download(deployment, r, &err);
}

/* ---- DISCARD */

static int discard(struct worker_link *link, void *argument, struct error *err)
{
	const struct deployment *deployment = argument;
	int r = file_remove_tree(AT_FDCWD, deployment->staging, err);

	(void)link;
	/* Empty unless the deployment was recorded, and then it stays. */
	(void)rmdir(deployment->directory);
	return r;
}

static void on_discarded(int r, const struct error *err, void *userdata)
{
	struct deployment *deployment = userdata;

	worker_free(take(&deployment->worker));
	if (r < 0)
		deployment_warn(deployment, "%s", err->text);
	deployment->is_staged = false;
	deployment_input(deployment, INPUT_DONE);
}

void deployment_enter_discard(struct deployment *deployment)
{
	struct worker_callbacks callbacks;
	struct error err = ERROR_NONE;

	if (!deployment->is_staged) {
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	deployment_worker_callbacks(deployment, &callbacks, on_discarded);
	if (worker_start(&deployment->worker, deployment->loop, "removing the bundle", discard,
		    deployment, &callbacks, &err) < 0)
		on_discarded(err.code, &err, deployment);
}
