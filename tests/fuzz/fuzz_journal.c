/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of an install that was cut off. Every input is read twice: as it is, and with the
 * checksums of its sections put right, so that what stands behind them is reached.
 */
#include "agent/journal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/stream.h"
#include "agent/xattr.h"
#include "base/alloc.h"
#include "base/error.h"

enum { HEAD_BYTES = 16, SECTION_HEAD_BYTES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(const struct journal *journal)
{
	const struct journal_section *section = &journal->section;

	for (uint32_t i = 0; i < section->n_stages; i++)
		if (section->stages[i].directory >= section->n_directories ||
			strncmp(section->stages[i].name, ".drover-", 8) != 0)
			abort();
	for (uint32_t i = 0; i < section->n_ops; i++)
		if (section->ops[i].directory >= section->n_directories ||
			section->ops[i].stage >= section->n_stages ||
			strchr(section->ops[i].name, '/'))
			abort();
	for (uint32_t i = 0; i < section->n_directories; i++)
		if (!xattrs_are_valid(section->directories[i].before.xattrs,
			    section->directories[i].before.xattrs_n))
			abort();
}

static void parse(char *copy, size_t n)
{
	struct journal journal;
	struct error err = ERROR_NONE;

	if (journal_parse(&journal, copy, n, &err) < 0)
		return;
	use(&journal);
	journal_done(&journal);
}

/* Walks the sections by their lengths; a length that is too large becomes what is left. */
static void put_right(char *data, size_t n)
{
	size_t at = HEAD_BYTES;

	if (n >= 8)
		(void)memcpy(data, "DRVJRNL1", 8);
	while (at + SECTION_HEAD_BYTES <= n) {
		uint64_t left = n - at - SECTION_HEAD_BYTES;
		uint64_t head[2];

		(void)memcpy(head, data + at, sizeof(head));
		if (head[0] > left)
			head[0] = left;
		head[1] = stream_hash(data + at + SECTION_HEAD_BYTES, head[0]);
		(void)memcpy(data + at, head, sizeof(head));
		at += SECTION_HEAD_BYTES + head[0];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = xmalloc(n + 1);

	(void)memcpy(copy, data, n);
	parse(copy, n);
	copy = xmalloc(n + 1);
	(void)memcpy(copy, data, n);
	put_right(copy, n);
	parse(copy, n);
	return 0;
}
