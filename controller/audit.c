/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/audit.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

/* What names an object, the most telling first. */
static const char *const members[] = { "deploymentId", "instanceName", "instanceNames",
	"deploymentConfigName", "accessKeyId", "ResourceArn", "name" };

static const char *text_of(const json_t *value)
{
	if (json_is_array(value))
		value = json_array_get(value, 0);
	return json_string_value(value);
}

/* The members of an input have been checked by the handler only in so far as it needed them. */
char *audit_object(const json_t *input)
{
	const char *application = json_string_value(json_object_get(input, "applicationName"));
	const char *group = json_string_value(json_object_get(input, "deploymentGroupName"));

	if (!group)
		group = json_string_value(json_object_get(input, "currentDeploymentGroupName"));
	if (application && group)
		return xasprintf("%s/%s", application, group);
	if (application)
		return xstrdup(application);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *text = text_of(json_object_get(input, members[i]));

		if (text)
			return xstrdup(text);
	}
	return xstrdup("");
}
