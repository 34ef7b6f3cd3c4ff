/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/stream.h"

#include <string.h>

#include "base/file.h"

static const uint64_t hash_start = 0x9e3779b97f4a7c15u;

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0xff51afd7ed558ccdu;
	return (hash << 29) | (hash >> 35);
}

static uint64_t hash_block(uint64_t hash, const char *data, size_t n)
{
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), data += sizeof(word)) {
		(void)memcpy(&word, data, sizeof(word));
		hash = mix(hash, word);
	}
	if (n > 0) {
		word = n;
		(void)memcpy((char *)&word + 1, data, n);
		hash = mix(hash, word);
	}
	return hash;
}

void stream_init(struct stream *stream, int fd)
{
	stream->fd = fd;
	stream->r = 0;
	stream->hash = hash_start;
	stream->total = 0;
	stream->n = 0;
}

static void flush(struct stream *stream)
{
	if (stream->r == 0)
		stream->r = file_write_all(stream->fd, stream->block, stream->n);
	stream->hash = hash_block(stream->hash, stream->block, stream->n);
	stream->n = 0;
}

void stream_put(struct stream *stream, const void *data, size_t n)
{
	const char *bytes = data;

	stream->total += n;
	while (n > 0) {
		size_t room = sizeof(stream->block) - stream->n;
		size_t part = n < room ? n : room;

		(void)memcpy(stream->block + stream->n, bytes, part);
		stream->n += part;
		bytes += part;
		n -= part;
		if (stream->n == sizeof(stream->block))
			flush(stream);
	}
}

void stream_puts(struct stream *stream, const char *text)
{
	stream_put(stream, text, strlen(text));
}

void stream_put_u16(struct stream *stream, uint16_t value)
{
	stream_put(stream, &value, sizeof(value));
}

void stream_put_u32(struct stream *stream, uint32_t value)
{
	stream_put(stream, &value, sizeof(value));
}

void stream_put_u64(struct stream *stream, uint64_t value)
{
	stream_put(stream, &value, sizeof(value));
}

int stream_end(struct stream *stream)
{
	if (stream->n > 0)
		flush(stream);
	return stream->r;
}

uint64_t stream_hash(const void *data, size_t n)
{
	return hash_block(hash_start, data, n);
}

const char *cursor_bytes(struct cursor *cursor, size_t n)
{
	const char *at = cursor->at;

	if (cursor->bad || (size_t)(cursor->end - at) < n) {
		cursor->bad = 1;
		return NULL;
	}
	cursor->at += n;
	return at;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	const char *at = cursor_bytes(cursor, sizeof(uint16_t));
	uint16_t value = 0;

	if (at)
		(void)memcpy(&value, at, sizeof(value));
	return value;
}

uint32_t cursor_u32(struct cursor *cursor)
{
	const char *at = cursor_bytes(cursor, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		(void)memcpy(&value, at, sizeof(value));
	return value;
}

uint64_t cursor_u64(struct cursor *cursor)
{
	const char *at = cursor_bytes(cursor, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		(void)memcpy(&value, at, sizeof(value));
	return value;
}

const char *cursor_text(struct cursor *cursor, size_t n)
{
	const char *at = n < SIZE_MAX ? cursor_bytes(cursor, n + 1) : NULL;

	if (!at || at[n] != '\0' || memchr(at, '\0', n)) {
		cursor->bad = 1;
		return NULL;
	}
	return at;
}
