/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/environment.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"

char **hook_environment_new(const struct hook_environment *from)
{
	const struct {
		const char *name;
		const char *value;
	} variables[] = {
		{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "LANG", "C.UTF-8" },
		{ "TZ", getenv("TZ") },
		{ "LIFECYCLE_EVENT", from->lifecycle_event },
		{ "DEPLOYMENT_ID", from->deployment_id },
		{ "APPLICATION_NAME", from->application_name },
		{ "DEPLOYMENT_GROUP_NAME", from->deployment_group_name },
		{ "DEPLOYMENT_GROUP_ID", from->deployment_group_id },
		{ "BUNDLE_BUCKET", from->bundle_bucket },
		{ "BUNDLE_KEY", from->bundle_key },
		{ "BUNDLE_VERSION", from->bundle_version },
		{ "BUNDLE_ETAG", from->bundle_etag },
		{ "BUNDLE_COMMIT", from->bundle_commit },
		{ "DROVER_BUNDLE_DIR", from->bundle_dir },
		{ "DROVER_PREVIOUS_BUNDLE_DIR", from->previous_bundle_dir },
	};
	char **environment = xcalloc(ARRAY_SIZE(variables) + 1, sizeof(*environment));
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		if (variables[i].value)
			environment[n++] = xasprintf(
				"%s=%s", variables[i].name, variables[i].value);
	return environment;
}

void hook_environment_free(char **environment)
{
	for (char **at = environment; at && *at; at++)
		free(*at);
	free(environment);
}

void hook_environment_freep(char ***environment)
{
	hook_environment_free(*environment);
}
