/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/appspec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/file.h"

static void free_texts(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

static void permission_done(struct appspec_permission *permission)
{
	free(permission->object);
	free(permission->pattern);
	free_texts(permission->except, permission->n_except);
	free(permission->owner);
	free(permission->group);
	free(permission->mode_text);
	for (size_t i = 0; i < permission->n_acls; i++)
		free(permission->acls[i].name);
	free(permission->acls);
	free(permission->context.user);
	free(permission->context.type);
	free(permission->context.range);
}

static void hook_done(struct appspec_hook *hook)
{
	free(hook->event);
	for (size_t i = 0; i < hook->n_scripts; i++) {
		free(hook->scripts[i].location);
		free(hook->scripts[i].runas);
	}
	free(hook->scripts);
}

void appspec_free(struct appspec *spec)
{
	if (!spec)
		return;
	for (size_t i = 0; i < spec->n_files; i++) {
		free(spec->files[i].source);
		free(spec->files[i].destination);
	}
	free(spec->files);
	for (size_t i = 0; i < spec->n_permissions; i++)
		permission_done(&spec->permissions[i]);
	free(spec->permissions);
	for (size_t i = 0; i < spec->n_hooks; i++)
		hook_done(&spec->hooks[i]);
	free(spec->hooks);
	free(spec->name);
	free(spec);
}

void appspec_freep(struct appspec **spec)
{
	int saved = errno;

	appspec_free(*spec);
	errno = saved;
}

const struct appspec_hook *appspec_find_hook(const struct appspec *spec, const char *event)
{
	for (size_t i = 0; i < spec->n_hooks; i++)
		if (strcmp(spec->hooks[i].event, event) == 0)
			return &spec->hooks[i];
	return NULL;
}

bool appspec_may_install(const struct appspec *spec, const char *path)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		const char *destination = spec->files[i].destination;

		if (path_is_below(path, destination) || path_is_below(destination, path))
			return true;
	}
	return false;
}

unsigned appspec_hook_timeout_s(const struct appspec_hook *hook)
{
	unsigned total = 0;

	for (size_t i = 0; i < hook->n_scripts; i++)
		if (__builtin_add_overflow(total, hook->scripts[i].timeout_s, &total))
			return UINT_MAX;
	return total;
}

static const char *const behavior_names[] = {
	[FILE_EXISTS_UNSET] = NULL,
	[FILE_EXISTS_DISALLOW] = "DISALLOW",
	[FILE_EXISTS_OVERWRITE] = "OVERWRITE",
	[FILE_EXISTS_RETAIN] = "RETAIN",
};

int file_exists_behavior_from_text(enum file_exists_behavior *ret, const char *text)
{
	for (size_t i = FILE_EXISTS_DISALLOW; i < ARRAY_SIZE(behavior_names); i++) {
		if (strcasecmp(behavior_names[i], text) != 0)
			continue;
		*ret = (enum file_exists_behavior)i;
		return 0;
	}
	return -EINVAL;
}

const char *file_exists_behavior_name(enum file_exists_behavior behavior)
{
	return behavior == FILE_EXISTS_UNSET ? "unset" : behavior_names[behavior];
}
