/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "appspec/appspec.h"

struct diagnostics;
struct error;
struct plan;
struct root;

/*
 * Install as a transaction: plan, stage, journal, switch, finish (doc/install.md).
 * install_plan() only looks; install_run() changes, and is run in a worker process of its own;
 * install_recover() finishes or undoes what a killed one left.
 */
struct install_request {
	const struct root *root;
	const char *group;      /* deployment group id */
	const char *deployment; /* deployment id */
	const char *bundle_dir; /* absolute path of the unpacked bundle */
	const struct appspec *spec;
	enum file_exists_behavior
		behavior;         /* the deployment's; the appspec's wins; UNSET is DISALLOW */
	const char *install_root; /* put before every destination, or NULL */
	bool rollback;     /* restore from replaced/ what earlier deployments overwrote */
	bool skip_compare; /* a PLAN_BEFORE_HOOKS that nobody is shown: files of ours count as
			      replaced without being read */
};

/* When a plan is made decides what is an error: conflicts, unknown owners and lack of space are
 * warnings before Install. */
enum plan_stage { PLAN_BEFORE_HOOKS, PLAN_AT_INSTALL };

enum plan_action { PLAN_NEW, PLAN_REPLACED, PLAN_SAME, PLAN_REMOVED, PLAN_KEPT };

/* One line of the file-level difference. */
struct plan_item {
	enum plan_action action;
	const char *path; /* without install_root; where a link of root's led on the way, the
			     path it led to */
	char type;        /* 'f', 'd', 'l' */
	mode_t mode;      /* after */
	uid_t uid;
	gid_t gid;
	mode_t old_mode; /* before, for PLAN_REPLACED and PLAN_REMOVED */
	uid_t old_uid;
	gid_t old_gid;
	uint64_t bytes;   /* of content to be written */
	const char *note; /* "was changed by others", "not ours: kept in replaced/", "not
			     empty", or NULL */
};

struct plan_totals {
	size_t n_new, n_replaced, n_same, n_removed, n_kept;
	uint64_t bytes; /* to be written */
};

/*
 * Compares the bundle with what is on the host. All problems go to `problems`; returns -EINVAL
 * if one of them is an error, then there is no plan. Writes nothing.
 */
int install_plan(struct plan **ret, const struct install_request *request,
	enum plan_stage stage, struct diagnostics *problems, struct error *err);
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

struct plan_totals plan_totals(const struct plan *plan);

/* Calls `each` for every item in path order until it returns non-zero, which is returned. */
int plan_each(const struct plan *plan,
	int (*each)(const struct plan_item *item, void *userdata), void *userdata);

/*
 * The lock of the whole state directory: from the plan at Install to the end of the switch only
 * one install looks at the host and changes it. Waits at most wait_ms, then -EBUSY. Closing the
 * fd releases it; a fork keeps it as long as it has the fd.
 */
int install_lock(const struct root *root, unsigned wait_ms, int *ret_fd, struct error *err);

/* Called now and then with bytes and files staged so far; may be NULL. */
typedef void install_progress_fn(uint64_t bytes, size_t files, void *userdata);

/*
 * Carries a plan made at Install out, once, and writes the group's manifest, install.json,
 * cleanup file and last-successful pointer. On failure everything is as before (or, where even
 * that failed, the journal is left for install_recover and err says so). On success err's text
 * may hold a remark, with code 0.
 */
int install_run(
	struct plan *plan, install_progress_fn *progress, void *userdata, struct error *err);

/*
 * Finishes or undoes an install of the group that was cut off, deciding by what is on disk;
 * nothing to do is fine. To be called with the group's lock held, before anything else. *ret
 * says what was done; err's text (code 0) names what others have changed since and was left
 * alone.
 */
enum install_recovery { RECOVERY_NONE, RECOVERY_UNDONE, RECOVERY_FINISHED };
int install_recover(const struct root *root, const char *group, enum install_recovery *ret,
	struct error *err);

/*
 * The install root that the group's installed revision was put below, "" if none; NULL if this
 * agent has installed nothing for the group. The caller frees.
 */
int install_root_of(const struct root *root, const char *group, char **ret, struct error *err);
