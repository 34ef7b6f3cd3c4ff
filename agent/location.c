/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/location.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

/* clang-format off */
static const struct scheme {
	const char *prefix;
	const char *why;
} schemes[] = {
	{ "http://",  "is never fetched, since nobody could tell whose bytes arrive" },
	{ "https://", "is not fetched by hand; download it first and give the file" },
	{ "s3://",    "is not fetched by hand; download it first (aws s3 cp) and give the file" },
	{ "github:",  "is not fetched by hand; clone it or download its tarball and give that" },
};
/* clang-format on */

static int refuse_elsewhere(const char *location, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
		if (strncasecmp(location, schemes[i].prefix, strlen(schemes[i].prefix)) == 0)
			return error_set(err, -EINVAL, "%s %s", location, schemes[i].why);
	return 0;
}

static int check_kind(const char *path, enum bundle_type type, struct error *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return error_set(err, -EINVAL, "the bundle %s cannot be read: %s", path,
			strerror(errno));
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return error_set(err, -EINVAL,
			"the bundle %s is neither a directory nor a regular file", path);
	if (type == BUNDLE_DIRECTORY && !S_ISDIR(st.st_mode))
		return error_set(err, -EINVAL,
			"the bundle %s is a file, not a directory; leave --type out, or name "
			"the "
			"archive's",
			path);
	if (type != BUNDLE_AUTO && type != BUNDLE_DIRECTORY && S_ISDIR(st.st_mode))
		return error_set(err, -EINVAL, "the bundle %s is a directory, not a %s archive",
			path, bundle_type_name(type));
	return 0;
}

int location_resolve(char **ret, const char *location, enum bundle_type type, struct error *err)
{
	cleanup_with(freep) char *here = location[0] == '/' ? xstrdup("/") : getcwd(NULL, 0);
	cleanup_with(freep) char *path = NULL;
	int r = refuse_elsewhere(location, err);

	if (r < 0)
		return r;
	if (location[0] == '\0')
		return error_set(err, -EINVAL, "the bundle's location is empty");
	if (!here)
		return error_set(err, -errno, "cannot find out the current directory: %m");
	path = path_normalise(here, location);
	if (path_has_dotdot(path)) {
		char *real = realpath(path, NULL);

		if (!real)
			return error_set(err, -EINVAL, "the bundle %s cannot be read: %s", path,
				strerror(errno));
		free(path);
		path = real;
	}
	r = check_kind(path, type, err);
	if (r == 0)
		*ret = take(&path);
	return r;
}
