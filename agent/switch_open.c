/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/root.h"
#include "agent/switch_internal.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"

static int open_directory(const struct switcher *switcher, const char *path)
{
	if (path[0] == '\0')
		return target_open(switcher->root->instructions_fd, ".", O_RDONLY);
	return target_open(switcher->slash_fd, path, O_RDONLY);
}

int switch_identify(int dirfd, const char *name, struct identity *ret)
{
	struct seen seen;
	int r = target_see(dirfd, name, &seen);

	*ret = (struct identity){ 0 };
	if (r == 0)
		*ret = (struct identity){ .ino = seen.ino, .birth = seen.birth };
	return r == -ENOENT ? 0 : r;
}

int switch_directory_fd(struct switcher *switcher, uint32_t index)
{
	const struct journal_directory *directory = &switcher->section->directories[index];
	size_t slot = index % ARRAY_SIZE(switcher->open);
	cleanup_with(closep) int fd = -1;
	struct identity identity;
	int r;

	if (switcher->open[slot].fd >= 0 && switcher->open[slot].directory == index)
		return switcher->open[slot].fd;
	fd = open_directory(switcher, directory->path);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return -ESTALE;
	if (fd < 0)
		return fd;
	r = switch_identify(fd, "", &identity);
	if (r < 0)
		return r;
	if (!identity_equal(identity, directory->identity))
		return -ESTALE;
	closep(&switcher->open[slot].fd);
	switcher->open[slot].directory = index;
	return switcher->open[slot].fd = take_fd(&fd);
}

static int open_stage(struct switcher *switcher, uint32_t index)
{
	const struct journal_stage *stage = &switcher->section->stages[index];
	struct identity identity;
	struct stat st;
	int *fd = &switcher->stage_fds[index];
	int parent = switch_directory_fd(switcher, stage->directory);
	int r;

	*fd = -1;
	if (parent < 0)
		return parent;
	*fd = openat(parent, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* What is no directory is not it either. */
	if (*fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	if (fstat(*fd, &st) < 0)
		return -errno;
	r = switch_identify(*fd, "", &identity);
	if (r < 0)
		return r;
	/* Only root's own, closed to others, and once known the very one, is a stage. */
	if (st.st_uid != geteuid() || (st.st_mode & 077) ||
		(stage->identity.ino && !identity_equal(identity, stage->identity))) {
		closep(fd);
		*fd = -1;
	}
	return 0;
}

/* Going on without one file system of several would tear what belongs together. */
static void explain_stage(const struct journal_section *section,
	const struct journal_stage *stage, int r, struct error *err)
{
	const char *path = section->directories[stage->directory].path;

	if (r == -ESTALE)
		(void)error_set(err, r,
			"%s is not the directory it was; is its file system mounted? (if it is "
			"gone "
			"for good, move the group's journal in deployment-instructions away)",
			path);
	else
		(void)error_set(err, r, "cannot open %s in %s: %m", stage->name, path);
}

int switch_open(struct switcher *ret, const struct root *root,
	const struct journal_section *section, bool strict, struct error *err)
{
	struct switcher opened = { .root = root, .section = section, .strict = strict };
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(opened.open); i++)
		opened.open[i].fd = -1;
	opened.stage_fds = xcalloc((size_t)section->n_stages + 1, sizeof(int));
	for (uint32_t i = 0; i < section->n_stages; i++)
		opened.stage_fds[i] = -1;
	opened.slash_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret = opened;
	if (opened.slash_fd < 0) {
		r = error_set(err, -errno, "cannot open /: %m");
		switch_done(ret);
		return r;
	}
	for (uint32_t i = 0; i < section->n_stages; i++) {
		r = open_stage(ret, i);
		if (r < 0) {
			explain_stage(section, &section->stages[i], r, err);
			switch_done(ret);
			return r;
		}
	}
	return 0;
}

void switch_done(struct switcher *switcher)
{
	if (!switcher->stage_fds)
		return;
	for (uint32_t i = 0; i < switcher->section->n_stages; i++)
		closep(&switcher->stage_fds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(switcher->open); i++)
		closep(&switcher->open[i].fd);
	closep(&switcher->slash_fd);
	free(switcher->stage_fds);
	free(switcher->first_left_alone);
	*switcher = (struct switcher){ 0 };
}
