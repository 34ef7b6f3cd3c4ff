/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/install.h"
#include "agent/source.h"

struct error;
struct plan;

/*
 * Makes the new objects under a directory that only root can enter, each with its final
 * content, owner, mode, time and attributes.
 */
struct stager {
	struct plan *plan;
	install_progress_fn *progress;
	void *userdata;
	struct source_cache source; /* for what is staged by itself */
	char *block;
	uint64_t bytes;
	uint64_t reported_bytes;
	size_t files;
	int no_clone; /* the file systems seen last cannot share blocks */
	dev_t clone_from, clone_to;
	struct error *err;
};

void stager_init(struct stager *stager, struct plan *plan, install_progress_fn *progress,
	void *userdata, struct error *err);
void stager_done(struct stager *stager);

/* Makes the node, with all that is below a directory, as `name` in `fd`. Fills the nodes' inode
 * numbers and modes. */
int stage_node(struct stager *stager, uint32_t node, int fd, const char *name);

/*
 * Gives what is at from_fd/from a second place, with all its metadata: as a hard link, or as a
 * copy on another file system. For files and links that are not ours.
 */
int stage_keep(struct stager *stager, int from_fd, const char *from, int to_fd, const char *to);
