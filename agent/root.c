/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/root.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

enum { ID_LIMIT_BYTES = 200, POINTER_LIMIT_BYTES = 8192 };

static int open_directory(int dirfd, const char *path, struct error *err)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "cannot open directory %s: %m", path);
	return fd;
}

/* Hook scripts run from below the root: on a noexec mount each of them would fail by itself. */
static int refuse_noexec(const struct root *root, struct error *err)
{
	struct statvfs fs;

	if (fstatvfs(root->fd, &fs) < 0)
		return error_set(
			err, -errno, "cannot look at the file system of %s: %m", root->path);
	if (fs.f_flag & ST_NOEXEC)
		return error_set(err, -EACCES,
			"%s is on a file system mounted noexec, where no hook script could "
			"run; "
			"remount it with exec or choose another state directory",
			root->path);
	return 0;
}

static int open_parts(struct root *root, bool make, struct error *err)
{
	int r;

	if (make) {
		r = file_make_dirs(AT_FDCWD, root->path, 0755, err);
		if (r < 0)
			return r;
	}
	root->fd = open_directory(AT_FDCWD, root->path, err);
	if (root->fd < 0)
		return root->fd;
	r = refuse_noexec(root, err);
	if (r < 0)
		return r;
	if (make) {
		r = file_make_dirs(root->fd, "deployment-instructions", 0755, err);
		if (r < 0)
			return error_wrap(err, "%s", root->path);
	}
	root->instructions_fd = open_directory(root->fd, "deployment-instructions", err);
	if (root->instructions_fd < 0)
		return error_wrap(err, "%s", root->path);
	return 0;
}

int root_open(struct root *root, const char *path, bool make, struct error *err)
{
	struct root opened = { .fd = -1, .instructions_fd = -1 };
	int r;

	if (path[0] != '/')
		return error_set(
			err, -EINVAL, "the state directory '%s' is not an absolute path", path);
	opened.path = path_normalise("/", path);
	r = open_parts(&opened, make, err);
	if (r < 0) {
		root_done(&opened);
		return r;
	}
	*root = opened;
	return 0;
}

void root_done(struct root *root)
{
	if (!root || !root->path) /* zeroed: its descriptors are not ours */
		return;
	closep(&root->fd);
	closep(&root->instructions_fd);
	freep(&root->path);
	*root = (struct root){ .fd = -1, .instructions_fd = -1 };
}

/* Directories of the root itself, beside those of the groups. */
static bool is_reserved(const char *id)
{
	static const char *const names[] = { "deployment-instructions", "deployment-logs",
		"ongoing-deployment" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(id, names[i]) == 0)
			return true;
	return false;
}

bool root_id_is_safe(const char *id)
{
	size_t n = strnlen(id, ID_LIMIT_BYTES + 1);

	if (n == 0 || n > ID_LIMIT_BYTES || strcmp(id, ".") == 0 || strcmp(id, "..") == 0 ||
		is_reserved(id))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isprint((unsigned char)id[i]) || id[i] == '/')
			return false;
	return true;
}

char *root_deployment_dir(const struct root *root, const char *group, const char *deployment)
{
	cleanup_with(freep) char *directory = path_join(root->path, group);

	return path_join(directory, deployment);
}

char *root_archive_dir(const struct root *root, const char *group, const char *deployment)
{
	cleanup_with(freep) char *directory = root_deployment_dir(root, group, deployment);

	return path_join(directory, "deployment-archive");
}

char *root_instruction_name(const char *group, const char *kind)
{
	return xasprintf("%s%s", group, kind);
}

int root_read_pointer(const struct root *root, const char *group, const char *kind, char **ret,
	struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, kind);
	cleanup_with(buf_done) struct buf text = { 0 };
	struct error reading = ERROR_NONE;
	int r;

	r = file_read(root->instructions_fd, name, POINTER_LIMIT_BYTES, &text, &reading);
	if (r == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	if (r < 0)
		return error_set(
			err, r, "%s/deployment-instructions: %s", root->path, reading.text);
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (text.len == 0 || text.data[0] != '/' || strlen(text.data) != text.len)
		return error_set(err, -EINVAL,
			"%s/deployment-instructions/%s does not hold an absolute path; remove "
			"it if "
			"the group may be deployed as for the first time",
			root->path, name);
	*ret = buf_steal(&text);
	return 0;
}

int root_write_pointer(const struct root *root, const char *group, const char *kind,
	const char *target, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, kind);

	return file_write_atomic(
		root->instructions_fd, name, target, strlen(target), 0644, err);
}
