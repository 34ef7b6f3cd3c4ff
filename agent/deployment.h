/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/bundle.h"
#include "appspec/appspec.h"
#include "base/diagnostic.h"

struct error;
struct events;
struct loop;
struct root;

/*
 * The engine: one deployment on this host, from its bundle to its record in the history. It
 * runs on a loop and never blocks it; unpacking, installing and scripts are children.
 *
 *   UNPACK   the bundle, into <deployment>/.unpacking, where nothing looks for it
 *   CHECK    its appspec, sources and scripts, before anything of the host is touched
 *   NEXT     which event comes; then one of
 *     HOOKS    its scripts, one after the other
 *     DOWNLOAD old revisions go; .unpacking becomes deployment-archive, as the reference has it
 *     INSTALL  the transaction, in a worker
 *   UNDO     what a failed or cancelled install left
 *   DISCARD  a bundle that was never used
 *   END      the result is on disk
 *
 * ApplicationStop and its like run before DownloadBundle, from the previous bundle; that the
 * new one is unpacked and checked by then is this order's whole point.
 */
enum deployment_state {
	DEPLOYMENT_IDLE,
	DEPLOYMENT_UNPACK,
	DEPLOYMENT_CHECK,
	DEPLOYMENT_NEXT,
	DEPLOYMENT_HOOKS,
	DEPLOYMENT_DOWNLOAD,
	DEPLOYMENT_INSTALL,
	DEPLOYMENT_UNDO,
	DEPLOYMENT_DISCARD,
	DEPLOYMENT_END,
	DEPLOYMENT_OVER,
};

enum deployment_input {
	INPUT_STARTED,
	INPUT_DONE,
	INPUT_FAILED,
	INPUT_CANCELLED,
	INPUT_HOOKS,    /* the next event has scripts to look for */
	INPUT_DOWNLOAD, /* it is DownloadBundle */
	INPUT_INSTALL,  /* it is Install */
};

/* The state that follows, or -EPROTO where there is no such edge. */
int deployment_next(enum deployment_state from, enum deployment_input input);

struct deployment_request {
	const char *id;
	const char *group;       /* id */
	const char *group_name;  /* as scripts see it */
	const char *application; /* as scripts see it; NULL: the location */
	const char *user;        /* who asks */
	const char *location;    /* of the revision, as people name it */
	const char *bundle_path; /* absolute */
	enum bundle_type type;
	const char *from; /* the deployment whose kept bundle bundle_path is, or NULL */
	const struct events *events;
	enum file_exists_behavior behavior;
	const char *appspec;      /* name in the bundle, or NULL */
	const char *install_root; /* or NULL */
	bool ignore_stop_failures;
	bool rollback;
	bool start_in_root;   /* scripts start in "/" instead of the bundle */
	bool deployments_log; /* write deployment-logs/ too */
	unsigned max_revisions;
};

enum deployment_outcome {
	DEPLOYMENT_SUCCEEDED,
	DEPLOYMENT_FAILED,
	DEPLOYMENT_REFUSED, /* the input is wrong; nothing was run or changed */
	DEPLOYMENT_CANCELLED,
};

struct deployment_result {
	enum deployment_outcome outcome;
	int code;            /* of the protocol, enum hook_code */
	const char *event;   /* where it failed, or NULL */
	const char *script;  /* which failed, or NULL */
	const char *message; /* one sentence; never NULL after a failure */
	const char *log;     /* the last output of the event, or NULL */
	uint64_t duration_ms;
};

enum notice_kind {
	NOTICE_STARTED,  /* checked, recorded, about to run the first event */
	NOTICE_FINDING,  /* severity, text */
	NOTICE_PROGRESS, /* text: what is being done; bytes, files, total_bytes */
	NOTICE_EVENT_STARTED,
	NOTICE_SCRIPT_STARTED,
	NOTICE_SCRIPT_ENDED,
	NOTICE_EVENT_ENDED, /* text: a summary or NULL; skipped if there was nothing to do */
	NOTICE_ENDED,       /* result */
};

struct deployment_notice {
	enum notice_kind kind;
	enum severity severity;
	const char *event;
	const char *script;
	const char *bundle_of; /* the earlier deployment whose script it is, or NULL */
	const char *text;
	bool failed;
	bool skipped; /* the event had nothing to do */
	bool is_own;  /* the event is the agent's work, not a script's */
	uint64_t bytes, files, total_bytes;
	uint64_t duration_ms;
	const struct deployment_result *result;
};

struct deployment;

/* Everything in a notice is borrowed for the call. NOTICE_ENDED comes once, last; the
 * deployment may be freed in it. */
typedef void deployment_notice_fn(const struct deployment_notice *notice, void *userdata);

/*
 * Begins a deployment of a group whose lock (lock_fd) is held and whose state is recovered.
 * root and request are borrowed until the end. Returns 0, or a negative errno with err filled;
 * then no notice follows.
 */
int deployment_start(struct deployment **ret, struct loop *loop, const struct root *root,
	int lock_fd, const struct deployment_request *request, deployment_notice_fn *on_notice,
	void *userdata, struct error *err);

/*
 * Ends it early and in order: an unpacked bundle goes, an install is undone, a script is
 * terminated. NOTICE_ENDED follows. Asking again changes nothing.
 */
void deployment_cancel(struct deployment *deployment, const char *why);

void deployment_free(struct deployment *deployment);
void deployment_freep(struct deployment **deployment);
