/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "agent/tree.h"

struct error;

/*
 * The places on the host where files go. Links on the way are followed only if root owns them,
 * once, while planning; the paths that result have none, and are opened from then on without
 * following any.
 */

/* Opens a directory by an absolute path below root_fd whose every component is a directory, not
 * a link. `flags` beyond O_DIRECTORY | O_CLOEXEC. Returns the fd or a negative errno. */
int target_open(int root_fd, const char *path, int flags);

/* The same for a node. */
int target_open_node(int root_fd, const struct tree *tree, uint32_t node, int flags);

/* Looks at what `parent_fd` (-1: nothing) has under the node's name, once; fills host and seen.
 * Returns 0 or a negative errno. */
int target_look(struct tree *tree, uint32_t node, int parent_fd);

/* Fills `ret` from an open file, or from a name if not empty. -ENOENT if it is not there. */
int target_see(int dirfd, const char *name, struct seen *ret);

/*
 * The node of an absolute path, every component looked at. A link that is there and not ours is
 * followed if it leads to a directory and belongs to root; each node made for a component is
 * reported to `on_way` (may be NULL) from the outside in. -ELOOP, -ENOTDIR, -EPERM, -E2BIG with
 * err filled.
 */
int target_resolve(struct tree *tree, int root_fd, const char *path,
	void (*on_way)(struct tree *tree, uint32_t node, void *userdata), void *userdata,
	uint32_t *ret, struct error *err);

/* The directory that the foreign link at `node` leads to, by the same rules. */
int target_follow(
	struct tree *tree, int root_fd, uint32_t node, uint32_t *ret, struct error *err);
