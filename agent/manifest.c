/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/root.h"
#include "agent/stream.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static const char magic[8] = "DRVMANI1";

void manifest_head_done(struct manifest_head *head)
{
	free(head->deployment);
	free(head->install_root);
	*head = (struct manifest_head){ 0 };
}

static bool name_is_plain(const char *name, size_t n)
{
	return n > 0 && n <= 255 && !memchr(name, '/', n) && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static void read_owned(struct cursor *cursor, struct owned *ret)
{
	ret->ino = cursor_u64(cursor);
	ret->size = cursor_u64(cursor);
	ret->mtime_s = (int64_t)cursor_u64(cursor);
	ret->mtime_ns = cursor_u32(cursor);
	ret->mode = cursor_u32(cursor);
	ret->uid = cursor_u32(cursor);
	ret->gid = cursor_u32(cursor);
	ret->original = cursor_u32(cursor);
}

/* Entries name their parents by number, so a parent comes first and loops cannot be. */
static bool read_entry(
	struct cursor *cursor, struct tree *tree, uint32_t *nodes, uint32_t index)
{
	uint32_t parent = cursor_u32(cursor);
	unsigned kind = cursor_u16(cursor);
	size_t n = cursor_u16(cursor);
	const char *name = cursor_text(cursor, n);

	if (cursor->bad || parent > index || kind > KIND_LINK || !name_is_plain(name, n))
		return false;
	nodes[index + 1] = tree_add(tree, nodes[parent], name, n);
	if (!nodes[index + 1])
		return false;
	if (kind == KIND_NONE)
		return true;
	tree_node(tree, nodes[index + 1])->was = (uint8_t)kind;
	read_owned(cursor, tree_own(tree, nodes[index + 1]));
	return !cursor->bad;
}

static int read_body(struct manifest_head *ret, struct tree *tree, struct cursor *cursor)
{
	cleanup_with(freep) uint32_t *nodes = NULL;
	const char *deployment = cursor_text(cursor, cursor_u16(cursor));
	const char *install_root = cursor_text(cursor, cursor_u16(cursor));
	uint32_t n;

	ret->cleanup_size = cursor_u64(cursor);
	ret->cleanup_hash = cursor_u64(cursor);
	n = cursor_u32(cursor);
	/* An entry takes ten bytes at least, which bounds what a spoilt number can ask for. */
	if (cursor->bad || n > (size_t)(cursor->end - cursor->at) / 10)
		return -EINVAL;
	nodes = xcalloc((size_t)n + 1, sizeof(*nodes));
	for (uint32_t i = 0; i < n; i++)
		if (!read_entry(cursor, tree, nodes, i))
			return -EINVAL;
	if (cursor->at != cursor->end)
		return -EINVAL;
	ret->deployment = xstrdup(deployment);
	ret->install_root = xstrdup(install_root);
	return 0;
}

int manifest_parse(struct manifest_head *ret, struct tree *tree, const void *data, size_t n,
	struct error *err)
{
	struct cursor cursor = { .at = data, .end = (const char *)data + n };
	uint64_t hash;

	*ret = (struct manifest_head){ 0 };
	if (n < sizeof(magic) + sizeof(hash) || memcmp(data, magic, sizeof(magic)) != 0)
		return error_set(err, -EINVAL, "it is no manifest of this version");
	cursor.end -= sizeof(hash);
	(void)memcpy(&hash, cursor.end, sizeof(hash));
	if (hash != stream_hash(data, n - sizeof(hash)))
		return error_set(err, -EINVAL, "its checksum does not match, so it is damaged");
	cursor.at += sizeof(magic);
	if (read_body(ret, tree, &cursor) < 0)
		return error_set(err, -EINVAL, "its content makes no sense, so it is damaged");
	return 0;
}

int manifest_read(struct manifest_head *ret, struct tree *tree, const struct root *root,
	const char *group, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-manifest");
	cleanup_with(buf_done) struct buf data = { 0 };
	struct error reading = ERROR_NONE;
	int r;

	*ret = (struct manifest_head){ 0 };
	r = file_read(root->instructions_fd, name, MANIFEST_LIMIT_BYTES, &data, &reading);
	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = manifest_parse(ret, tree, data.data, data.len, &reading);
	if (r < 0)
		return error_set(err, r,
			"%s/deployment-instructions/%s: %s; without it the files of the last "
			"deployment are not known as ours (move it away to go on by the "
			"cleanup "
			"file)",
			root->path, name, reading.text);
	return 0;
}

static void put_text(struct stream *stream, const char *text)
{
	size_t n = strlen(text);

	stream_put_u16(stream, (uint16_t)n);
	stream_put(stream, text, n + 1);
}

/* A directory that is kept for its foreign files stays as it was recorded. */
static void write_owned(struct stream *stream, const struct tree *tree, const struct node *node)
{
	struct owned owned = {
		.ino = node->ino,
		.size = node->size,
		.mtime_s = node->mtime_s,
		.mtime_ns = node->mtime_ns,
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.original = node->original,
	};

	if (node->act == ACT_KEPT && node->owned)
		owned = *tree_owned(tree, node);
	stream_put_u64(stream, owned.ino);
	stream_put_u64(stream, owned.size);
	stream_put_u64(stream, (uint64_t)owned.mtime_s);
	stream_put_u32(stream, owned.mtime_ns);
	stream_put_u32(stream, owned.mode);
	stream_put_u32(stream, owned.uid);
	stream_put_u32(stream, owned.gid);
	stream_put_u32(stream, owned.original);
}

static void write_entry(
	struct stream *stream, const struct tree *tree, uint32_t index, const uint32_t *numbers)
{
	const struct node *node = tree_node(tree, index);
	bool ours = node_is_ours_after(node);

	stream_put_u32(stream, numbers[node->parent]);
	stream_put_u16(stream, ours ? (node->want ? node->want : node->was) : KIND_NONE);
	put_text(stream, tree_name(tree, index));
	if (ours)
		write_owned(stream, tree, node);
}

void manifest_write(const struct plan *plan, uint64_t cleanup_size, uint64_t cleanup_hash,
	struct stream *stream)
{
	const struct tree *tree = &plan->tree;
	/* Numbers from 1 of the entries to be written; 0 is the root. */
	cleanup_with(freep) uint32_t *numbers = xcalloc(tree->n_nodes, sizeof(*numbers));
	const char *install_root = plan->request.install_root;
	uint64_t hash;
	uint32_t n = 0;

	/* Children stand behind their parents in the array, so one pass backwards finds every
	 * directory on the way to something of ours. */
	for (size_t i = tree->n_nodes - 1; i > 0; i--)
		if (numbers[i] || node_is_ours_after(&tree->nodes[i])) {
			numbers[i] = 1;
			numbers[tree->nodes[i].parent] = 1;
		}
	numbers[TREE_ROOT] = 0;
	for (size_t i = 1; i < tree->n_nodes; i++)
		if (numbers[i])
			numbers[i] = ++n;

	stream_put(stream, magic, sizeof(magic));
	put_text(stream, plan->request.deployment);
	put_text(stream, install_root ? install_root : "");
	stream_put_u64(stream, cleanup_size);
	stream_put_u64(stream, cleanup_hash);
	stream_put_u32(stream, n);
	for (uint32_t i = 1; i < tree->n_nodes; i++)
		if (numbers[i])
			write_entry(stream, tree, i, numbers);
	(void)stream_end(stream);
	hash = stream->hash;
	stream_put_u64(stream, hash);
}

struct manifest_others {
	size_t n, cap;
	struct other {
		char *group;
		struct tree tree;
	} * items;
};

void manifest_others_free(struct manifest_others *others)
{
	for (size_t i = 0; others && i < others->n; i++) {
		free(others->items[i].group);
		tree_done(&others->items[i].tree);
	}
	if (others)
		free(others->items);
	free(others);
}

/* An unreadable manifest of another group is that group's trouble. */
static void load_other(
	const struct plan *plan, struct manifest_others *others, const char *name)
{
	size_t n = strlen(name) - strlen("-manifest");
	struct other other = { .group = xstrndup(name, n) };
	struct manifest_head head;
	int r;

	tree_init(&other.tree);
	r = strcmp(other.group, plan->request.group) == 0
		    ? -EEXIST
		    : manifest_read(&head, &other.tree, plan->request.root, other.group, NULL);
	if (r == 0) {
		const char *ours = plan->request.install_root;

		if (!head.deployment || strcmp(head.install_root, ours ? ours : "") != 0)
			r = -ENOENT;
		manifest_head_done(&head);
	}
	if (r < 0) {
		free(other.group);
		tree_done(&other.tree);
		return;
	}
	xgrow(&others->items, &others->cap, others->n);
	others->items[others->n++] = other;
}

static struct manifest_others *load_others(const struct plan *plan)
{
	struct manifest_others *others = xcalloc(1, sizeof(*others));
	cleanup_with(closep) int fd = openat(
		plan->request.root->instructions_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return others;
	(void)take_fd(&fd);
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n > 9 && strcmp(entry->d_name + n - 9, "-manifest") == 0)
			load_other(plan, others, entry->d_name);
	}
	return others;
}

char *manifest_other_owner(
	const struct plan *plan, struct manifest_others **cache, const char *path)
{
	if (!*cache)
		*cache = load_others(plan);
	for (size_t i = 0; i < (*cache)->n; i++) {
		struct tree *tree = &(*cache)->items[i].tree;
		uint32_t node = tree_find_path(tree, path);

		if (node != UINT32_MAX && tree_node(tree, node)->was != KIND_NONE &&
			tree_node(tree, node)->was != KIND_DIRECTORY)
			return xstrdup((*cache)->items[i].group);
	}
	return NULL;
}
