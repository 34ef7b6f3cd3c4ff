/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct node;
struct plan;
struct tree;

/* Whether a file or link on the host is already what it shall be: content, type, mode, owner,
 * time and attributes. Such a file is not written again. */
struct compare {
	char *blocks;
};

void compare_init(struct compare *compare);
void compare_done(struct compare *compare);

/*
 * Reads both where kind, size and time do not tell them apart, and notes in the node's flags
 * what was found, for compare_node() to go by. It is called when the two have just been looked
 * at: the kernel finds them faster then than after all the others. `source` is the open file,
 * not yet read; host_fd the directory of the other.
 */
void compare_ahead(
	struct compare *compare, struct plan *plan, uint32_t node, int host_fd, int source);

/* False if what was seen suffices to tell them apart. */
bool compare_quick(const struct tree *tree, const struct node *node);

/* Reads both. Fills the node's mode as it shall show. False where anything cannot be read: then
 * it is written again, and that says what is wrong. */
bool compare_node(
	struct compare *compare, struct plan *plan, uint32_t node, int host_fd, int source_fd);
