/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/compare.h"
#include "agent/plan.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

void sources_init(struct sources *sources)
{
	*sources = (struct sources){ 0 };
	xgrow(&sources->items, &sources->cap, sources->n);
	sources->items[sources->n++] = (struct source_directory){ 0 };
}

void sources_done(struct sources *sources)
{
	free(sources->items);
	*sources = (struct sources){ 0 };
}

static uint32_t add_source(struct sources *sources, uint32_t parent, uint32_t name)
{
	xgrow(&sources->items, &sources->cap, sources->n);
	sources->items[sources->n] = (struct source_directory){ .parent = parent,
		.name = name };
	return (uint32_t)sources->n++;
}

void source_path(const struct plan *plan, uint32_t source, struct buf *ret)
{
	uint32_t way[TREE_DEPTH_LIMIT * 2];
	size_t n = 0;

	for (; source != 0 && n < ARRAY_SIZE(way); source = plan->sources.items[source].parent)
		way[n++] = source;
	while (n > 0) {
		buf_puts(ret, plan->tree.names + plan->sources.items[way[--n]].name);
		buf_putc(ret, '/');
	}
}

/* The bundle may hold links between its directories, so these are followed, but not out of it.
 * A path too long for one call is opened in two. */
static int open_source_path(int bundle_fd, const char *path, int flags)
{
	cleanup_with(closep) int fd = -1;

	while (strlen(path) > 3000) {
		cleanup_with(freep) char *part = xstrndup(path, 3000);
		char *slash = strrchr(part, '/');
		int next;

		if (!slash)
			return -ENAMETOOLONG;
		*slash = '\0';
		next = file_open_beneath(
			fd < 0 ? bundle_fd : fd, part, O_PATH | O_DIRECTORY, 0);
		if (next < 0)
			return next;
		closep(&fd);
		fd = next;
		path += slash - part + 1;
	}
	return file_open_beneath(fd < 0 ? bundle_fd : fd, path[0] ? path : ".", flags, 0);
}

int source_open(const struct plan *plan, uint32_t source)
{
	cleanup_with(buf_done) struct buf path = { 0 };

	source_path(plan, source, &path);
	buf_append(&path, "", 0);
	return open_source_path(plan->bundle_fd, path.data, O_RDONLY | O_DIRECTORY);
}

int source_cached(const struct plan *plan, struct source_cache *cache, uint32_t source)
{
	int fd;

	if (cache->fd >= 0 && cache->source == source)
		return cache->fd;
	fd = source_open(plan, source);
	if (fd < 0)
		return fd;
	closep(&cache->fd);
	cache->source = source;
	cache->fd = fd;
	return fd;
}

void source_cache_done(struct source_cache *cache)
{
	closep(&cache->fd);
	cache->fd = -1;
}

struct walk {
	struct plan *plan;
	uint32_t entry;
	struct stat bundle; /* whose time the missing parents get */
	struct compare compare;
	struct error *err;
};

/* A directory on the way: one that is there and not ours is used as it is; one that is missing,
 * or was made by us, is ours with root's usual directory attributes. */
static void want_way(struct walk *walk, uint32_t node)
{
	struct node *at = tree_node(&walk->plan->tree, node);

	for (; node != TREE_ROOT && at->want == KIND_NONE; node = at->parent) {
		at = tree_node(&walk->plan->tree, node);
		if (at->want != KIND_NONE)
			break;
		at->want = KIND_DIRECTORY;
		at->entry = walk->entry;
		if (at->host == KIND_DIRECTORY && at->was != KIND_DIRECTORY) {
			at->flags |= NODE_FOREIGN;
			continue;
		}
		at->flags |= NODE_IMPLIED;
		at->mode = S_IFDIR | 0755;
		at->uid = at->gid = 0;
		at->mtime_s = walk->bundle.st_mtim.tv_sec;
		at->mtime_ns = (uint32_t)walk->bundle.st_mtim.tv_nsec;
	}
}

static void take_metadata(struct node *node, const struct stat *st)
{
	node->mode = st->st_mode;
	node->uid = st->st_uid;
	node->gid = st->st_gid;
	node->mtime_s = st->st_mtim.tv_sec;
	node->mtime_ns = (uint32_t)st->st_mtim.tv_nsec;
	node->size = (uint64_t)st->st_size;
	node->flags |= NODE_SOURCED;
}

static unsigned entry_line(const struct walk *walk, uint32_t entry)
{
	return walk->plan->request.spec->files[entry].mark.line;
}

/* False after a problem. */
static bool want_file(struct walk *walk, uint32_t child, uint32_t source, const struct stat *st)
{
	struct plan *plan = walk->plan;
	struct node *node = tree_node(&plan->tree, child);

	if (node->want != KIND_NONE) {
		cleanup_with(freep) char *path = plan_path(plan, child);

		if (node->want == KIND_DIRECTORY)
			plan_problem(plan, walk->entry, "E-COPY-OVER-MKDIR",
				"%s would be a file here and is a directory by the entry at "
				"line %u",
				path, entry_line(walk, node->entry));
		else
			plan_problem(plan, walk->entry, "E-COPY-DUP",
				"%s is already copied by the entry at line %u", path,
				entry_line(walk, node->entry));
		return false;
	}
	node->want = (uint8_t)kind_of(st->st_mode);
	node->entry = walk->entry;
	node->source = source;
	take_metadata(node, st);
	return true;
}

/* Returns the node where the directory is (a link of root's may lead elsewhere), or 0 after a
 * problem. */
static uint32_t want_directory(
	struct walk *walk, uint32_t child, uint32_t source, const struct stat *st)
{
	struct plan *plan = walk->plan;
	struct tree *tree = &plan->tree;
	struct node *node = tree_node(tree, child);
	struct error err = ERROR_NONE;

	if (node->host == KIND_LINK && node->was != KIND_LINK && node->want == KIND_NONE) {
		if (target_follow(tree, plan->root_fd, child, &child, &err) < 0) {
			plan_conflict(plan, walk->entry, "E-LINK", "%s", err.text);
			return 0;
		}
		want_way(walk, tree_node(tree, child)->parent);
		node = tree_node(tree, child);
	}
	if (node->want == KIND_FILE || node->want == KIND_LINK) {
		cleanup_with(freep) char *path = plan_path(plan, child);

		plan_problem(plan, walk->entry, "E-MKDIR-OVER-COPY",
			"%s would be a directory here and is a file by the entry at line %u",
			path, entry_line(walk, node->entry));
		return 0;
	}
	if (node->want == KIND_NONE)
		node->entry = walk->entry;
	node->want = KIND_DIRECTORY;
	if (node->host == KIND_DIRECTORY && node->was != KIND_DIRECTORY)
		node->flags |= NODE_FOREIGN;
	else if (!(node->flags & NODE_SOURCED)) {
		node->flags &= (uint16_t)~NODE_IMPLIED;
		node->source = source;
		take_metadata(node, st);
	}
	return child;
}

struct names {
	struct name {
		char *text;
		unsigned char type; /* DT_REG and so on, DT_UNKNOWN where none is told */
	} * items;
	size_t n, cap;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i].text);
	free(names->items);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int read_names(int fd, struct names *ret)
{
	cleanup_with(closep) int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_with(closedirp) DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir)
		return -errno;
	(void)take_fd(&copy);
	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		xgrow(&ret->items, &ret->cap, ret->n);
		ret->items[ret->n++] = (struct name){ .text = xstrdup(entry->d_name),
			.type = entry->d_type };
	}
	if (errno != 0)
		return -errno;
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare_names);
	return 0;
}

static int fail_source(
	const struct walk *walk, int r, uint32_t source, const char *name, const char *what)
{
	cleanup_with(buf_done) struct buf path = { 0 };

	source_path(walk->plan, source, &path);
	return error_set(walk->err, r, "cannot %s %s%s of the bundle: %m", what,
		path.data ? path.data : "", name);
}

static int walk_directory(
	struct walk *walk, uint32_t node, uint32_t source, int source_fd, int host_fd);

static int enter_directory(struct walk *walk, uint32_t child, uint32_t source,
	int parent_source_fd, const char *name, int parent_host_fd, const struct stat *st)
{
	struct tree *tree = &walk->plan->tree;
	cleanup_with(closep) int source_fd = -1;
	cleanup_with(closep) int host_fd = -1;
	uint32_t named = child;
	uint32_t below = add_source(&walk->plan->sources, source, tree_node(tree, child)->name);

	child = want_directory(walk, child, below, st);
	if (!child)
		return 0;
	source_fd = openat(
		parent_source_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (source_fd < 0)
		return fail_source(walk, -errno, source, name, "open directory");
	if (tree_node(tree, child)->host == KIND_DIRECTORY) {
		host_fd = child == named
				  ? openat(parent_host_fd, name,
					    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
				  : target_open_node(walk->plan->root_fd, tree, child, O_PATH);
		if (host_fd < 0) {
			cleanup_with(freep) char *path = plan_path(walk->plan, child);

			return error_set(walk->err, child == named ? -errno : host_fd,
				"cannot open %s: %m", path);
		}
	}
	return walk_directory(walk, child, below, source_fd, host_fd);
}

/* Of a file that may turn out to be the same as before *ret_fd becomes a descriptor: looked at
 * by that, its name is looked up once less. Otherwise -1. */
static int look_at_source(const struct walk *walk, int source_fd, const struct name *name,
	const struct node *node, struct stat *ret, int *ret_fd)
{
	*ret_fd = -1;
	if (name->type == DT_REG && node->was == KIND_FILE && !plan_skips_compare(walk->plan))
		*ret_fd = openat(
			source_fd, name->text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*ret_fd >= 0)
		return fstat(*ret_fd, ret) < 0 ? -errno : 0;
	return fstatat(source_fd, name->text, ret, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int walk_name(struct walk *walk, uint32_t node, uint32_t source, int source_fd,
	int host_fd, const struct name *entry)
{
	struct plan *plan = walk->plan;
	const char *name = entry->text;
	cleanup_with(closep) int file = -1;
	uint32_t child = tree_add(&plan->tree, node, name, strlen(name));
	struct stat st;
	int r;

	if (!child) {
		plan_problem(plan, walk->entry, "E-FILE-DEPTH",
			"the tree is deeper than %d directories or has more than %d paths",
			TREE_DEPTH_LIMIT, TREE_NODES_LIMIT);
		return 0;
	}
	r = look_at_source(walk, source_fd, entry, tree_node(&plan->tree, child), &st, &file);
	if (r < 0)
		return fail_source(walk, r, source, name, "look at");
	if (kind_of(st.st_mode) == KIND_OTHER) {
		cleanup_with(buf_done) struct buf path = { 0 };

		source_path(plan, source, &path);
		buf_puts(&path, name);
		plan_problem(plan, walk->entry, "E-FILE-TYPE",
			"%s of the bundle is a fifo, socket or device; only files, directories "
			"and "
			"links can be installed",
			path.data);
		return 0;
	}
	r = target_look(&plan->tree, child, host_fd);
	if (r < 0) {
		cleanup_with(freep) char *path = plan_path(plan, child);

		return error_set(walk->err, r, "cannot look at %s: %m", path);
	}
	if (S_ISDIR(st.st_mode))
		return enter_directory(walk, child, source, source_fd, name, host_fd, &st);
	if (want_file(walk, child, source, &st) && file >= 0)
		compare_ahead(&walk->compare, plan, child, host_fd, file);
	return 0;
}

static int walk_directory(
	struct walk *walk, uint32_t node, uint32_t source, int source_fd, int host_fd)
{
	cleanup_with(names_done) struct names names = { 0 };
	int r = read_names(source_fd, &names);

	if (r < 0)
		return fail_source(walk, r, source, "", "read directory");
	for (size_t i = 0; i < names.n && r >= 0; i++)
		r = walk_name(walk, node, source, source_fd, host_fd, &names.items[i]);
	return r;
}

static void on_way(struct tree *tree, uint32_t node, void *userdata)
{
	struct walk *walk = userdata;
	struct node *at = tree_node(tree, node);

	if (at->want == KIND_FILE || at->want == KIND_LINK) {
		cleanup_with(freep) char *path = plan_path(walk->plan, node);

		plan_problem(walk->plan, walk->entry, "E-MKDIR-OVER-COPY",
			"%s would be a directory here and is a file by the entry at line %u",
			path, entry_line(walk, at->entry));
		return;
	}
	want_way(walk, node);
}

/* The source directories down to where an entry's source is. */
static uint32_t add_source_path(struct walk *walk, const char *path, size_t n)
{
	struct tree *tree = &walk->plan->tree;
	uint32_t source = 0;
	size_t at = 0;

	while (at < n) {
		size_t length = strcspn(path + at, "/");

		if (length > n - at)
			length = n - at;
		if (length > 0)
			source = add_source(&walk->plan->sources, source,
				tree_text(tree, path + at, length));
		at += length + 1;
	}
	return source;
}

static int open_host(struct walk *walk, uint32_t node, int *ret_fd)
{
	struct plan *plan = walk->plan;

	*ret_fd = -1;
	if (node != TREE_ROOT && tree_node(&plan->tree, node)->host != KIND_DIRECTORY)
		return 0;
	*ret_fd = target_open_node(plan->root_fd, &plan->tree, node, O_PATH);
	if (*ret_fd < 0) {
		cleanup_with(freep) char *name = plan_path(plan, node);

		return error_set(walk->err, *ret_fd, "cannot open %s: %m", name);
	}
	return 0;
}

static int collect_directory(
	struct walk *walk, uint32_t node, const char *path, const struct stat *st)
{
	struct plan *plan = walk->plan;
	cleanup_with(closep) int source_fd = open_source_path(
		plan->bundle_fd, path, O_RDONLY | O_DIRECTORY);
	cleanup_with(closep) int host_fd = -1;
	uint32_t source = add_source_path(walk, path, strlen(path));
	int r;

	if (source_fd < 0)
		return fail_source(walk, source_fd, source, "", "open directory");
	if (node != TREE_ROOT) {
		node = want_directory(walk, node, source, st);
		if (!node)
			return 0;
	}
	tree_node(&plan->tree, node)->flags |= NODE_ENTRY;
	r = open_host(walk, node, &host_fd);
	return r < 0 ? r : walk_directory(walk, node, source, source_fd, host_fd);
}

static int collect_file(struct walk *walk, uint32_t node, const char *path)
{
	struct plan *plan = walk->plan;
	const char *base = path_base(path);
	size_t n = base == path ? 0 : (size_t)(base - path - 1);
	uint32_t source = add_source_path(walk, path, n);
	cleanup_with(freep) char *directory = xstrndup(path, n);
	cleanup_with(closep) int source_fd = open_source_path(
		plan->bundle_fd, directory, O_RDONLY | O_DIRECTORY);
	cleanup_with(closep) int host_fd = -1;
	int r;

	if (source_fd < 0)
		return fail_source(walk, source_fd, source, "", "open directory");
	tree_node(&plan->tree, node)->flags |= NODE_ENTRY;
	r = open_host(walk, node, &host_fd);
	return r < 0 ? r
		     : walk_name(walk, node, source, source_fd, host_fd,
			       &(struct name){ (char *)base, DT_UNKNOWN });
}

static int collect_entry(struct walk *walk, const struct appspec_file *file)
{
	struct plan *plan = walk->plan;
	cleanup_with(closep) int fd = -1;
	struct error err = ERROR_NONE;
	struct stat st;
	uint32_t node;
	int r;

	fd = open_source_path(plan->bundle_fd, file->source, O_PATH | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = fd < 0 ? fd : -errno;
		plan_problem(plan, walk->entry, "E-FILE-MISSING",
			"source '%s' is not in the bundle: %s", file->source, strerror(-r));
		return 0;
	}
	if (!plan->request.install_root &&
		path_is_below(file->destination, plan->request.root->path)) {
		plan_problem(plan, walk->entry, "E-DESTINATION",
			"destination %s is in the state directory", file->destination);
		return 0;
	}
	r = target_resolve(
		&plan->tree, plan->root_fd, file->destination, on_way, walk, &node, &err);
	if (r < 0) {
		plan_conflict(plan, walk->entry, "E-LINK", "destination %s: %s",
			file->destination, err.text);
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return collect_directory(walk, node, file->source, &st);
	return collect_file(walk, node, file->source);
}

int sources_collect(struct plan *plan, struct error *err)
{
	struct walk walk = { .plan = plan, .err = err };
	struct node *root = tree_node(&plan->tree, TREE_ROOT);
	int r = 0;

	if (fstat(plan->bundle_fd, &walk.bundle) < 0)
		return error_set(
			err, -errno, "cannot look at %s: %m", plan->request.bundle_dir);
	root->want = KIND_DIRECTORY;
	root->flags |= NODE_FOREIGN;
	compare_init(&walk.compare);
	for (size_t i = 0; i < plan->request.spec->n_files && r >= 0; i++) {
		walk.entry = (uint32_t)i;
		r = collect_entry(&walk, &plan->request.spec->files[i]);
		if (r < 0)
			r = error_wrap(
				err, "files entry at line %u", entry_line(&walk, walk.entry));
	}
	compare_done(&walk.compare);
	return r < 0 ? r : 0;
}
