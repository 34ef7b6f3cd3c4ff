/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/deployment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/deployment_internal.h"
#include "agent/events.h"
#include "agent/root.h"
#include "agent/worker.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/time.h"
#include "hooks/hook.h"
#include "hooks/lifecycle.h"

enum { MAX_SAID = 1000 };

/* clang-format off */
static const struct edge {
	enum deployment_state from;
	enum deployment_input on;
	enum deployment_state to;
} edges[] = {
	{ DEPLOYMENT_IDLE,     INPUT_STARTED,   DEPLOYMENT_UNPACK },
	{ DEPLOYMENT_UNPACK,   INPUT_DONE,      DEPLOYMENT_CHECK },
	{ DEPLOYMENT_UNPACK,   INPUT_FAILED,    DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_UNPACK,   INPUT_CANCELLED, DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_CHECK,    INPUT_DONE,      DEPLOYMENT_NEXT },
	{ DEPLOYMENT_CHECK,    INPUT_FAILED,    DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_NEXT,     INPUT_HOOKS,     DEPLOYMENT_HOOKS },
	{ DEPLOYMENT_NEXT,     INPUT_DOWNLOAD,  DEPLOYMENT_DOWNLOAD },
	{ DEPLOYMENT_NEXT,     INPUT_INSTALL,   DEPLOYMENT_INSTALL },
	{ DEPLOYMENT_NEXT,     INPUT_DONE,      DEPLOYMENT_DISCARD }, /* no event is left */
	{ DEPLOYMENT_NEXT,     INPUT_CANCELLED, DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_HOOKS,    INPUT_DONE,      DEPLOYMENT_NEXT },
	{ DEPLOYMENT_HOOKS,    INPUT_FAILED,    DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_DOWNLOAD, INPUT_DONE,      DEPLOYMENT_NEXT },
	{ DEPLOYMENT_DOWNLOAD, INPUT_FAILED,    DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_INSTALL,  INPUT_DONE,      DEPLOYMENT_NEXT },
	{ DEPLOYMENT_INSTALL,  INPUT_FAILED,    DEPLOYMENT_UNDO },
	{ DEPLOYMENT_UNDO,     INPUT_DONE,      DEPLOYMENT_DISCARD },
	{ DEPLOYMENT_DISCARD,  INPUT_DONE,      DEPLOYMENT_END },
	{ DEPLOYMENT_END,      INPUT_DONE,      DEPLOYMENT_OVER },
};
/* clang-format on */

int deployment_next(enum deployment_state from, enum deployment_input input)
{
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++)
		if (edges[i].from == from && edges[i].on == input)
			return (int)edges[i].to;
	return -EPROTO;
}

void deployment_notify(struct deployment *deployment, const struct deployment_notice *notice)
{
	deployment->on_notice(notice, deployment->userdata);
}

/* FNV-1a: two sentences of one deployment that collide do not happen. */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	return hash;
}

static bool was_said(struct deployment *deployment, const char *text)
{
	uint64_t hash = hash_of(text);

	for (size_t i = 0; i < deployment->n_said; i++)
		if (deployment->said[i] == hash)
			return true;
	if (deployment->n_said < MAX_SAID) {
		xgrow(&deployment->said, &deployment->cap_said, deployment->n_said);
		deployment->said[deployment->n_said++] = hash;
	}
	return false;
}

void deployment_find(struct deployment *deployment, enum severity severity, const char *text)
{
	if (was_said(deployment, text))
		return;
	deployment_notify(deployment,
		&(struct deployment_notice){
			.kind = NOTICE_FINDING, .severity = severity, .text = text });
}

void deployment_warn(struct deployment *deployment, const char *format, ...)
{
	cleanup_with(freep) char *sentence = NULL;
	cleanup_with(freep) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	sentence = xvasprintf(format, ap);
	va_end(ap);
	text = xasprintf("warning: %s", sentence);
	deployment_find(deployment, SEVERITY_WARNING, text);
}

void deployment_progress(struct deployment *deployment, const char *what, uint64_t bytes,
	uint64_t files, uint64_t total_bytes)
{
	deployment_notify(deployment, &(struct deployment_notice){ .kind = NOTICE_PROGRESS,
					      .event = deployment->event.name,
					      .text = what,
					      .bytes = bytes,
					      .files = files,
					      .total_bytes = total_bytes });
}

void deployment_fail(struct deployment *deployment, enum deployment_outcome outcome, int code,
	const char *script, const char *format, ...)
{
	va_list ap;

	if (deployment->result.message)
		return;
	va_start(ap, format);
	deployment->result.message = xvasprintf(format, ap);
	va_end(ap);
	deployment->result.outcome = outcome;
	deployment->result.code = code;
	record_set(&deployment->result.event, deployment->event.name);
	record_set(&deployment->result.script, script);
	if (deployment->event.log.held > 0)
		deployment->result.log = tail_text(&deployment->event.log);
}

struct record *deployment_record(struct deployment *deployment)
{
	return history_find(&deployment->history, deployment->request->id);
}

int deployment_save(struct deployment *deployment, struct error *err)
{
	return history_save(&deployment->history, deployment->root, err);
}

static void on_worker_progress(uint64_t bytes, uint64_t files, void *userdata)
{
	struct deployment *deployment = userdata;

	deployment_progress(deployment, "installing", bytes, files, 0);
}

static void on_worker_finding(enum severity severity, const char *text, void *userdata)
{
	deployment_find(userdata, severity, text);
}

static void on_worker_summary(const char *text, void *userdata)
{
	struct deployment *deployment = userdata;

	record_set(&deployment->event.summary, text);
}

void deployment_worker_callbacks(struct deployment *deployment, struct worker_callbacks *ret,
	void (*on_done)(int r, const struct error *err, void *userdata))
{
	*ret = (struct worker_callbacks){ .on_progress = on_worker_progress,
		.on_finding = on_worker_finding,
		.on_summary = on_worker_summary,
		.on_done = on_done,
		.userdata = deployment };
}

void deployment_forget_event(struct deployment *deployment)
{
	free(deployment->event.directory);
	free(deployment->event.archive);
	free(deployment->event.summary);
	if (deployment->event.bundle_of)
		appspec_free(deployment->event.spec);
	free(deployment->event.bundle_of);
	memset(&deployment->event, 0, sizeof(deployment->event));
}

void deployment_event_ended(struct deployment *deployment, bool failed)
{
	bool skipped = deployment->state == DEPLOYMENT_HOOKS && !deployment->event.hook;

	deployment_notify(deployment,
		&(struct deployment_notice){ .kind = NOTICE_EVENT_ENDED,
			.event = deployment->event.name,
			.text = deployment->event.summary,
			.bundle_of = deployment->event.bundle_of,
			.failed = failed,
			.skipped = skipped && !failed,
			.is_own = deployment->state != DEPLOYMENT_HOOKS,
			.duration_ms = time_boot_ms() - deployment->event_started_ms });
}

static void enter_next(struct deployment *deployment)
{
	const struct events *events = deployment->request->events;
	int event;

	deployment_forget_event(deployment);
	if (deployment->cancelled) {
		deployment_fail(deployment, DEPLOYMENT_CANCELLED, HOOK_UNKNOWN_ERROR, NULL,
			"cancelled: %s", deployment->cancelled);
		deployment_input(deployment, INPUT_CANCELLED);
		return;
	}
	if (deployment->n_begun == events->n) {
		deployment_input(deployment, INPUT_DONE);
		return;
	}
	deployment->event.name = events->names[deployment->n_begun++];
	deployment->event_started_ms = time_boot_ms();
	deployment_notify(deployment, &(struct deployment_notice){ .kind = NOTICE_EVENT_STARTED,
					      .event = deployment->event.name });
	event = lifecycle_find(deployment->event.name);
	deployment_input(deployment, event == EVENT_DOWNLOAD_BUNDLE ? INPUT_DOWNLOAD
				     : event == EVENT_INSTALL       ? INPUT_INSTALL
								    : INPUT_HOOKS);
}

static void enter_end(struct deployment *deployment)
{
	struct record *record = deployment_record(deployment);
	struct error err = ERROR_NONE;

	if (deployment->is_recorded && record) {
		record->state = deployment->result.message ? RECORD_FAILED : RECORD_SUCCEEDED;
		record->ended_ms = (int64_t)time_now_ms();
		record_set(&record->event, deployment->result.event);
		record_set(&record->script, deployment->result.script);
		record_set(&record->message, deployment->result.message);
		if (deployment_save(deployment, &err) < 0)
			deployment_fail(deployment, DEPLOYMENT_FAILED, HOOK_UNKNOWN_ERROR, NULL,
				"the result could not be recorded: %s", err.text);
	}
	deployment_input(deployment, INPUT_DONE);
}

static void enter_over(struct deployment *deployment)
{
	struct deployment_result result = {
		.outcome = deployment->result.message ? deployment->result.outcome
						      : DEPLOYMENT_SUCCEEDED,
		.code = deployment->result.message ? deployment->result.code : HOOK_SUCCEEDED,
		.event = deployment->result.event,
		.script = deployment->result.script,
		.message = deployment->result.message,
		.log = deployment->result.log,
		.duration_ms = time_boot_ms() - deployment->started_ms,
	};

	deployment_notify(deployment,
		&(struct deployment_notice){ .kind = NOTICE_ENDED, .result = &result });
}

static void enter(struct deployment *deployment)
{
	switch (deployment->state) {
	case DEPLOYMENT_IDLE:
		break;
	case DEPLOYMENT_UNPACK:
		deployment_enter_unpack(deployment);
		break;
	case DEPLOYMENT_CHECK:
		deployment_enter_check(deployment);
		break;
	case DEPLOYMENT_NEXT:
		enter_next(deployment);
		break;
	case DEPLOYMENT_HOOKS:
		deployment_enter_hooks(deployment);
		break;
	case DEPLOYMENT_DOWNLOAD:
		deployment_enter_download(deployment);
		break;
	case DEPLOYMENT_INSTALL:
		deployment_enter_install(deployment);
		break;
	case DEPLOYMENT_UNDO:
		deployment_enter_undo(deployment);
		break;
	case DEPLOYMENT_DISCARD:
		deployment_enter_discard(deployment);
		break;
	case DEPLOYMENT_END:
		enter_end(deployment);
		break;
	case DEPLOYMENT_OVER:
		break;
	}
}

/* A loop instead of recursion: a state may be over as soon as it is entered. */
void deployment_input(struct deployment *deployment, enum deployment_input input)
{
	deployment->pending = (int)input;
	if (deployment->dispatching)
		return;
	deployment->dispatching = true;
	while (deployment->pending >= 0) {
		int next = deployment_next(
			deployment->state, (enum deployment_input)deployment->pending);

		if (next < 0)
			abort(); /* no such edge: a bug */
		deployment->pending = -1;
		deployment->state = (enum deployment_state)next;
		enter(deployment);
	}
	deployment->dispatching = false;
	if (deployment->state == DEPLOYMENT_OVER)
		enter_over(deployment);
}

int deployment_start(struct deployment **ret, struct loop *loop, const struct root *root,
	int lock_fd, const struct deployment_request *request, deployment_notice_fn *on_notice,
	void *userdata, struct error *err)
{
	cleanup_with(deployment_freep) struct deployment *deployment = xcalloc(
		1, sizeof(*deployment));
	cleanup_with(freep) char *previous = NULL;
	int r;

	deployment->loop = loop;
	deployment->root = root;
	deployment->lock_fd = lock_fd;
	deployment->request = request;
	deployment->on_notice = on_notice;
	deployment->userdata = userdata;
	deployment->pending = -1;
	deployment->started_ms = time_boot_ms();
	deployment->directory = root_deployment_dir(root, request->group, request->id);
	deployment->staging = path_join(deployment->directory, ".unpacking");
	deployment->archive = root_archive_dir(root, request->group, request->id);
	r = history_load(&deployment->history, root, request->group, err);
	if (r < 0)
		return r;
	if (file_exists(AT_FDCWD, deployment->directory))
		return error_set(err, -EEXIST, "there is a deployment %s already", request->id);
	r = root_read_pointer(root, request->group, "_last_successful_install", &previous, err);
	if (r < 0)
		return r;
	if (previous)
		deployment->previous_archive = path_join(previous, "deployment-archive");
	*ret = deployment;
	deployment_input(take(&deployment), INPUT_STARTED);
	return 0;
}

void deployment_cancel(struct deployment *deployment, const char *why)
{
	if (deployment->cancelled)
		return;
	deployment->cancelled = xstrdup(why);
	if (deployment->unpack) {
		bundle_unpack_free(take(&deployment->unpack));
		deployment_fail(deployment, DEPLOYMENT_CANCELLED, HOOK_UNKNOWN_ERROR, NULL,
			"cancelled: %s", why);
		deployment_input(deployment, INPUT_CANCELLED);
	} else if (deployment->hook) {
		hook_cancel(deployment->hook);
	} else if (deployment->worker && (deployment->state == DEPLOYMENT_INSTALL ||
						 deployment->state == DEPLOYMENT_DOWNLOAD ||
						 deployment->state == DEPLOYMENT_CHECK)) {
		worker_kill(deployment->worker);
	}
}

void deployment_free(struct deployment *deployment)
{
	if (!deployment)
		return;
	deployment_forget_event(deployment);
	bundle_unpack_free(deployment->unpack);
	worker_free(deployment->worker);
	hook_free(deployment->hook);
	appspec_free(deployment->spec);
	history_done(&deployment->history);
	free(deployment->directory);
	free(deployment->staging);
	free(deployment->archive);
	free(deployment->previous_archive);
	free(deployment->cancelled);
	free(deployment->said);
	free(deployment->result.event);
	free(deployment->result.script);
	free(deployment->result.message);
	free(deployment->result.log);
	free(deployment);
}

void deployment_freep(struct deployment **deployment)
{
	deployment_free(*deployment);
}
