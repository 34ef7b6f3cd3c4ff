/* SPDX-License-Identifier: Apache-2.0 */
#include "base/document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"

struct anchor {
	char *name;
	struct node *node;
};

struct builder {
	struct document *document;
	struct report *report;
	const char *text;
	size_t n;
	yaml_parser_t parser;
	struct node *open[DOCUMENT_LIMIT_DEPTH]; /* collections not ended, outermost first */
	size_t depth;
	struct anchor *anchors;
	size_t n_anchors;
	size_t cap_anchors;
	size_t total; /* nodes so far, those that aliases repeat included */
};

static struct mark mark_of(yaml_mark_t mark)
{
	return (struct mark){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

void document_done(struct document *document)
{
	for (size_t i = 0; i < document->n; i++) {
		free(document->nodes[i]->text);
		free(document->nodes[i]->items);
		free(document->nodes[i]);
	}
	free(document->nodes);
	*document = (struct document){ 0 };
}

static void builder_done(struct builder *builder)
{
	for (size_t i = 0; i < builder->n_anchors; i++)
		free(builder->anchors[i].name);
	free(builder->anchors);
	yaml_parser_delete(&builder->parser);
}

/* What people most often did when libyaml says so; its own words name the parser's state. */
static const char *advice(const char *problem)
{
	static const struct {
		const char *problem;
		const char *advice;
	} table[] = {
		{ "mapping values are not allowed",
			"is the line indented too deep, or does an unquoted value hold ': '?" },
		{ "could not find expected ':'", "a key needs a colon and a blank after it" },
		{ "did not find expected key", "keys of one mapping start in the same column" },
		{ "did not find expected '-' indicator",
			"keys of a list entry stand under its first key, not under the dash" },
		{ "tab character", "indent with blanks" },
		{ "cannot start any token",
			"indent with blanks, not tabs, and quote values that start with one "
			"of @ ` %" },
		{ "alphabetic or numeric character",
			"quote values that start with * or &, as in \"**\"" },
		{ "end of stream", "a quote or bracket opened there is never closed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strstr(problem, table[i].problem))
			return table[i].advice;
	return NULL;
}

/* libyaml's reader, unlike its scanner, knows only the offset of a bad byte. */
static struct mark mark_of_offset(const char *text, size_t n, size_t offset)
{
	struct mark mark = { 1, 1 };

	for (size_t i = 0; i < offset; i++) {
		bool ends = text[i] == '\n' ||
			    (text[i] == '\r' && (i + 1 == n || text[i + 1] != '\n'));

		if (ends) {
			mark.line++;
			mark.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			mark.column++;
		}
	}
	return mark;
}

static int report_syntax(struct builder *builder)
{
	const yaml_parser_t *parser = &builder->parser;
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	const char *help = advice(problem);
	struct mark mark = mark_of(parser->problem_mark);
	struct mark context = mark_of(parser->context_mark);

	if (parser->error == YAML_MEMORY_ERROR) {
		report_error(builder->report, mark, "E-YAML", "out of memory");
	} else if (parser->error == YAML_READER_ERROR) {
		size_t offset = parser->problem_offset < builder->n ? parser->problem_offset
								    : builder->n;

		mark = mark_of_offset(builder->text, builder->n, offset);
		report_error(builder->report, mark, "E-YAML",
			"not text: %s, byte 0x%02x (is this the right file?)", problem,
			offset < builder->n ? (unsigned char)builder->text[offset] : 0U);
	} else if (parser->context) {
		report_error(builder->report, mark, "E-YAML",
			"not YAML: %s %s that starts at line %u, column %u%s%s%s", problem,
			parser->context, context.line, context.column, help ? " (" : "",
			help ? help : "", help ? ")" : "");
	} else {
		report_error(builder->report, mark, "E-YAML", "not YAML: %s%s%s%s", problem,
			help ? " (" : "", help ? help : "", help ? ")" : "");
	}
	return -EINVAL;
}

static int count(struct builder *builder, size_t n, struct mark mark)
{
	builder->total += n;
	if (builder->total <= DOCUMENT_LIMIT_NODES)
		return 0;
	report_error(builder->report, mark, "E-LIMIT",
		"the file holds more than %d keys and values, the most allowed",
		DOCUMENT_LIMIT_NODES);
	return -EINVAL;
}

static int node_new(
	struct builder *builder, struct node **ret, enum node_kind kind, struct mark mark)
{
	struct document *document = builder->document;
	struct node *node;
	int r = count(builder, 1, mark);

	if (r < 0)
		return r;
	node = xcalloc(1, sizeof(*node));
	node->kind = kind;
	node->mark = mark;
	node->weight = 1;
	xgrow(&document->nodes, &document->cap, document->n);
	document->nodes[document->n++] = node;
	*ret = node;
	return 0;
}

/* Puts a finished node where it belongs: into the innermost open collection, or at the root. */
static void place(struct builder *builder, struct node *node)
{
	struct node *parent;

	if (builder->depth == 0) {
		builder->document->root = node;
		return;
	}
	parent = builder->open[builder->depth - 1];
	xgrow(&parent->items, &parent->cap, parent->n);
	parent->items[parent->n++] = node;
	parent->weight += node->weight;
}

static int remember_anchor(struct builder *builder, const yaml_char_t *name, struct node *node)
{
	if (!name)
		return 0;
	if (builder->n_anchors == DOCUMENT_LIMIT_ANCHORS) {
		report_error(builder->report, node->mark, "E-LIMIT",
			"more than %d anchors, the most allowed", DOCUMENT_LIMIT_ANCHORS);
		return -EINVAL;
	}
	xgrow(&builder->anchors, &builder->cap_anchors, builder->n_anchors);
	builder->anchors[builder->n_anchors++] = (struct anchor){ xstrdup((const char *)name),
		node };
	return 0;
}

static bool is_open(const struct builder *builder, const struct node *node)
{
	for (size_t i = 0; i < builder->depth; i++)
		if (builder->open[i] == node)
			return true;
	return false;
}

static int on_alias(struct builder *builder, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct mark mark = mark_of(event->start_mark);
	struct node *node = NULL;
	int r;

	/* An anchor may be set again; the last one counts. */
	for (size_t i = builder->n_anchors; i > 0 && !node; i--)
		if (strcmp(builder->anchors[i - 1].name, name) == 0)
			node = builder->anchors[i - 1].node;
	if (!node || is_open(builder, node)) {
		report_error(builder->report, mark, "E-YAML",
			node ? "alias *%s stands inside what it names"
			     : "alias *%s names no anchor above it (quote values that start "
			       "with *)",
			quote(name));
		return -EINVAL;
	}
	r = count(builder, node->weight, mark);
	if (r < 0)
		return r;
	place(builder, node);
	return 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void warn_of_tag(struct builder *builder, const yaml_char_t *tag, struct mark mark)
{
	const char *name = (const char *)tag;

	if (name && !has_prefix(name, "tag:yaml.org,2002:") && strcmp(name, "!") != 0)
		report_warning(
			builder->report, mark, "W-YAML-TAG", "tag %s is ignored", quote(name));
}

static enum scalar_type type_of_scalar(const yaml_event_t *event, const char *text)
{
	const char *tag = (const char *)event->data.scalar.tag;

	if (strlen(text) != event->data.scalar.length)
		return SCALAR_TEXT;
	if (tag && strcmp(tag, "!") != 0 && !has_prefix(tag, "tag:yaml.org,2002:"))
		return SCALAR_TEXT;
	/* `!!int "7"` is a number though quoted, `!!str 7` is none though plain. */
	if (tag && (strcmp(tag, "!") == 0 || has_prefix(tag, "tag:yaml.org,2002:str")))
		return SCALAR_TEXT;
	if (tag || event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		return scalar_type(text);
	return SCALAR_TEXT;
}

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
	struct node *node;
	struct mark mark = mark_of(event->start_mark);
	size_t extra = event->data.scalar.length / DOCUMENT_TEXT_WEIGHT;
	int r = node_new(builder, &node, NODE_SCALAR, mark);

	if (r == 0)
		r = count(builder, extra, mark);
	if (r < 0)
		return r;
	node->weight += extra;
	node->length = event->data.scalar.length;
	node->text = xmalloc(node->length + 1);
	memcpy(node->text, event->data.scalar.value, node->length);
	node->text[node->length] = '\0';
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->type = type_of_scalar(event, node->text);
	warn_of_tag(builder, event->data.scalar.tag, node->mark);
	r = remember_anchor(builder, event->data.scalar.anchor, node);
	if (r < 0)
		return r;
	place(builder, node);
	return 0;
}

static int on_start(struct builder *builder, const yaml_event_t *event, enum node_kind kind,
	const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct node *node;
	int r = node_new(builder, &node, kind, mark_of(event->start_mark));

	if (r < 0)
		return r;
	if (builder->depth == DOCUMENT_LIMIT_DEPTH) {
		report_error(builder->report, node->mark, "E-LIMIT",
			"nested more than %d levels deep, the most allowed",
			DOCUMENT_LIMIT_DEPTH);
		return -EINVAL;
	}
	warn_of_tag(builder, tag, node->mark);
	builder->open[builder->depth++] = node;
	return remember_anchor(builder, anchor, node);
}

/* A key with where it stood, to find those given twice by sorting. */
struct pair {
	struct node *key;
	struct node *value;
	size_t position;
	bool merged; /* came by a merge key: any other key overrides it silently */
	bool dropped;
};

static int compare_keys(const void *left, const void *right)
{
	const struct pair *a = *(const struct pair *const *)left;
	const struct pair *b = *(const struct pair *const *)right;
	int r = strcmp(a->key->text ? a->key->text : "", b->key->text ? b->key->text : "");

	return r != 0 ? r : (a->position > b->position) - (a->position < b->position);
}

static void drop_duplicates(struct builder *builder, struct pair *pairs, size_t n)
{
	cleanup_with(freep) struct pair **sorted = xcalloc(n, sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = &pairs[i];
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	for (size_t i = 0; i + 1 < n; i++) {
		struct pair *pair = sorted[i];
		const struct pair *next = sorted[i + 1];

		if (!pair->key->text || !next->key->text ||
			strcmp(pair->key->text, next->key->text) != 0)
			continue;
		pair->dropped = true;
		if (!pair->merged)
			report_warning(builder->report, pair->key->mark, "W-YAML-DUPLICATE",
				"key '%s' is given again at line %u, column %u; the last one "
				"counts and this one is ignored",
				quote(pair->key->text), next->key->mark.line,
				next->key->mark.column);
	}
}

static bool is_merge_key(const struct node *key)
{
	return key->kind == NODE_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

/* How many pairs a merge key's value brings; -EINVAL if it is neither a mapping nor a list of
 * them. */
static int count_merged(struct builder *builder, const struct node *value, size_t *ret)
{
	if (value->kind == NODE_MAPPING) {
		*ret += value->n / 2;
		return count(builder, value->n, value->mark);
	}
	for (size_t i = 0; value->kind == NODE_LIST && i < value->n; i++) {
		if (value->items[i]->kind != NODE_MAPPING)
			break;
		*ret += value->items[i]->n / 2;
		if (count(builder, value->items[i]->n, value->mark) < 0)
			return -EINVAL;
		if (i + 1 == value->n)
			return 0;
	}
	report_error(builder->report, value->mark, "E-YAML",
		"the merge key '<<' needs a mapping or a list of mappings");
	return -EINVAL;
}

static void append_mapping(
	struct pair *pairs, size_t *n, const struct node *mapping, bool merged)
{
	for (size_t i = 0; i < mapping->n; i += 2) {
		if (!merged && is_merge_key(mapping->items[i]))
			continue;
		pairs[*n] = (struct pair){ .key = mapping->items[i],
			.value = mapping->items[i + 1],
			.position = *n,
			.merged = merged };
		(*n)++;
	}
}

/* Merged pairs come first, so that "the last one counts" makes the mapping's own keys win;
 * of several merged mappings the first one wins. */
static void append_merged(struct pair *pairs, size_t *n, const struct node *value)
{
	if (value->kind == NODE_MAPPING) {
		append_mapping(pairs, n, value, true);
		return;
	}
	for (size_t i = value->n; i > 0; i--)
		append_mapping(pairs, n, value->items[i - 1], true);
}

static int settle_mapping(struct builder *builder, struct node *node)
{
	cleanup_with(freep) struct pair *pairs = NULL;
	size_t capacity = node->n / 2;
	size_t n = 0;

	for (size_t i = 0; i < node->n; i += 2)
		if (is_merge_key(node->items[i]) &&
			count_merged(builder, node->items[i + 1], &capacity) < 0)
			return -EINVAL;
	pairs = xcalloc(capacity, sizeof(*pairs));
	for (size_t i = node->n; i > 0; i -= 2)
		if (is_merge_key(node->items[i - 2]))
			append_merged(pairs, &n, node->items[i - 1]);
	append_mapping(pairs, &n, node, false);
	drop_duplicates(builder, pairs, n);

	node->items = xreallocarray(node->items, capacity * 2, sizeof(*node->items));
	node->cap = capacity * 2;
	node->n = 0;
	node->weight = 1;
	for (size_t i = 0; i < n; i++) {
		if (pairs[i].dropped)
			continue;
		node->items[node->n++] = pairs[i].key;
		node->items[node->n++] = pairs[i].value;
		node->weight += pairs[i].key->weight + pairs[i].value->weight;
	}
	return 0;
}

static int on_end(struct builder *builder)
{
	struct node *node = builder->open[--builder->depth];
	int r = node->kind == NODE_MAPPING ? settle_mapping(builder, node) : 0;

	if (r < 0)
		return r;
	place(builder, node);
	return 0;
}

/* Returns 1 at the end of the document or of a stream without one. */
static int on_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return on_alias(builder, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(builder, event, NODE_LIST, event->data.sequence_start.anchor,
			event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(builder, event, NODE_MAPPING, event->data.mapping_start.anchor,
			event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(builder);
	case YAML_DOCUMENT_END_EVENT:
	case YAML_STREAM_END_EVENT:
		return 1;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		return 0;
	}
	return 0;
}

/* The reference reads the first document of a stream and never looks at the rest. */
static void warn_of_rest(struct builder *builder)
{
	yaml_event_t event;
	struct mark mark;
	bool ended = false;

	if (yaml_parser_parse(&builder->parser, &event)) {
		mark = mark_of(event.start_mark);
		ended = event.type == YAML_STREAM_END_EVENT || event.type == YAML_NO_EVENT;
		yaml_event_delete(&event);
	} else {
		mark = mark_of(builder->parser.problem_mark);
	}
	if (!ended)
		report_warning(builder->report, mark, "W-YAML-DOCUMENTS",
			"what follows the first YAML document is ignored");
}

static int build(struct builder *builder)
{
	int r;

	do {
		yaml_event_t event;

		if (!yaml_parser_parse(&builder->parser, &event))
			return report_syntax(builder);
		r = on_event(builder, &event);
		yaml_event_delete(&event);
	} while (r == 0);
	if (r < 0)
		return r;
	warn_of_rest(builder);
	return 0;
}

/* Any of YAML 1.1's: LF, CR, and the last byte of U+0085, U+2028 and U+2029. */
static bool ends_line(char c)
{
	return c == '\n' || c == '\r' || c == '\x85' || c == '\xa8' || c == '\xa9';
}

/* libyaml compares every %TAG with all before it, so that a file of them takes minutes. */
static int check_directives(const char *text, size_t n, struct report *report)
{
	static const char directive[] = "%TAG";
	const char *at = text;
	unsigned found = 0;

	while ((at = memmem(at, n - (size_t)(at - text), directive, strlen(directive)))) {
		if (at == text || ends_line(at[-1]))
			found++;
		if (found > DOCUMENT_LIMIT_DIRECTIVES) {
			report_error(report, mark_of_offset(text, n, (size_t)(at - text)),
				"E-LIMIT", "more than %d %s directives, the most allowed",
				DOCUMENT_LIMIT_DIRECTIVES, directive);
			return -EINVAL;
		}
		at += strlen(directive);
	}
	return 0;
}

int document_parse(struct document *document, const char *text, size_t n, struct report *report)
{
	struct builder builder = {
		.document = document,
		.report = report,
		.text = text,
		.n = n,
	};
	int r = check_directives(text, n, report);

	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&builder.parser)) {
		report_error(report, (struct mark){ 0 }, "E-YAML", "out of memory");
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, n);
	r = build(&builder);
	builder_done(&builder);
	return r;
}
