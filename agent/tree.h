/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

/*
 * The paths an install deals with, as one compact tree: what the new revision wants, what the
 * group's last one left, and what is on the host. Nodes are indices into one array, names stand
 * in one arena, so that 40,000 files take a few MiB. Paths are absolute and free of links; the
 * root of the tree is "/" (or the install root).
 */
enum kind { KIND_NONE, KIND_FILE, KIND_DIRECTORY, KIND_LINK, KIND_OTHER };
enum kind kind_of(mode_t mode);

/* What becomes of a node. */
enum act {
	ACT_NONE,
	ACT_NEW,
	ACT_REPLACED,
	ACT_ADJUSTED, /* a directory that stays, with other owner, mode or time */
	ACT_SAME,
	ACT_REMOVED,
	ACT_KEPT,
	ACT_RESTORED /* the original that an earlier deployment overwrote comes back */
};

enum {
	NODE_LOOKED = 1 << 0,  /* host and seen are filled */
	NODE_FOREIGN = 1 << 1, /* a directory that is there and not ours: used, not touched */
	NODE_IMPLIED = 1 << 2, /* a missing parent: no source, root 0755 */
	NODE_CHANGED = 1 << 3, /* ours, and changed by others since */
	NODE_SAVED = 1 << 4,   /* what is replaced is not ours: goes to replaced/ */
	NODE_PART = 1 << 5,    /* staged and switched as a part of a directory above it */
	NODE_ENTRY = 1 << 6,   /* destination directory of a files entry */
	NODE_SOURCED = 1 << 7, /* mode, owner and time come from the bundle */
	NODE_READ = 1 << 8,    /* bundle's and host's file were compared already: */
	NODE_ALIKE = 1 << 9,   /* they have the same content, */
	NODE_BARE = 1 << 10,   /* and neither has attributes */
};

/* What the host has; identity is inode number and birth time (0 where there is none). */
struct seen {
	uint64_t ino;
	uint64_t birth;
	uint64_t mount;
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	dev_t device;
};

/* What the group's manifest says of a path of ours. */
struct owned {
	uint64_t ino; /* 0: unknown, the path is all that is known */
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t original; /* its number in replaced/, 0: none */
};

struct node {
	uint32_t parent;
	uint32_t child; /* 0: none */
	uint32_t next;
	uint32_t name; /* offset in names */
	uint8_t want;  /* enum kind */
	uint8_t was;   /* enum kind: ours until now */
	uint8_t host;  /* enum kind */
	uint8_t act;   /* enum act */
	uint16_t flags;
	uint16_t depth;
	uint32_t entry;  /* index of the files entry that wants it */
	uint32_t source; /* source directory it comes from (source.h) */
	uint32_t grant;  /* what permissions give it (permission.h), 0: nothing */
	uint32_t seen;   /* index + 1, 0: nothing there */
	uint32_t owned;  /* index + 1 */
	uint32_t mode;   /* from here: as it shall be */
	uint32_t uid;
	uint32_t gid;
	uint32_t mtime_ns;
	int64_t mtime_s;
	uint64_t size;
	uint64_t ino;      /* once staged */
	uint32_t original; /* number in the new replaced/, 0: none */
	uint32_t heir;     /* inheritance (plan.h), 0: none */
};

struct tree {
	struct node *nodes;
	size_t n_nodes, cap_nodes;
	char *names;
	size_t n_names, cap_names;
	uint32_t *table; /* hash of (parent, name), 0: free */
	size_t table_size;
	uint32_t latest; /* found or added last */
	struct seen *seen;
	size_t n_seen, cap_seen;
	struct owned *owned;
	size_t n_owned, cap_owned;
};

enum { TREE_ROOT = 0, TREE_DEPTH_LIMIT = 400, TREE_NODES_LIMIT = 8 * 1024 * 1024 };

void tree_init(struct tree *tree);
void tree_done(struct tree *tree);

/* Keeps a text among the names; its offset there. */
uint32_t tree_text(struct tree *tree, const char *name, size_t n);

/* The child of that name, or 0. The name is n bytes without slash or NUL. */
uint32_t tree_find(const struct tree *tree, uint32_t parent, const char *name, size_t n);

/* The child of that name, made if need be; 0 if the tree may grow no further or no deeper. */
uint32_t tree_add(struct tree *tree, uint32_t parent, const char *name, size_t n);

/* The same for an absolute normalised path, from the root. find returns UINT32_MAX for
 * nothing there, since the root is a node. */
uint32_t tree_find_path(const struct tree *tree, const char *path);
uint32_t tree_add_path(struct tree *tree, const char *path);

/* Orders the children of every node by name, as bytes. */
void tree_sort(struct tree *tree);

/* Appends the absolute path ("/" for the root). */
void tree_path(const struct tree *tree, uint32_t node, struct buf *ret);

/* The node after this one, parents before children; 0 at the end. tree_skip leaves out what is
 * below. */
uint32_t tree_next(const struct tree *tree, uint32_t node);
uint32_t tree_skip(const struct tree *tree, uint32_t node);

static inline struct node *tree_node(const struct tree *tree, uint32_t node)
{
	return &tree->nodes[node];
}

static inline const char *tree_name(const struct tree *tree, uint32_t node)
{
	return tree->names + tree->nodes[node].name;
}

/* What is on the host at a node, or NULL. */
static inline const struct seen *tree_seen(const struct tree *tree, const struct node *node)
{
	return node->seen ? &tree->seen[node->seen - 1] : NULL;
}

static inline struct owned *tree_owned(const struct tree *tree, const struct node *node)
{
	return node->owned ? &tree->owned[node->owned - 1] : NULL;
}

struct owned *tree_own(struct tree *tree, uint32_t node);
struct seen *tree_see(struct tree *tree, uint32_t node);

/* True if a path of our manifest is this node and the new state goes on owning it. */
static inline bool node_is_ours_after(const struct node *node)
{
	return (node->want != KIND_NONE && !(node->flags & NODE_FOREIGN) &&
		       (node->act == ACT_NEW || node->act == ACT_REPLACED ||
			       node->act == ACT_ADJUSTED || node->act == ACT_SAME)) ||
	       (node->want == KIND_NONE && node->was == KIND_DIRECTORY &&
		       node->act == ACT_KEPT);
}
