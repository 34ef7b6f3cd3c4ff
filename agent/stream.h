/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * A file written front to back through one block, with a running hash. The first failure is
 * kept and everything after it ignored, so that only stream_end() need be looked at.
 */
struct stream {
	int fd;
	int r;
	uint64_t hash;
	uint64_t total;
	size_t n;
	char block[32768]; /* a multiple of eight: the hash takes words */
};

void stream_init(struct stream *stream, int fd);
void stream_put(struct stream *stream, const void *data, size_t n);
void stream_puts(struct stream *stream, const char *text);
void stream_put_u16(struct stream *stream, uint16_t value);
void stream_put_u32(struct stream *stream, uint32_t value);
void stream_put_u64(struct stream *stream, uint64_t value);

/* Writes what is left. Returns 0 or the first failure; hash and total are final then. */
int stream_end(struct stream *stream);

/* The hash that a stream of the same n bytes has: against torn writes, not against malice. */
uint64_t stream_hash(const void *data, size_t n);

/*
 * The way back: a cursor over bytes that were read. Once something is missing, `bad` is set and
 * every getter returns 0 or NULL.
 */
struct cursor {
	const char *at;
	const char *end;
	int bad;
};

uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
const char *cursor_bytes(struct cursor *cursor, size_t n);

/* n bytes and the NUL that follows them; no NUL among them. */
const char *cursor_text(struct cursor *cursor, size_t n);
