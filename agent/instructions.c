/* SPDX-License-Identifier: Apache-2.0 */

/* "<group>-install.json": what was done, as the reference writes it. Streamed, since a tree of
 * 40,000 files makes 10 MiB of it. */

#include <string.h>

#include "agent/manifest.h"
#include "agent/plan.h"
#include "agent/stream.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

struct writer {
	const struct plan *plan;
	struct stream *stream;
	struct buf path;
	struct buf source;
	struct buf valid;
	bool any;
};

/* Without a way out of the loop, so that the compiler can take many bytes at once. */
static bool is_plain(const char *text, size_t n)
{
	unsigned char other = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		other |= (unsigned char)((c < 0x20) | (c >= 0x7f) | (c == '"') | (c == '\\'));
	}
	return !other;
}

static void put_escaped(struct stream *stream, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			stream_put(stream, "\\", 1);
			stream_put(stream, text + i, 1);
		} else if (c < 0x20) {
			static const char digits[] = "0123456789abcdef";
			char escape[6] = { '\\', 'u', '0', '0', digits[c >> 4],
				digits[c & 15] };

			stream_put(stream, escape, sizeof(escape));
		} else {
			stream_put(stream, text + i, 1);
		}
	}
}

static void put_string(struct writer *writer, const char *text, size_t n)
{
	stream_put(writer->stream, "\"", 1);
	if (is_plain(text, n)) {
		stream_put(writer->stream, text, n);
	} else {
		buf_clear(&writer->valid);
		utf8_append_valid(&writer->valid, text, n);
		put_escaped(writer->stream, writer->valid.data, writer->valid.len);
	}
	stream_put(writer->stream, "\"", 1);
}

static void put_text(struct writer *writer, const char *text)
{
	if (text)
		put_string(writer, text, strlen(text));
	else
		stream_puts(writer->stream, "null");
}

static void begin(struct writer *writer, const char *text)
{
	stream_puts(writer->stream, writer->any ? ",{\"type\":" : "{\"type\":");
	stream_puts(writer->stream, text);
	writer->any = true;
}

static void put_place(struct writer *writer, uint32_t node)
{
	buf_clear(&writer->path);
	if (writer->plan->request.install_root)
		buf_puts(&writer->path, writer->plan->request.install_root);
	tree_path(&writer->plan->tree, node, &writer->path);
}

static void put_object(struct writer *writer, uint32_t node)
{
	const struct node *at = tree_node(&writer->plan->tree, node);

	put_place(writer, node);
	if (at->want == KIND_DIRECTORY) {
		begin(writer, "\"mkdir\",\"directory\":");
	} else {
		begin(writer, "\"copy\",\"source\":");
		buf_clear(&writer->source);
		buf_puts(&writer->source, writer->plan->request.bundle_dir);
		buf_putc(&writer->source, '/');
		source_path(writer->plan, at->source, &writer->source);
		buf_puts(&writer->source, tree_name(&writer->plan->tree, node));
		put_string(writer, writer->source.data, writer->source.len);
		stream_puts(writer->stream, ",\"destination\":");
	}
	put_string(writer, writer->path.data, writer->path.len);
	stream_puts(writer->stream, "}");
}

static void put_acl(struct writer *writer, const struct appspec_permission *entry)
{
	begin(writer, "\"setfacl\",\"acl\":[");
	for (size_t i = 0; i < entry->n_acls; i++) {
		cleanup_with(freep) char *text = appspec_acl_format(&entry->acls[i]);

		if (i > 0)
			stream_puts(writer->stream, ",");
		put_text(writer, text);
	}
	stream_puts(writer->stream, "],\"file\":");
}

static void put_context(struct writer *writer, const struct appspec_context *context)
{
	begin(writer, "\"semanage\",\"context\":{\"user\":");
	put_text(writer, context->user);
	stream_puts(writer->stream, ",\"role\":null,\"type\":");
	put_text(writer, context->type);
	stream_puts(writer->stream, ",\"range\":");
	put_text(writer, context->range);
	stream_puts(writer->stream, "},\"file\":");
}

static void end(struct writer *writer)
{
	put_string(writer, writer->path.data, writer->path.len);
	stream_puts(writer->stream, "}");
}

/* In the order in which we do it: the owner first, so that the mode keeps a setuid bit. */
static void put_permissions(struct writer *writer, uint32_t node)
{
	const struct node *at = tree_node(&writer->plan->tree, node);
	const struct grant *grant = grant_at(&writer->plan->grants, at->grant);

	if (!grant)
		return;
	put_place(writer, node);
	if (grant->owner || grant->group) {
		begin(writer, "\"chown\",\"owner\":");
		put_text(writer, grant->owner ? grant->owner->owner : NULL);
		stream_puts(writer->stream, ",\"group\":");
		put_text(writer, grant->group ? grant->group->group : NULL);
		stream_puts(writer->stream, ",\"file\":");
		end(writer);
	}
	if (grant->mode && at->want != KIND_LINK) {
		begin(writer, "\"chmod\",\"mode\":");
		put_text(writer, grant->mode->mode_text);
		stream_puts(writer->stream, ",\"file\":");
		end(writer);
	}
	if (grant->acl && at->want != KIND_LINK) {
		put_acl(writer, grant->acl);
		end(writer);
	}
	if (grant->context) {
		put_context(writer, &grant->context->context);
		end(writer);
	}
}

void instructions_write(const struct plan *plan, struct stream *stream)
{
	const struct tree *tree = &plan->tree;
	struct writer writer = { .plan = plan, .stream = stream };

	stream_puts(stream, "{\"instructions\":[");
	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node))
		if (tree_node(tree, node)->want && node_is_ours_after(tree_node(tree, node)))
			put_object(&writer, node);
	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node))
		if (tree_node(tree, node)->want && node_is_ours_after(tree_node(tree, node)))
			put_permissions(&writer, node);
	stream_puts(stream, "]}\n");
	buf_done(&writer.path);
	buf_done(&writer.source);
	buf_done(&writer.valid);
}
