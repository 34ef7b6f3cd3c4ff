/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diagnostic.h"
#include "base/scalar.h"

struct report;

/*
 * The first YAML document of a text, as a tree whose nodes know their place. What the model has
 * no use for is settled here: duplicate keys (the last one stays), aliases (the node they name
 * is shared), merge keys, tags. Mappings have at most one value per key.
 */
enum {
	DOCUMENT_LIMIT_DEPTH = 256,
	DOCUMENT_LIMIT_NODES = 100000, /* counting what aliases repeat */
	DOCUMENT_TEXT_WEIGHT = 32,     /* so many bytes of text count as one node more */
	DOCUMENT_LIMIT_ANCHORS = 1000,
	DOCUMENT_LIMIT_DIRECTIVES = 16 /* %TAG */
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING };

struct node {
	enum node_kind kind;
	enum scalar_type type; /* of a scalar */
	bool plain;            /* a scalar without quotes, not a block */
	struct mark mark;
	char *text;          /* of a scalar, as YAML reads it, else NULL */
	size_t length;       /* bytes of text, which may hold NULs */
	struct node **items; /* of a list; of a mapping: keys and values in turn */
	size_t n;            /* items */
	size_t cap;
	size_t weight; /* nodes in this tree, aliases followed, and their text */
};

struct document {
	struct node *root; /* NULL: nothing but blanks and comments */
	struct node **nodes;
	size_t n;
	size_t cap;
};

/*
 * n bytes of UTF-8. Returns 0, or -EINVAL after an error was reported; the document is to be
 * released in either case.
 */
int document_parse(
	struct document *document, const char *text, size_t n, struct report *report);
void document_done(struct document *document);
