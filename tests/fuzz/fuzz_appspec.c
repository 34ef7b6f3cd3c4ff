/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as an appspec: either a model whose every part can be used, or at least one error,
 * each with its place.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "appspec/appspec.h"
#include "base/diagnostic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What the installer relies on. */
static void use_path(const char *path, bool absolute)
{
	assert(path);
	assert(absolute == (path[0] == '/'));
	assert(!strstr(path, "//"));
	assert(strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0 &&
		!strstr(path, "/../"));
}

static void use_permission(const struct appspec_permission *permission)
{
	use_path(permission->object, true);
	assert(!permission->has_mode ||
		(permission->mode <= 07777 && strlen(permission->mode_text) <= 4));
	assert(!permission->has_context || permission->context.type[0]);
	(void)appspec_permission_matches(permission, "name");
	(void)appspec_permission_matches(permission, "a/b.txt");
	for (size_t i = 0; i < permission->n_acls; i++)
		free(appspec_acl_format(&permission->acls[i]));
}

static void use_hook(const struct appspec *spec, const struct appspec_hook *hook)
{
	assert(appspec_find_hook(spec, hook->event) == hook);
	(void)appspec_hook_timeout_s(hook);
	for (size_t i = 0; i < hook->n_scripts; i++) {
		use_path(hook->scripts[i].location, false);
		assert(hook->scripts[i].location[0]);
		assert(hook->scripts[i].timeout_s > 0);
	}
}

static void use(const struct appspec *spec)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		use_path(spec->files[i].source, false);
		use_path(spec->files[i].destination, true);
	}
	for (size_t i = 0; i < spec->n_permissions; i++)
		use_permission(&spec->permissions[i]);
	for (size_t i = 0; i < spec->n_hooks && i < 100; i++)
		use_hook(spec, &spec->hooks[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct diagnostics found = { 0 };
	struct appspec *spec = NULL;
	int r = appspec_parse(&spec, (const char *)data, n, "appspec.yml", &found);

	assert((r == 0) == (found.n_errors == 0));
	for (size_t i = 0; i < found.n; i++) {
		assert(found.items[i].line > 0 && found.items[i].column > 0);
		free(diagnostic_format(&found.items[i]));
	}
	if (r == 0)
		use(spec);
	appspec_free(spec);
	diagnostics_done(&found);
	return 0;
}
