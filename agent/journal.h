/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct error;
struct root;
struct seen;
struct stream;

/*
 * "<group>-journal": what an install is about to do, so that one cut off anywhere can be
 * finished or undone. Written in two sections, each under a checksum: the intent (which stage
 * directories will be made) before anything is made, and the operations once all is staged.
 * One byte in the head says that undoing has begun; nothing else is ever overwritten.
 *
 * All paths are absolute and free of links; "" stands for the instructions directory.
 */
struct identity {
	uint64_t ino;
	uint64_t birth; /* 0 where the file system keeps none */
};

static inline bool identity_equal(struct identity a, struct identity b)
{
	return a.ino == b.ino && a.birth == b.birth;
}

struct metadata {
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
	const char *xattrs; /* a set as in xattr.h */
	size_t xattrs_n;
};

enum {
	/* Ours and staying: gets `after`, on undo `before`. Others get back their old time
	   only. */
	DIRECTORY_SET = 1 << 0,
	/* Holds a stage directory and nothing else changes there: always gets its time back. */
	DIRECTORY_QUIET = 1 << 1,
	/* One directory of each file system concerned: where to sync. */
	DIRECTORY_SYNC = 1 << 2,
};

struct journal_directory {
	const char *path;
	struct identity identity;
	unsigned flags;
	struct metadata before;
	struct metadata after; /* for DIRECTORY_SET */
};

struct journal_stage {
	uint32_t directory; /* where it stands */
	const char *name;
	struct identity identity; /* in the intent: none */
};

enum op_kind { OP_PLACE, OP_EXCHANGE, OP_REMOVE };

struct op {
	enum op_kind kind;
	bool is_directory; /* what is removed */
	uint32_t directory;
	uint32_t stage;
	uint32_t number; /* name in the stage */
	const char *name;
	struct identity after;  /* of what is placed */
	struct identity before; /* of what was there */
};

struct journal_section {
	const char *deployment;
	bool fresh_replaced; /* replaced/ is this install's making */
	struct journal_directory *directories;
	uint32_t n_directories;
	struct journal_stage *stages;
	uint32_t n_stages;
	struct op *ops;
	uint32_t n_ops;
};

struct journal {
	char *data;
	size_t n;
	bool undoing;
	bool complete;                  /* the operations are there, and sound */
	struct journal_section section; /* the operations if complete, else the intent */
};

enum { JOURNAL_LIMIT_BYTES = 1024 * 1024 * 1024 };

/*
 * Makes a journal of n bytes that are taken over (also on failure). A journal whose intent is
 * damaged has no stages, and nothing had been made. -EINVAL if it is none of ours.
 */
int journal_parse(struct journal *ret, char *data, size_t n, struct error *err);
void journal_done(struct journal *journal);

/* Reads a group's journal. -ENOENT with no error filled if there is none. */
int journal_read(
	struct journal *ret, const struct root *root, const char *group, struct error *err);

/* Creates the file with the intent, durable. Returns the fd or a negative errno; -EBUSY if
 * there is a journal already. */
int journal_create(const struct root *root, const char *group,
	const struct journal_section *intent, struct error *err);

/*
 * Appends the second section: journal_begin, then the parts in this order and in these numbers,
 * then journal_end. Not synced.
 */
int journal_begin(struct stream *stream, int fd);
void journal_put_head(struct stream *stream, const char *deployment, bool fresh_replaced);
void journal_put_count(struct stream *stream, uint32_t n);
void journal_put_directory(struct stream *stream, const struct journal_directory *directory);
void journal_put_stage(struct stream *stream, const struct journal_stage *stage);
void journal_put_op(struct stream *stream, const struct op *op);
int journal_end(struct stream *stream);

/* Says in the file, durably, that the install is being undone. */
int journal_mark_undoing(const struct root *root, const char *group);

int journal_remove(const struct root *root, const char *group);
