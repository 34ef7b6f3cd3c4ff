/* SPDX-License-Identifier: Apache-2.0 */
/* What a group owns on the host. As with the journal, also with the checksum put right. */
#include "agent/manifest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/stream.h"
#include "agent/tree.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(struct tree *tree)
{
	struct buf path = { 0 };

	tree_sort(tree);
	for (uint32_t node = tree_next(tree, TREE_ROOT); node; node = tree_next(tree, node)) {
		buf_clear(&path);
		tree_path(tree, node, &path);
		if (tree_find_path(tree, path.data) != node || strstr(path.data, "/../"))
			abort();
	}
	buf_done(&path);
}

static void parse(const char *data, size_t n)
{
	struct manifest_head head;
	struct error err = ERROR_NONE;
	struct tree tree;

	tree_init(&tree);
	if (manifest_parse(&head, &tree, data, n, &err) == 0)
		use(&tree);
	manifest_head_done(&head);
	tree_done(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *copy = xmalloc(n + 1);
	uint64_t hash;

	(void)memcpy(copy, data, n);
	parse(copy, n);
	if (n >= 16) {
		(void)memcpy(copy, "DRVMANI1", 8);
		hash = stream_hash(copy, n - sizeof(hash));
		(void)memcpy(copy + n - sizeof(hash), &hash, sizeof(hash));
		parse(copy, n);
	}
	free(copy);
	return 0;
}
