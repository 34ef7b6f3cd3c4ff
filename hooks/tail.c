/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/tail.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

void tail_add(struct tail *tail, const char *data, size_t n)
{
	size_t first;

	if (n >= TAIL_BYTES) {
		memcpy(tail->ring, data + n - TAIL_BYTES, TAIL_BYTES);
		tail->end = 0;
		tail->held = TAIL_BYTES;
		return;
	}
	first = TAIL_BYTES - tail->end < n ? TAIL_BYTES - tail->end : n;
	memcpy(tail->ring + tail->end, data, first);
	memcpy(tail->ring, data + first, n - first);
	tail->end = (tail->end + n) % TAIL_BYTES;
	tail->held = tail->held + n < TAIL_BYTES ? tail->held + n : TAIL_BYTES;
}

static int is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

char *tail_text(const struct tail *tail)
{
	cleanup_with(buf_done) struct buf valid = { 0 };
	struct buf kept = { 0 };
	char text[TAIL_BYTES];
	size_t start = (tail->end + TAIL_BYTES - tail->held) % TAIL_BYTES;
	size_t from = 0;

	for (size_t i = 0; i < tail->held; i++)
		text[i] = tail->ring[(start + i) % TAIL_BYTES];
	/* A character cut by the ring's own length is no fault of the script's. */
	while (tail->held == TAIL_BYTES && from < 3 && is_continuation(text[from]))
		from++;
	utf8_append_valid(&valid, text + from, tail->held - from);

	/* Replacing bytes makes the text longer than they were. */
	from = valid.len > TAIL_BYTES ? valid.len - TAIL_BYTES : 0;
	while (from < valid.len && is_continuation(valid.data[from]))
		from++;
	buf_append(&kept, valid.data ? valid.data + from : "", valid.len - from);
	return buf_steal(&kept);
}
