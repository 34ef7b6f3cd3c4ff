/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/bundle.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"

const struct bundle_limits bundle_default_limits = {
	.entries = 1000000,
	.bytes = 64ULL << 30,
	.ratio = 200,
};

/* clang-format off */
static const char *const type_names[] = {
	[BUNDLE_AUTO] = "auto",
	[BUNDLE_DIRECTORY] = "directory",
	[BUNDLE_ZIP] = "zip",
	[BUNDLE_TAR] = "tar",
	[BUNDLE_TGZ] = "tgz",
	[BUNDLE_TAR_ZST] = "tar.zst",
	[BUNDLE_TAR_XZ] = "tar.xz",
};
/* clang-format on */

int bundle_type_from_text(enum bundle_type *ret, const char *text)
{
	for (size_t i = BUNDLE_DIRECTORY; i < ARRAY_SIZE(type_names); i++)
		if (strcmp(text, type_names[i]) == 0) {
			*ret = (enum bundle_type)i;
			return 0;
		}
	return -EINVAL;
}

const char *bundle_type_name(enum bundle_type type)
{
	return type_names[type];
}

int bundle_probe(
	enum bundle_type *ret, const char *location, enum bundle_type given, struct error *err)
{
	struct stat st;

	if (stat(location, &st) < 0)
		return error_set(err, -errno, "cannot find the bundle %s: %m", location);
	if (S_ISDIR(st.st_mode)) {
		if (given != BUNDLE_AUTO && given != BUNDLE_DIRECTORY)
			return error_set(err, -EISDIR,
				"the bundle %s is a directory, not a file of type %s", location,
				bundle_type_name(given));
		*ret = BUNDLE_DIRECTORY;
		return 0;
	}
	if (given == BUNDLE_DIRECTORY)
		return error_set(err, -ENOTDIR, "the bundle %s is not a directory", location);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL,
			"the bundle %s is neither a directory nor a regular file", location);
	*ret = given;
	return 0;
}
