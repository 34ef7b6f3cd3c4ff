/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/bundle.h"
#include "agent/deployment.h"
#include "agent/history.h"
#include "base/error.h"
#include "hooks/tail.h"

/* What the files of the engine share; nobody else includes this. */
struct hook;
struct worker;

struct deployment {
	struct loop *loop;
	const struct root *root;
	const struct deployment_request *request;
	int lock_fd; /* borrowed */
	deployment_notice_fn *on_notice;
	void *userdata;

	enum deployment_state state;
	int pending; /* input not yet worked off, or -1 */
	bool dispatching;
	uint64_t started_ms;

	char *directory;        /* <root>/<group>/<id> */
	char *staging;          /* its .unpacking */
	char *archive;          /* its deployment-archive */
	char *previous_archive; /* of what was installed before, or NULL */
	bool is_staged;
	bool is_archived;
	bool is_recorded;
	struct history history;
	struct appspec *spec; /* of our bundle */

	size_t n_begun; /* events begun, the current one included */
	uint64_t event_started_ms;
	struct {
		const char *name;
		char *directory;      /* of the deployment whose bundle it uses */
		char *archive;        /* that bundle */
		char *bundle_of;      /* id of that deployment if it is not ours */
		struct appspec *spec; /* owned if the bundle is not ours */
		const struct appspec_hook *hook;
		size_t script;
		uint64_t script_started_ms;
		struct tail log;
		char *summary;
	} event;

	uint64_t *said; /* hashes of findings, so that none is said twice */
	size_t n_said, cap_said;

	struct bundle_unpack *unpack;
	struct bundle_progress unpacked;
	struct worker *worker;
	struct hook *hook;

	char *cancelled; /* why, or NULL */
	struct {
		enum deployment_outcome outcome;
		int code;
		char *event;
		char *script;
		char *message;
		char *log;
	} result;
};

/* Works an input off, now or after the one at hand. */
void deployment_input(struct deployment *deployment, enum deployment_input input);

void deployment_notify(struct deployment *deployment, const struct deployment_notice *notice);

/* Once for the same words: Install looks again at what was looked at before the first script.
 * A finding that bears its own "error: " or "warning: "; and a sentence that gets the latter.
 */
void deployment_find(struct deployment *deployment, enum severity severity, const char *text);
void deployment_warn(struct deployment *deployment, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void deployment_progress(struct deployment *deployment, const char *what, uint64_t bytes,
	uint64_t files, uint64_t total_bytes);

/* Notes why it fails; the first reason stays. The input that ends it is the caller's. */
void deployment_fail(struct deployment *deployment, enum deployment_outcome outcome, int code,
	const char *script, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Our record of the history; valid until the next one is added. */
struct record *deployment_record(struct deployment *deployment);
int deployment_save(struct deployment *deployment, struct error *err);

/* Says that the event at hand is over. */
void deployment_event_ended(struct deployment *deployment, bool failed);

/* Forgets the event at hand, with what it uses. */
void deployment_forget_event(struct deployment *deployment);

/* True if an event before Install has scripts, of our bundle or the earlier one. */
bool deployment_has_early_scripts(struct deployment *deployment);

/* Plans without looking at contents, in a worker; errors fail the check. */
int deployment_plan_ahead(struct deployment *deployment,
	void (*on_done)(int r, const struct error *err, void *userdata), struct error *err);

/* Callbacks of workers, for the steps that say nothing else. */
struct worker_callbacks;
void deployment_worker_callbacks(struct deployment *deployment, struct worker_callbacks *ret,
	void (*on_done)(int r, const struct error *err, void *userdata));

/* One a state, called on entering it. */
void deployment_enter_unpack(struct deployment *deployment);
void deployment_enter_check(struct deployment *deployment);
void deployment_enter_download(struct deployment *deployment);
void deployment_enter_discard(struct deployment *deployment);
void deployment_enter_hooks(struct deployment *deployment);
void deployment_enter_install(struct deployment *deployment);
void deployment_enter_undo(struct deployment *deployment);
