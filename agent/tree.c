/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum kind kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return KIND_FILE;
	if (S_ISDIR(mode))
		return KIND_DIRECTORY;
	return S_ISLNK(mode) ? KIND_LINK : KIND_OTHER;
}

static uint32_t hash_of(uint32_t parent, const char *name, size_t n)
{
	uint32_t hash = 2166136261u ^ (parent * 2654435761u);

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash ^ (hash >> 15);
}

uint32_t tree_text(struct tree *tree, const char *name, size_t n)
{
	size_t at = tree->n_names;

	while (tree->n_names + n + 1 > tree->cap_names) {
		tree->cap_names = tree->cap_names ? tree->cap_names * 2 : 4096;
		tree->names = xreallocarray(tree->names, tree->cap_names, 1);
	}
	(void)memcpy(tree->names + at, name, n);
	tree->names[at + n] = '\0';
	tree->n_names += n + 1;
	return (uint32_t)at;
}

void tree_init(struct tree *tree)
{
	*tree = (struct tree){ .table_size = 1024 };
	tree->table = xcalloc(tree->table_size, sizeof(*tree->table));
	xgrow(&tree->nodes, &tree->cap_nodes, tree->n_nodes);
	tree->nodes[0] = (struct node){ .name = tree_text(tree, "", 0) };
	tree->n_nodes = 1;
}

void tree_done(struct tree *tree)
{
	free(tree->nodes);
	free(tree->names);
	free(tree->table);
	free(tree->seen);
	free(tree->owned);
	*tree = (struct tree){ 0 };
}

static void put_in_table(struct tree *tree, uint32_t node)
{
	const char *name = tree_name(tree, node);
	size_t slot = hash_of(tree->nodes[node].parent, name, strlen(name));

	while (tree->table[slot & (tree->table_size - 1)])
		slot++;
	tree->table[slot & (tree->table_size - 1)] = node;
}

static void grow_table(struct tree *tree)
{
	free(tree->table);
	tree->table_size *= 2;
	tree->table = xcalloc(tree->table_size, sizeof(*tree->table));
	for (uint32_t i = 1; i < tree->n_nodes; i++)
		put_in_table(tree, i);
}

static bool is_child(
	const struct tree *tree, uint32_t node, uint32_t parent, const char *name, size_t n)
{
	const char *other = tree_name(tree, node);

	return tree->nodes[node].parent == parent && strncmp(other, name, n) == 0 &&
	       other[n] == '\0';
}

uint32_t tree_find(const struct tree *tree, uint32_t parent, const char *name, size_t n)
{
	size_t slot = hash_of(parent, name, n);
	uint32_t node;

	for (; (node = tree->table[slot & (tree->table_size - 1)]); slot++)
		if (is_child(tree, node, parent, name, n))
			return node;
	return 0;
}

/* A walk over what an earlier one has left meets the nodes in the order they stand in. */
static uint32_t find_next(const struct tree *tree, uint32_t parent, const char *name, size_t n)
{
	uint32_t next = tree->latest + 1;

	return next < tree->n_nodes && is_child(tree, next, parent, name, n)
		       ? next
		       : tree_find(tree, parent, name, n);
}

uint32_t tree_add(struct tree *tree, uint32_t parent, const char *name, size_t n)
{
	uint32_t node = find_next(tree, parent, name, n);

	if (node) {
		tree->latest = node;
		return node;
	}
	if (tree->n_nodes >= TREE_NODES_LIMIT || tree->n_names > UINT32_MAX - 4096 ||
		tree->nodes[parent].depth >= TREE_DEPTH_LIMIT)
		return 0;
	if ((tree->n_nodes + 1) * 3 > tree->table_size * 2)
		grow_table(tree);
	xgrow(&tree->nodes, &tree->cap_nodes, tree->n_nodes);
	node = (uint32_t)tree->n_nodes++;
	tree->nodes[node] = (struct node){
		.parent = parent,
		.next = tree->nodes[parent].child,
		.name = tree_text(tree, name, n),
		.depth = (uint16_t)(tree->nodes[parent].depth + 1),
	};
	tree->nodes[parent].child = node;
	put_in_table(tree, node);
	tree->latest = node;
	return node;
}

/* The next component of a path, or NULL; *ret_n bytes long. */
static const char *component(const char **path, size_t *ret_n)
{
	const char *at = *path + strspn(*path, "/");

	*ret_n = strcspn(at, "/");
	*path = at + *ret_n;
	return *ret_n ? at : NULL;
}

uint32_t tree_find_path(const struct tree *tree, const char *path)
{
	uint32_t node = TREE_ROOT;
	const char *name;
	size_t n;

	while ((name = component(&path, &n))) {
		node = tree_find(tree, node, name, n);
		if (!node)
			return UINT32_MAX;
	}
	return node;
}

uint32_t tree_add_path(struct tree *tree, const char *path)
{
	uint32_t node = TREE_ROOT;
	const char *name;
	size_t n;

	while ((name = component(&path, &n))) {
		node = tree_add(tree, node, name, n);
		if (!node)
			break;
	}
	return node;
}

static int compare_names(const void *a, const void *b, void *tree)
{
	return strcmp(
		tree_name(tree, *(const uint32_t *)a), tree_name(tree, *(const uint32_t *)b));
}

void tree_sort(struct tree *tree)
{
	cleanup_with(freep) uint32_t *list = NULL;
	size_t cap = 0;

	for (uint32_t i = 0; i < tree->n_nodes; i++) {
		size_t n = 0;

		for (uint32_t child = tree->nodes[i].child; child;
			child = tree->nodes[child].next) {
			xgrow(&list, &cap, n);
			list[n++] = child;
		}
		if (n < 2)
			continue;
		qsort_r(list, n, sizeof(*list), compare_names, tree);
		tree->nodes[i].child = list[0];
		for (size_t j = 0; j < n; j++)
			tree->nodes[list[j]].next = j + 1 < n ? list[j + 1] : 0;
	}
}

void tree_path(const struct tree *tree, uint32_t node, struct buf *ret)
{
	uint32_t way[TREE_DEPTH_LIMIT + 1];
	size_t n = 0;

	if (node == TREE_ROOT)
		buf_putc(ret, '/');
	for (; node != TREE_ROOT; node = tree->nodes[node].parent)
		way[n++] = node;
	while (n > 0) {
		buf_putc(ret, '/');
		buf_puts(ret, tree_name(tree, way[--n]));
	}
}

uint32_t tree_skip(const struct tree *tree, uint32_t node)
{
	while (node != TREE_ROOT && !tree->nodes[node].next)
		node = tree->nodes[node].parent;
	return node == TREE_ROOT ? 0 : tree->nodes[node].next;
}

uint32_t tree_next(const struct tree *tree, uint32_t node)
{
	return tree->nodes[node].child ? tree->nodes[node].child : tree_skip(tree, node);
}

struct owned *tree_own(struct tree *tree, uint32_t node)
{
	if (!tree->nodes[node].owned) {
		xgrow(&tree->owned, &tree->cap_owned, tree->n_owned);
		tree->owned[tree->n_owned] = (struct owned){ 0 };
		tree->nodes[node].owned = (uint32_t)++tree->n_owned;
	}
	return &tree->owned[tree->nodes[node].owned - 1];
}

struct seen *tree_see(struct tree *tree, uint32_t node)
{
	if (!tree->nodes[node].seen) {
		xgrow(&tree->seen, &tree->cap_seen, tree->n_seen);
		tree->seen[tree->n_seen] = (struct seen){ 0 };
		tree->nodes[node].seen = (uint32_t)++tree->n_seen;
	}
	return &tree->seen[tree->nodes[node].seen - 1];
}
