/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/appspec.h"

#include <string.h>

/* '*' is any run of characters, all else is literal. Goes back to the last '*' only, which is
 * enough for such patterns and keeps it at n times m steps. */
static bool name_matches(const char *pattern, const char *name)
{
	const char *star = NULL;
	const char *retry = NULL;

	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool is_excepted(const struct appspec_permission *permission, const char *name)
{
	for (size_t i = 0; i < permission->n_except; i++)
		if (name_matches(permission->except[i], name))
			return true;
	return false;
}

bool appspec_permission_matches(
	const struct appspec_permission *permission, const char *relative)
{
	const char *slash = strrchr(relative, '/');
	const char *name = slash ? slash + 1 : relative;

	if (strcmp(permission->pattern, "**") != 0 &&
		(slash || !name_matches(permission->pattern, name)))
		return false;
	return !is_excepted(permission, name);
}
