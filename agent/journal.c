/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/root.h"
#include "agent/stream.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

/* Head: magic, state byte, padding. Section: u64 length, u64 hash, payload. */
static const char magic[8] = "DRVJRNL1";
enum { STATE_AT = 8, HEAD_BYTES = 16, SECTION_HEAD_BYTES = 16 };

static void put_text(struct stream *stream, const char *text)
{
	size_t n = strlen(text);

	stream_put_u32(stream, (uint32_t)n);
	stream_put(stream, text, n + 1);
}

static void put_identity(struct stream *stream, struct identity identity)
{
	stream_put_u64(stream, identity.ino);
	stream_put_u64(stream, identity.birth);
}

static void put_metadata(struct stream *stream, const struct metadata *metadata)
{
	stream_put_u32(stream, metadata->mode);
	stream_put_u32(stream, metadata->uid);
	stream_put_u32(stream, metadata->gid);
	stream_put_u64(stream, (uint64_t)metadata->mtime_s);
	stream_put_u32(stream, metadata->mtime_ns);
	stream_put_u32(stream, (uint32_t)metadata->xattrs_n);
	stream_put(stream, metadata->xattrs, metadata->xattrs_n);
}

void journal_put_head(struct stream *stream, const char *deployment, bool fresh_replaced)
{
	put_text(stream, deployment);
	stream_put_u32(stream, fresh_replaced);
}

void journal_put_count(struct stream *stream, uint32_t n)
{
	stream_put_u32(stream, n);
}

void journal_put_directory(struct stream *stream, const struct journal_directory *directory)
{
	put_text(stream, directory->path);
	put_identity(stream, directory->identity);
	stream_put_u32(stream, directory->flags);
	put_metadata(stream, &directory->before);
	put_metadata(stream, &directory->after);
}

void journal_put_stage(struct stream *stream, const struct journal_stage *stage)
{
	stream_put_u32(stream, stage->directory);
	put_text(stream, stage->name);
	put_identity(stream, stage->identity);
}

void journal_put_op(struct stream *stream, const struct op *op)
{
	stream_put_u16(stream, (uint16_t)op->kind);
	stream_put_u16(stream, op->is_directory);
	stream_put_u32(stream, op->directory);
	stream_put_u32(stream, op->stage);
	stream_put_u32(stream, op->number);
	put_text(stream, op->name);
	put_identity(stream, op->after);
	put_identity(stream, op->before);
}

int journal_begin(struct stream *stream, int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	/* The head of the section is written last, so that a torn one cannot look whole. */
	if (end < 0 || lseek(fd, end + SECTION_HEAD_BYTES, SEEK_SET) < 0)
		return -errno;
	stream_init(stream, fd);
	return 0;
}

int journal_end(struct stream *stream)
{
	uint64_t head[2];
	off_t end;
	ssize_t n;
	int r = stream_end(stream);

	if (r < 0)
		return r;
	head[0] = stream->total;
	head[1] = stream->hash;
	end = lseek(stream->fd, 0, SEEK_CUR);
	if (end < 0)
		return -errno;
	n = pwrite(stream->fd, head, sizeof(head),
		end - (off_t)stream->total - SECTION_HEAD_BYTES);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(head) ? 0 : -ENOSPC;
}

static int write_intent(int fd, const struct journal_section *intent)
{
	char head[HEAD_BYTES] = { 0 };
	struct stream stream;
	int r;

	(void)memcpy(head, magic, sizeof(magic));
	r = file_write_all(fd, head, sizeof(head));
	if (r == 0)
		r = journal_begin(&stream, fd);
	if (r < 0)
		return r;
	journal_put_head(&stream, intent->deployment, intent->fresh_replaced);
	journal_put_count(&stream, intent->n_directories);
	for (uint32_t i = 0; i < intent->n_directories; i++)
		journal_put_directory(&stream, &intent->directories[i]);
	journal_put_count(&stream, intent->n_stages);
	for (uint32_t i = 0; i < intent->n_stages; i++)
		journal_put_stage(&stream, &intent->stages[i]);
	journal_put_count(&stream, 0);
	r = journal_end(&stream);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

int journal_create(const struct root *root, const char *group,
	const struct journal_section *intent, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-journal");
	cleanup_with(closep) int fd = openat(root->instructions_fd, name,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0 && errno == EEXIST)
		return error_set(err, -EBUSY,
			"%s/deployment-instructions/%s is there: an install that was cut off "
			"must be "
			"recovered first",
			root->path, name);
	if (fd < 0)
		return error_set(err, -errno, "cannot create %s/deployment-instructions/%s: %m",
			root->path, name);
	r = write_intent(fd, intent);
	if (r == 0 && fsync(root->instructions_fd) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(root->instructions_fd, name, 0); /* nothing was made yet */
		return error_set(err, r, "cannot write %s/deployment-instructions/%s: %m",
			root->path, name);
	}
	return take_fd(&fd);
}

int journal_mark_undoing(const struct root *root, const char *group)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-journal");
	cleanup_with(closep) int fd = openat(
		root->instructions_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, "U", 1, STATE_AT) != 1 || fdatasync(fd) < 0)
		return -errno;
	return 0;
}

int journal_remove(const struct root *root, const char *group)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-journal");

	return unlinkat(root->instructions_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static const char *get_text(struct cursor *cursor)
{
	return cursor_text(cursor, cursor_u32(cursor));
}

static struct identity get_identity(struct cursor *cursor)
{
	struct identity identity;

	identity.ino = cursor_u64(cursor);
	identity.birth = cursor_u64(cursor);
	return identity;
}

static void get_metadata(struct cursor *cursor, struct metadata *ret)
{
	ret->mode = cursor_u32(cursor);
	ret->uid = cursor_u32(cursor);
	ret->gid = cursor_u32(cursor);
	ret->mtime_s = (int64_t)cursor_u64(cursor);
	ret->mtime_ns = cursor_u32(cursor);
	ret->xattrs_n = cursor_u32(cursor);
	ret->xattrs = cursor_bytes(cursor, ret->xattrs_n);
	if (cursor->bad || ret->mtime_ns >= 1000000000 ||
		!xattrs_are_valid(ret->xattrs, ret->xattrs_n))
		cursor->bad = 1;
}

/* A count whose items take at least `bytes` each, so that no spoilt number makes us ask for
 * more memory than a few times the file. */
static uint32_t get_count(struct cursor *cursor, size_t bytes)
{
	uint32_t n = cursor_u32(cursor);

	if (cursor->bad || n > (size_t)(cursor->end - cursor->at) / bytes) {
		cursor->bad = 1;
		return 0;
	}
	return n;
}

static bool is_plain_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static bool is_plain_path(const char *path)
{
	return path[0] == '\0' || (path[0] == '/' && !path_has_dotdot(path));
}

static void get_directory(struct cursor *cursor, struct journal_directory *ret)
{
	ret->path = get_text(cursor);
	ret->identity = get_identity(cursor);
	ret->flags = cursor_u32(cursor);
	get_metadata(cursor, &ret->before);
	get_metadata(cursor, &ret->after);
	if (cursor->bad || !is_plain_path(ret->path))
		cursor->bad = 1;
}

static void get_stage(
	struct cursor *cursor, const struct journal_section *section, struct journal_stage *ret)
{
	ret->directory = cursor_u32(cursor);
	ret->name = get_text(cursor);
	ret->identity = get_identity(cursor);
	/* A stage is removed with all that is in it, so nothing else may pass for one. */
	if (cursor->bad || ret->directory >= section->n_directories ||
		!is_plain_name(ret->name) || strncmp(ret->name, ".drover-", 8) != 0)
		cursor->bad = 1;
}

static void get_op(struct cursor *cursor, const struct journal_section *section, struct op *ret)
{
	unsigned kind = cursor_u16(cursor);

	ret->is_directory = cursor_u16(cursor) != 0;
	ret->directory = cursor_u32(cursor);
	ret->stage = cursor_u32(cursor);
	ret->number = cursor_u32(cursor);
	ret->name = get_text(cursor);
	ret->after = get_identity(cursor);
	ret->before = get_identity(cursor);
	if (cursor->bad || kind > OP_REMOVE || ret->directory >= section->n_directories ||
		ret->stage >= section->n_stages || !is_plain_name(ret->name)) {
		cursor->bad = 1;
		return;
	}
	ret->kind = (enum op_kind)kind;
}

static void section_done(struct journal_section *section)
{
	free(section->directories);
	free(section->stages);
	free(section->ops);
	*section = (struct journal_section){ 0 };
}

static bool parse_payload(struct journal_section *ret, struct cursor cursor)
{
	ret->deployment = get_text(&cursor);
	ret->fresh_replaced = cursor_u32(&cursor) != 0;
	ret->n_directories = get_count(&cursor, 88);
	ret->directories = xcalloc((size_t)ret->n_directories + 1, sizeof(*ret->directories));
	for (uint32_t i = 0; i < ret->n_directories && !cursor.bad; i++)
		get_directory(&cursor, &ret->directories[i]);
	ret->n_stages = get_count(&cursor, 25);
	ret->stages = xcalloc((size_t)ret->n_stages + 1, sizeof(*ret->stages));
	for (uint32_t i = 0; i < ret->n_stages && !cursor.bad; i++)
		get_stage(&cursor, ret, &ret->stages[i]);
	ret->n_ops = get_count(&cursor, 53);
	ret->ops = xcalloc((size_t)ret->n_ops + 1, sizeof(*ret->ops));
	for (uint32_t i = 0; i < ret->n_ops && !cursor.bad; i++)
		get_op(&cursor, ret, &ret->ops[i]);
	if (!cursor.bad && cursor.at == cursor.end && root_id_is_safe(ret->deployment))
		return true;
	section_done(ret);
	return false;
}

/* The next section; false if it is torn, and the cursor is of no use then. */
static bool parse_section(struct journal_section *ret, struct cursor *cursor)
{
	uint64_t n = cursor_u64(cursor);
	uint64_t hash = cursor_u64(cursor);
	const char *payload = cursor_bytes(cursor, n);

	if (cursor->bad || stream_hash(payload, n) != hash)
		return false;
	return parse_payload(ret, (struct cursor){ .at = payload, .end = payload + n });
}

int journal_parse(struct journal *ret, char *data, size_t n, struct error *err)
{
	struct cursor cursor = { .at = data, .end = data + n };
	const char *head = cursor_bytes(&cursor, HEAD_BYTES);
	struct journal_section second = { 0 };

	*ret = (struct journal){ .data = data, .n = n };
	if (!head)
		return 0; /* torn while it was created */
	if (memcmp(head, magic, sizeof(magic)) != 0) {
		/* A block that never reached the disk reads as zeros. */
		if (head[0] == '\0')
			return 0;
		journal_done(ret);
		return error_set(err, -EINVAL, "it is no journal of this version");
	}
	ret->undoing = head[STATE_AT] != '\0';
	if (!parse_section(&ret->section, &cursor))
		return 0;
	if (parse_section(&second, &cursor)) {
		section_done(&ret->section);
		ret->section = second;
		ret->complete = true;
	}
	return 0;
}

void journal_done(struct journal *journal)
{
	section_done(&journal->section);
	free(journal->data);
	*journal = (struct journal){ 0 };
}

int journal_read(
	struct journal *ret, const struct root *root, const char *group, struct error *err)
{
	cleanup_with(freep) char *name = root_instruction_name(group, "-journal");
	cleanup_with(buf_done) struct buf data = { 0 };
	struct error reading = ERROR_NONE;
	size_t n;
	int r;

	*ret = (struct journal){ 0 };
	r = file_read(root->instructions_fd, name, JOURNAL_LIMIT_BYTES, &data, &reading);
	if (r == -ENOENT)
		return r;
	if (r == 0) {
		n = data.len;
		r = journal_parse(ret, buf_steal(&data), n, &reading);
	}
	if (r < 0)
		return error_set(err, r, "%s/deployment-instructions/%s: %s", root->path, name,
			reading.text);
	return 0;
}
