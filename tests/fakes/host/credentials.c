/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "stream.h"

int credentials_read(
	struct credentials *ret, const char *path, const char *profile, struct error *err)
{
	cleanup_with(fclosep) FILE *file = fopen(path, "re");
	struct credentials found = { 0 };
	bool is_ours = false;
	char section[128];
	char line[1024];

	if (!file)
		return error_set(err, -errno, "cannot read %s: %m", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " [%127[^]]]", section) == 1)
			is_ours = strcmp(section, profile) == 0;
		else if (is_ours)
			(void)(sscanf(line, " aws_access_key_id = %128s", found.access_key) ==
					1 ||
				sscanf(line, " aws_secret_access_key = %128s", found.secret) ==
					1);
	}
	if (!found.access_key[0] || !found.secret[0])
		return error_set(err, -ENOENT, "%s has no key for profile %s", path, profile);
	*ret = found;
	return 0;
}
