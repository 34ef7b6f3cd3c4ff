/* SPDX-License-Identifier: Apache-2.0 */
#include "base/description.h"

#include <stdio.h>
#include <string.h>

#include "base/report.h"

static const char *type_name(enum scalar_type type)
{
	switch (type) {
	case SCALAR_NULL:
		return "nothing";
	case SCALAR_BOOLEAN:
		return "the boolean";
	case SCALAR_INTEGER:
	case SCALAR_FLOAT:
		return "the number";
	case SCALAR_TEXT:
		return "the text";
	}
	return "something";
}

struct description describe(const struct node *node)
{
	struct description made;

	if (node_is_absent(node))
		(void)strcpy(made.text, "nothing");
	else if (node->kind != NODE_SCALAR)
		(void)strcpy(made.text, node->kind == NODE_LIST ? "a list" : "a mapping");
	else
		(void)snprintf(made.text, sizeof(made.text), "%s '%s'", type_name(node->type),
			quote(node->text));
	return made;
}
