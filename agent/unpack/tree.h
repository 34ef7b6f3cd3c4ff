/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "agent/unpack/entry.h"
#include "base/buf.h"

struct error;

/*
 * The directory that is being filled, one entry after the other. Entries are made below a
 * descriptor and never through a link: a path whose parent is not a directory of this tree is
 * refused. Nobody else writes to the tree meanwhile. A later entry replaces an earlier one,
 * except that directories stay directories.
 *
 * Paths are normalised ones (entry.h) and not "". On failure err holds what to say after the
 * entry's name: "cannot be made: No space left on device".
 */
struct tree {
	int root_fd;                 /* borrowed */
	int parent_fd;               /* of the latest entry, one of the parents */
	struct tree_parent *parents; /* opened last; directories never go, so they stay valid */
	size_t n_parents;
	size_t oldest;    /* whose place the next one takes */
	struct buf later; /* directories to be finished, see tree.c */
	struct buf looks; /* paths of links to be looked at, NUL after each */
};

struct tree_attributes {
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
	bool has_mtime;
	struct timespec mtime;
};

void tree_init(struct tree *tree, int root_fd);
void tree_done(struct tree *tree);

/* A new empty regular file, open for writing; the caller ends with tree_finish_file(). */
int tree_create_file(struct tree *tree, const char *path, mode_t mode, struct error *err);

/* Sets owner and time of what was created, after its content. */
int tree_finish_file(int fd, const struct tree_attributes *attributes, struct error *err);

/*
 * Makes a directory, or sets the attributes of one that is there. Its time, and `default_acl`
 * (an extended attribute's value, or NULL), are set by tree_finish(): making what is inside
 * would change the one and be changed by the other. If ret_fd is not NULL it gets a descriptor.
 */
int tree_make_dir(struct tree *tree, const char *path, const struct tree_attributes *attributes,
	const void *default_acl, size_t n_default_acl, int *ret_fd, struct error *err);

int tree_make_link(struct tree *tree, const char *path, const char *target,
	const struct tree_attributes *attributes, bool needs_look, struct error *err);

/* A second name for a regular file made before. */
int tree_make_hardlink(
	struct tree *tree, const char *path, const char *target, struct error *err);

/*
 * Sets what had to wait, and looks where those links lead that needed it: out of the bundle is
 * -EPERM with ret_path the link's path. `prefix` is the wrapping directory that will be taken
 * off, or "".
 */
int tree_finish(
	struct tree *tree, const char *prefix, const char **ret_path, struct error *err);

/*
 * The name of the root's only entry if that is a directory with some name directly inside that
 * contains "appspec" in any case of letters: such a directory is taken off. The caller frees;
 * NULL if there is none.
 */
int tree_find_wrapper(struct tree *tree, char **ret, struct error *err);
