/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/diagnostic.h"

/*
 * The model of one appspec.yml for the server platform, as plain structs. Everything is owned
 * by `struct appspec`; places are those of the source text, so that later checks can point
 * there.
 */

enum file_exists_behavior {
	FILE_EXISTS_UNSET,
	FILE_EXISTS_DISALLOW,
	FILE_EXISTS_OVERWRITE,
	FILE_EXISTS_RETAIN
};

struct appspec_file {
	struct mark mark;
	struct mark source_mark;
	struct mark destination_mark;
	char *source; /* relative to the bundle, normalised, no "..", no leading slash; "" is
			 the whole bundle */
	char *destination; /* absolute, normalised, no ".." */
};

enum acl_type { ACL_TYPE_USER, ACL_TYPE_GROUP, ACL_TYPE_MASK, ACL_TYPE_OTHER };

struct appspec_acl {
	bool is_default;
	enum acl_type type;
	char *name;     /* user or group, "" for a base entry */
	unsigned perms; /* r 4, w 2, x 1 */
};

struct appspec_context {
	char *user; /* SELinux user, or NULL */
	char *type;
	char *range; /* canonical, or NULL */
};

struct appspec_permission {
	struct mark mark;
	char *object;  /* normalised absolute path */
	char *pattern; /* "**" or a name pattern with "*" */
	char **except;
	size_t n_except;
	bool files;
	bool directories;
	char *owner; /* name or number, or NULL */
	char *group;
	bool has_mode;
	mode_t mode;     /* 07777 at most */
	char *mode_text; /* padded to 3 digits, as install.json has it; NULL without a mode */
	struct appspec_acl *acls;
	size_t n_acls;
	bool has_context;
	struct appspec_context context;
};

struct appspec_script {
	struct mark mark; /* of the location */
	char *location;   /* relative to the bundle, normalised, no ".." */
	unsigned timeout_s;
	char *runas; /* user name, or NULL */
	bool sudo;
};

struct appspec_hook {
	struct mark mark;
	char *event; /* any name; lifecycle.h knows which ever run */
	struct appspec_script *scripts;
	size_t n_scripts;
};

struct appspec {
	char *name; /* the file, for messages */
	enum file_exists_behavior file_exists_behavior;
	struct appspec_file *files;
	size_t n_files;
	struct appspec_permission *permissions;
	size_t n_permissions;
	struct appspec_hook *hooks;
	size_t n_hooks;
};

enum { APPSPEC_LIMIT_BYTES = 1024 * 1024 };

/*
 * Parses n bytes. All problems go to `diagnostics` with their places; `name` stands before
 * them. Returns 0 and *ret (the caller's to free) if none of them is an error, else -EINVAL.
 */
int appspec_parse(struct appspec **ret, const char *text, size_t n, const char *name,
	struct diagnostics *diagnostics);
void appspec_free(struct appspec *spec);
void appspec_freep(struct appspec **spec);

/*
 * Finds and parses the appspec of an unpacked bundle: `name` if given, else appspec.yml, else
 * appspec.yaml. A name given must be relative without "..". Reads at most APPSPEC_LIMIT_BYTES.
 * Links are followed inside the bundle only. Nothing found: -ENOENT, and a diagnostic that says
 * which names were tried. Unreadable: a negative errno and a diagnostic. spec->name is the name
 * that was found.
 */
int appspec_load(
	struct appspec **ret, int bundle_fd, const char *name, struct diagnostics *diagnostics);

/* The hook of an event, or NULL. */
const struct appspec_hook *appspec_find_hook(const struct appspec *spec, const char *event);

/* False if the path is neither in a destination of files nor above one. */
bool appspec_may_install(const struct appspec *spec, const char *path);

/*
 * Warns of permissions whose object nothing can match, by their paths alone. For authors: the
 * plan of a deployment knows better, as links on the host may lead to the object.
 */
void appspec_check_objects(const struct appspec *spec, struct diagnostics *diagnostics);

/* What an event's scripts may take in all; UINT_MAX seconds at most. */
unsigned appspec_hook_timeout_s(const struct appspec_hook *hook);

/* "DISALLOW" and so on in any case of letters; -EINVAL if it is none of the three. */
int file_exists_behavior_from_text(enum file_exists_behavior *ret, const char *text);
const char *file_exists_behavior_name(enum file_exists_behavior behavior);

/*
 * True if the entry's pattern matches, and no `except` excludes, the object `relative` (a path
 * below the entry's object, not empty). "**" matches at any depth, any other pattern direct
 * children only; `except` compares the last name at any depth. Types are the caller's to look
 * at.
 */
bool appspec_permission_matches(
	const struct appspec_permission *permission, const char *relative);

/* "default:user:bob:rwx", as setfacl and install.json have it; the caller frees. */
char *appspec_acl_format(const struct appspec_acl *acl);
