/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/appspec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"

static void add_error(struct diagnostics *diagnostics, const char *name, const char *id,
	const struct error *err)
{
	diagnostics_add(diagnostics, SEVERITY_ERROR, name, 0, 0, id, "%s", err->text);
}

/* A name in the bundle's root that was probably meant, such as AppSpec.yml; "" if none. */
static void find_lookalike(int bundle_fd, char *ret, size_t size)
{
	cleanup_with(closedirp) DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(bundle_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ret[0] = '\0';
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcasestr(entry->d_name, "appspec") &&
			(ret[0] == '\0' || strcmp(entry->d_name, ret) < 0) &&
			strlen(entry->d_name) < size)
			(void)strcpy(ret, entry->d_name);
}

static int report_missing(int bundle_fd, const char *name, struct diagnostics *diagnostics)
{
	char lookalike[64];

	find_lookalike(bundle_fd, lookalike, sizeof(lookalike));
	diagnostics_add(diagnostics, SEVERITY_ERROR, name ? name : "appspec.yml", 0, 0,
		"E-APPSPEC-MISSING", "the bundle holds no %s%s%s%s",
		name ? name : "appspec.yml or appspec.yaml in its first directory",
		lookalike[0] ? "; there is '" : "", lookalike,
		lookalike[0] ? "', but the name must be exactly that" : "");
	return -ENOENT;
}

static int load(struct appspec **ret, int fd, const char *name, struct diagnostics *diagnostics)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error err = ERROR_NONE;
	int r = file_read_fd(fd, name, APPSPEC_LIMIT_BYTES, &text, &err);

	if (r < 0) {
		add_error(diagnostics, name, "E-APPSPEC-READ", &err);
		return r;
	}
	return appspec_parse(ret, text.data, text.len, name, diagnostics);
}

int appspec_load(
	struct appspec **ret, int bundle_fd, const char *name, struct diagnostics *diagnostics)
{
	const char *const defaults[] = { "appspec.yml", "appspec.yaml" };
	const char *const *names = name ? &name : defaults;
	size_t n = name ? 1 : ARRAY_SIZE(defaults);
	struct error err = ERROR_NONE;

	if (name && (name[0] == '\0' || name[0] == '/' || path_has_dotdot(name))) {
		diagnostics_add(diagnostics, SEVERITY_ERROR, name, 0, 0, "E-APPSPEC-NAME",
			"the appspec must be named by a path inside the bundle, without '..' "
			"and without a leading slash");
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		/* Non-blocking, so that a fifo in its place cannot hold us. */
		cleanup_with(closep) int fd = file_open_beneath(
			bundle_fd, names[i], O_RDONLY | O_NONBLOCK, 0);

		if (fd >= 0)
			return load(ret, fd, names[i], diagnostics);
		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		(void)error_set(&err, fd,
			fd == -EXDEV ? "%s is a link that leaves the bundle"
				     : "cannot open %s: %m",
			names[i]);
		add_error(diagnostics, names[i], "E-APPSPEC-READ", &err);
		return fd;
	}
	return report_missing(bundle_fd, name, diagnostics);
}
