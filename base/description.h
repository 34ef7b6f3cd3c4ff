/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/document.h"

/* Not there, or there without a value. */
static inline bool node_is_absent(const struct node *node)
{
	return !node || (node->kind == NODE_SCALAR && node->type == SCALAR_NULL);
}

/* "a list", "a mapping", "the text 'x'": for messages. */
struct description {
	char text[320];
};
struct description describe(const struct node *node);
