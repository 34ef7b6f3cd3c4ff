/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The environment of hook scripts: a clean base, then what the reference's agents set, then
 * where the bundles are. Nothing of the agent's own environment but TZ goes in, so that none of
 * its secrets can.
 *
 *   PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin  LANG=C.UTF-8  TZ (if
 *   the agent has it)
 *
 * HOME, USER, LOGNAME and SHELL are the runner's to set, by the user that the script runs as.
 * A member that is NULL leaves its variable unset.
 */
struct hook_environment {
	const char *lifecycle_event;       /* LIFECYCLE_EVENT */
	const char *deployment_id;         /* DEPLOYMENT_ID, the current deployment's always */
	const char *application_name;      /* APPLICATION_NAME */
	const char *deployment_group_name; /* DEPLOYMENT_GROUP_NAME */
	const char *deployment_group_id;   /* DEPLOYMENT_GROUP_ID */
	const char *bundle_bucket;         /* BUNDLE_BUCKET, _KEY, _VERSION, _ETAG: S3 */
	const char *bundle_key;
	const char *bundle_version;
	const char *bundle_etag;
	const char *bundle_commit;       /* BUNDLE_COMMIT: GitHub */
	const char *bundle_dir;          /* DROVER_BUNDLE_DIR: whose script it is */
	const char *previous_bundle_dir; /* DROVER_PREVIOUS_BUNDLE_DIR: installed last */
};

/* A NULL-terminated list of NAME=value; free with hook_environment_free(). */
char **hook_environment_new(const struct hook_environment *from);
void hook_environment_free(char **environment);
void hook_environment_freep(char ***environment);
