/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/switch.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/inventory.h"
#include "agent/root.h"
#include "agent/switch_internal.h"
#include "base/error.h"
#include "base/file.h"

int switch_sync(struct switcher *switcher, bool others_only, struct error *err)
{
	const struct journal_section *section = switcher->section;
	struct stat state;
	struct stat st;

	if (fstat(switcher->root->instructions_fd, &state) < 0)
		return error_set(err, -errno, "cannot look at the state directory: %m");
	if (!others_only && syncfs(switcher->root->instructions_fd) < 0)
		return error_set(err, -errno, "cannot sync the file system of %s: %m",
			switcher->root->path);
	for (uint32_t i = 0; i < section->n_directories; i++) {
		int fd;

		if (!(section->directories[i].flags & DIRECTORY_SYNC))
			continue;
		fd = switch_directory_fd(switcher, i);
		if (fd == -ESTALE)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return error_set(err, fd < 0 ? fd : -errno, "cannot look at %s: %m",
				section->directories[i].path);
		if (st.st_dev != state.st_dev && syncfs(fd) < 0)
			return error_set(err, -errno, "cannot sync the file system of %s: %m",
				section->directories[i].path);
	}
	return 0;
}

/* The mark that dropping has begun, so on disk before it does. */
static int drop_inventories(struct switcher *switcher, struct error *err)
{
	const struct journal_section *section = switcher->section;

	for (uint32_t i = 0; i < section->n_ops; i++) {
		const struct op *op = &section->ops[i];
		int fd = switcher->stage_fds[op->stage];
		int r;

		if (op->kind != OP_EXCHANGE || !op->is_directory || fd < 0)
			continue;
		r = inventory_remove(fd, op->number);
		if (r > 0)
			r = syncfs(fd) < 0 ? -errno : 0;
		if (r < 0)
			return error_set(err, r, "cannot remove %s/%u.own: %m",
				section->stages[op->stage].name, op->number);
	}
	return 0;
}

int switch_drop(struct switcher *switcher, struct error *err)
{
	const struct journal_section *section = switcher->section;
	int first = drop_inventories(switcher, err);

	if (first < 0)
		return first;
	for (uint32_t i = 0; i < section->n_stages; i++) {
		const struct journal_stage *stage = &section->stages[i];
		struct error removing = ERROR_NONE;
		int fd;
		int r;

		if (switcher->stage_fds[i] < 0)
			continue;
		fd = switch_directory_fd(switcher, stage->directory);
		r = fd < 0 ? error_set(&removing, fd, "%m")
			   : file_remove_tree(fd, stage->name, &removing);
		if (r < 0 && first == 0)
			first = error_set(err, r, "%s: %s",
				section->directories[stage->directory].path, removing.text);
	}
	return first;
}
