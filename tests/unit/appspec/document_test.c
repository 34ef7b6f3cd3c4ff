/* SPDX-License-Identifier: Apache-2.0 */
#include "base/document.h"

#include <errno.h>
#include <stdlib.h>

#include "base/report.h"
#include "findings.h"

/* The document in a short notation: [a, b], {k: v}, texts bare. */
static void print_node(struct buf *text, const struct node *node)
{
	if (node->kind == NODE_SCALAR) {
		buf_puts(text, node->text);
		return;
	}
	buf_putc(text, node->kind == NODE_LIST ? '[' : '{');
	for (size_t i = 0; i < node->n; i++) {
		if (i > 0)
			buf_puts(text, node->kind == NODE_MAPPING && i % 2 ? ": " : ", ");
		print_node(text, node->items[i]);
	}
	buf_putc(text, node->kind == NODE_LIST ? ']' : '}');
}

static void assert_document(const char *yaml, const char *expected)
{
	cleanup_with(document_done) struct document document = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(buf_done) struct buf text = { 0 };
	struct report report = { .name = "f", .diagnostics = &found };

	ck_assert_int_eq(document_parse(&document, yaml, strlen(yaml), &report), 0);
	print_node(&text, document.root);
	ck_assert_str_eq(text.data, expected);
}

START_TEST(nodes_know_where_they_stand)
{
	cleanup_with(document_done) struct document document = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct report report = { .name = "f", .diagnostics = &found };
	const char yaml[] = "a: 1\nb:\n  - \xc3\xa9: x\n";
	const struct node *inner;

	ck_assert_int_eq(document_parse(&document, yaml, strlen(yaml), &report), 0);
	inner = document.root->items[3]->items[0];
	ck_assert_uint_eq(inner->mark.line, 3);
	ck_assert_uint_eq(inner->mark.column, 5);
	/* In characters, not bytes. */
	ck_assert_uint_eq(inner->items[1]->mark.column, 8);
}
END_TEST

START_TEST(of_equal_keys_the_last_one_stays)
{
	assert_document("{a: 1, b: 2, a: 3}", "{b: 2, a: 3}");
	assert_document("{a: 1, 'a': 2}", "{a: 2}");
	assert_findings(HEAD "hooks: {}\nhooks: {}\n", "3:1 W-YAML-DUPLICATE");
}
END_TEST

START_TEST(an_alias_stands_for_what_it_names)
{
	assert_document("[&a x, *a, &a y, *a]", "[x, x, y, y]");
	assert_document("{k: &m {a: [1]}, l: *m}", "{k: {a: [1]}, l: {a: [1]}}");
}
END_TEST

START_TEST(a_merge_key_adds_what_the_mapping_lacks)
{
	assert_document(
		"- &d {t: 1, u: 2}\n- {<<: *d, t: 3}\n", "[{t: 1, u: 2}, {u: 2, t: 3}]");
	assert_document("- &a {x: 1}\n- &b {x: 2, y: 2}\n- {<<: [*a, *b], z: 3}\n",
		"[{x: 1}, {x: 2, y: 2}, {y: 2, x: 1, z: 3}]");
	assert_findings(HEAD "x-a:\n  <<: word\n", "4:7 E-YAML");
}
END_TEST

START_TEST(an_alias_to_what_it_stands_in_or_to_nothing_is_refused)
{
	assert_findings("a: &a [*a]\n", "1:8 E-YAML");
	assert_findings("a: *b\n", "1:4 E-YAML");
}
END_TEST

START_TEST(tags_change_types_or_are_ignored)
{
	assert_findings("version: !!float '0.0'\nos: linux\n", "");
	assert_findings("version: !!str 0.0\nos: linux\n", "1:10 E-VERSION");
	assert_findings(HEAD "x-a: !ruby/object:Gem {}\n", "3:6 W-YAML-TAG");
}
END_TEST

START_TEST(only_the_first_document_counts)
{
	assert_findings(HEAD "---\nos: windows\n", "3:1 W-YAML-DOCUMENTS");
	assert_findings(HEAD "...\n}{ not yaml\n", "4:1 W-YAML-DOCUMENTS");
	assert_findings("%YAML 1.1\n---\n" HEAD "...\n", "");
}
END_TEST

static char *repeated(const char *head, const char *text, size_t n)
{
	struct buf made = { 0 };

	buf_puts(&made, head);
	for (size_t i = 0; i < n; i++)
		buf_puts(&made, text);
	return buf_steal(&made);
}

START_TEST(nesting_has_a_limit)
{
	cleanup_with(freep) char *deep = repeated("", "[", 100000);
	cleanup_with(freep) char *blocks = repeated("", "- ", 100000);
	cleanup_with(freep) char *keys = repeated("", "? ", 100000);

	assert_findings(deep, "1:257 E-LIMIT");
	assert_findings(blocks, "1:513 E-LIMIT");
	assert_findings(keys, "1:513 E-LIMIT");
}
END_TEST

START_TEST(the_number_of_values_has_a_limit)
{
	cleanup_with(freep) char *list = repeated("", "-\n", 200000);
	cleanup_with(freep) char *keys = repeated("", "a:\n", 200000);

	assert_findings(list, "100000:2 E-LIMIT");
	assert_findings(keys, "50000:3 E-LIMIT");
}
END_TEST

START_TEST(what_aliases_repeat_counts)
{
	assert_findings("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
			"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
		"5:29 E-LIMIT");
}
END_TEST

START_TEST(text_that_aliases_repeat_counts)
{
	cleanup_with(freep) char *text = repeated("a: &a '", "0123456789", 50000);
	cleanup_with(freep) char *list = repeated("'\nb:\n", "- *a\n", 20);
	cleanup_with(freep) char *whole = repeated(text, list, 1);

	assert_findings(whole, "8:3 E-LIMIT");
}
END_TEST

START_TEST(anchors_have_a_limit)
{
	cleanup_with(freep) char *list = repeated("", "- &a x\n", 2000);

	assert_findings(list, "1001:3 E-LIMIT");
}
END_TEST

START_TEST(directives_have_a_limit)
{
	cleanup_with(freep) char *tags = repeated("", "%TAG !a! x\n", 80000);

	cleanup_with(freep) char *old_tags = repeated("", "%TAG !a! x\r", 80000);

	assert_findings(tags, "17:1 E-LIMIT");
	assert_findings(old_tags, "17:1 E-LIMIT");
}
END_TEST

START_TEST(syntax_errors_say_where_and_what_to_do)
{
	assert_says("version: 0.0\nos: linux\n\tfiles: []\n",
		"appspec.yml:3:1: error: not YAML: found a tab character that violates "
		"indentation while scanning a plain scalar that starts at line 2, column 5 "
		"(indent with blanks)");
	assert_says("a:\n\tb: c\n",
		"appspec.yml:2:1: error: not YAML: found character that cannot start any token "
		"while scanning for the next token that starts at line 2, column 1 (indent "
		"with "
		"blanks, not tabs, and quote values that start with one of @ ` %)");
	assert_says("pattern: **\n",
		"appspec.yml:1:11: error: not YAML: did not find expected alphabetic or "
		"numeric "
		"character while scanning an alias that starts at line 1, column 10 (quote "
		"values that start with * or &, as in \"**\")");
	assert_says("a: b\nc: \x01\n", "appspec.yml:2:4: error: not text: control characters "
				       "are not allowed, byte 0x01 "
				       "(is this the right file?)");
}
END_TEST

TESTS("document", nodes_know_where_they_stand, of_equal_keys_the_last_one_stays,
	an_alias_stands_for_what_it_names, a_merge_key_adds_what_the_mapping_lacks,
	an_alias_to_what_it_stands_in_or_to_nothing_is_refused,
	tags_change_types_or_are_ignored, only_the_first_document_counts, nesting_has_a_limit,
	the_number_of_values_has_a_limit, what_aliases_repeat_counts,
	text_that_aliases_repeat_counts, anchors_have_a_limit, directives_have_a_limit,
	syntax_errors_say_where_and_what_to_do)
