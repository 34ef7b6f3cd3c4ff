/* SPDX-License-Identifier: Apache-2.0 */

/* "<group>-cleanup": a line for each path that the next Install takes away, parents first. The
 * reference reads it from the end. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/manifest.h"
#include "agent/plan.h"
#include "agent/root.h"
#include "agent/stream.h"
#include "agent/target.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

/* The reader trims its lines, so that a name with a blank at its end would mean another file.
 */
static bool is_representable(const char *path, size_t n)
{
	return n > 0 && !memchr(path, '\n', n) && !isspace((unsigned char)path[n - 1]);
}

static void put_line(const struct plan *plan, const struct buf *path, struct stream *stream)
{
	if (!is_representable(path->data, path->len))
		return;
	if (plan->request.install_root)
		stream_puts(stream, plan->request.install_root);
	stream_put(stream, path->data, path->len);
	stream_put(stream, "\n", 1);
}

void cleanup_write(const struct plan *plan, struct stream *stream)
{
	const struct tree *tree = &plan->tree;
	cleanup_with(buf_done) struct buf path = { 0 };

	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node)) {
		if (!node_is_ours_after(tree_node(tree, node)))
			continue;
		buf_clear(&path);
		tree_path(tree, node, &path);
		put_line(plan, &path, stream);
	}
}

struct reader {
	struct plan *plan;
	char *directory; /* of the last line, and its node: lines come in bunches */
	uint32_t node;
	bool *confirmed; /* by node */
	size_t n_confirmed;
};

static bool find_directory(struct reader *reader, const char *path, size_t n)
{
	struct plan *plan = reader->plan;

	if (reader->directory && strncmp(reader->directory, path, n) == 0 &&
		reader->directory[n] == '\0')
		return true;
	free(reader->directory);
	reader->directory = xstrndup(path, n);
	if (target_resolve(&plan->tree, plan->root_fd, reader->directory, NULL, NULL,
		    &reader->node, NULL) == 0)
		return true;
	free(reader->directory);
	reader->directory = NULL;
	return false;
}

static void own_line(struct reader *reader, const char *text)
{
	struct plan *plan = reader->plan;
	const char *install_root = plan->request.install_root;
	cleanup_with(freep) char *path = NULL;
	const char *base;
	uint32_t node;

	if (text[0] != '/' || path_has_dotdot(text))
		return;
	path = path_normalise("/", text);
	if (install_root && !path_is_below(path, install_root))
		return;
	text = path + (install_root ? strlen(install_root) : 0);
	base = path_base(text);
	if (!*base || !find_directory(reader, text, (size_t)(base - text)))
		return;
	node = tree_add(&plan->tree, reader->node, base, strlen(base));
	if (!node)
		return;
	if (node < reader->n_confirmed)
		reader->confirmed[node] = true;
	if (tree_node(&plan->tree, node)->was == KIND_NONE) {
		struct node *at = tree_node(&plan->tree, node);

		at->was = at->flags & NODE_LOOKED ? at->host : KIND_OTHER;
	}
}

/* A last line without its newline was cut off while written, and is dropped. */
static void own_lines(struct reader *reader, char *text, size_t n)
{
	char *end;

	for (char *stop = text + n; (end = memchr(text, '\n', (size_t)(stop - text)));
		text = end + 1) {
		char *last = end;

		*end = '\0';
		while (last > text && isspace((unsigned char)last[-1]))
			*--last = '\0';
		/* "semanage", NUL, path: for the reference alone; it is no absolute path here.
		 */
		own_line(reader, text + strspn(text, " \t\r\f\v"));
	}
}

/* Names that the cleanup file could not hold stay ours by the manifest. */
static void disown_unconfirmed(const struct reader *reader)
{
	struct tree *tree = &reader->plan->tree;
	cleanup_with(buf_done) struct buf path = { 0 };

	for (uint32_t i = 1; i < reader->n_confirmed; i++) {
		if (!tree->nodes[i].was || !tree->nodes[i].owned || reader->confirmed[i])
			continue;
		buf_clear(&path);
		tree_path(tree, i, &path);
		if (is_representable(path.data, path.len))
			tree->nodes[i].was = KIND_NONE;
	}
}

static int read_cleanup(struct plan *plan, struct buf *ret, struct error *err)
{
	const struct root *root = plan->request.root;
	cleanup_with(freep) char *name = root_instruction_name(plan->request.group, "-cleanup");
	struct error reading = ERROR_NONE;
	struct stat st;
	int r;

	if (fstatat(root->instructions_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		(!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022))) {
		plan_warning(plan, NULL, "W-CLEANUP",
			"%s/deployment-instructions/%s is not a file that only root can write, "
			"so it "
			"is not trusted: the files it names are not taken as ours",
			root->path, name);
		return 0;
	}
	r = file_read(root->instructions_fd, name, MANIFEST_LIMIT_BYTES, ret, &reading);
	if (r < 0 && r != -ENOENT)
		return error_set(
			err, r, "%s/deployment-instructions: %s", root->path, reading.text);
	return 0;
}

int manifest_load(struct plan *plan, struct error *err)
{
	const char *install_root = plan->request.install_root ? plan->request.install_root : "";
	struct manifest_head *head = &plan->before;
	cleanup_with(buf_done) struct buf text = { 0 };
	struct reader reader = { .plan = plan };
	int r;

	r = manifest_read(head, &plan->tree, plan->request.root, plan->request.group, err);
	if (r < 0)
		return r;
	r = read_cleanup(plan, &text, err);
	if (r < 0)
		return r;
	if (head->deployment && strcmp(head->install_root, install_root) != 0) {
		/* Installed below another root: nothing here is of that making. */
		manifest_head_done(head);
		tree_done(&plan->tree);
		tree_init(&plan->tree);
	}
	if (head->deployment && text.len == head->cleanup_size &&
		stream_hash(text.data, text.len) == head->cleanup_hash)
		return 0;

	reader.n_confirmed = plan->tree.n_nodes;
	reader.confirmed = xcalloc(reader.n_confirmed, sizeof(bool));
	if (text.len > 0)
		own_lines(&reader, text.data, text.len);
	disown_unconfirmed(&reader);
	free(reader.directory);
	free(reader.confirmed);
	return 0;
}
