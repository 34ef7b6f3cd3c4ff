/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * The deployment root: the directory whose layout hook scripts and tools in the wild know (the
 * reference's root_dir). Everything of ours that the reference does not have stands in
 * deployment-instructions/ or in a deployment's own directory, so that the root shows nothing
 * unexpected.
 *
 *   <root>/<group id>/<deployment id>/{bundle.tar, deployment-archive/, logs/scripts.log,
 * hooks/, replaced/} <root>/deployment-instructions/<group id>{-install.json, -cleanup,
 * _last_successful_install, _most_recent_install} <root>/deployment-instructions/<group
 * id>{-manifest, -journal, -history.json, -lock}   ours; lock: the state lock
 *   <root>/deployment-logs/codedeploy-agent-deployments.log
 */
struct root {
	int fd;              /* the root directory */
	int instructions_fd; /* deployment-instructions/ */
	char *path;          /* absolute, normalised */
};

/*
 * Opens the root, making it and deployment-instructions/ (0755) if `make`. Without `make` a
 * root that is not there is -ENOENT. Refuses a root on a file system mounted noexec, which
 * could run no script.
 */
int root_open(struct root *root, const char *path, bool make, struct error *err);
void root_done(struct root *root);

/* An id that is one safe path component: not empty, no slash, not "." or "..", at most 200
 * bytes, printable, and not the name of one of the root's own directories. */
bool root_id_is_safe(const char *id);

/* Absolute paths; the caller frees. */
char *root_deployment_dir(const struct root *root, const char *group, const char *deployment);
char *root_archive_dir(const struct root *root, const char *group, const char *deployment);

/* Paths relative to instructions_fd: "<group>-manifest" for kind "-manifest"; the caller frees.
 */
char *root_instruction_name(const char *group, const char *kind);

/*
 * The pointers "_last_successful_install" and "_most_recent_install": an absolute path of a
 * deployment directory. *ret is NULL when there is none. Writing replaces atomically.
 */
int root_read_pointer(const struct root *root, const char *group, const char *kind, char **ret,
	struct error *err);
int root_write_pointer(const struct root *root, const char *group, const char *kind,
	const char *target, struct error *err);
