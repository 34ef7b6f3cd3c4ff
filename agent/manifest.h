/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct plan;
struct root;
struct stream;
struct tree;

/*
 * What the last Install of a group left on the host, path by path: "<group>-manifest". Unlike
 * the reference's cleanup file it holds any name, tells what has changed since, and remembers
 * originals that were overwritten. It counts only as long as the cleanup file beside it is the
 * one we wrote; else another agent deployed in between and its cleanup file says what is ours.
 */
struct manifest_head {
	char *deployment;   /* NULL: no manifest */
	char *install_root; /* "" without */
	uint64_t cleanup_size;
	uint64_t cleanup_hash;
};

enum { MANIFEST_LIMIT_BYTES = 1024 * 1024 * 1024 };

void manifest_head_done(struct manifest_head *head);

/* Parses n bytes of a manifest into a tree (was and owned). -EINVAL if they are none. */
int manifest_parse(struct manifest_head *ret, struct tree *tree, const void *data, size_t n,
	struct error *err);

/* Reads a group's manifest. No file: head->deployment stays NULL. */
int manifest_read(struct manifest_head *ret, struct tree *tree, const struct root *root,
	const char *group, struct error *err);

/*
 * Fills the plan's tree with what is ours: from the manifest or, where the cleanup file is
 * another's, from that.
 */
int manifest_load(struct plan *plan, struct error *err);

/* Writes the plan's new state. cleanup_write() comes first: the manifest holds its size and
 * hash. */
void cleanup_write(const struct plan *plan, struct stream *stream);
void manifest_write(const struct plan *plan, uint64_t cleanup_size, uint64_t cleanup_hash,
	struct stream *stream);

/* install.json, as the reference's tools read it. */
void instructions_write(const struct plan *plan, struct stream *stream);

/* The other group whose manifest owns the path, or NULL; the caller frees. `cache` starts as
 * NULL and is released with manifest_others_free(). */
struct manifest_others;
char *manifest_other_owner(
	const struct plan *plan, struct manifest_others **cache, const char *path);
void manifest_others_free(struct manifest_others *others);
