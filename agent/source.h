/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct plan;
struct buf;

/*
 * The bundle's side: the directories that wanted nodes come from. A node's source has the
 * node's name, in the source directory that the node names.
 */
struct source_directory {
	uint32_t parent;
	uint32_t name; /* offset in the tree's names */
};

struct sources {
	struct source_directory *items; /* 0: the bundle itself */
	size_t n, cap;
};

void sources_init(struct sources *sources);
void sources_done(struct sources *sources);

/* Enters everything the files entries want into the plan's tree. Problems of the bundle or the
 * appspec go to the plan's problems. */
int sources_collect(struct plan *plan, struct error *err);

/* Opens a source directory. Returns the fd or a negative errno. */
int source_open(const struct plan *plan, uint32_t source);

/* Appends its path relative to the bundle, with a slash at the end unless it is the bundle. */
void source_path(const struct plan *plan, uint32_t source, struct buf *ret);

/* The source directory opened last: children of one directory mostly come from one source. */
struct source_cache {
	uint32_t source;
	int fd; /* -1: none yet */
};

/* The fd of a source directory, which stays the cache's, or a negative errno. */
int source_cached(const struct plan *plan, struct source_cache *cache, uint32_t source);
void source_cache_done(struct source_cache *cache);
