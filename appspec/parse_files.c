/* SPDX-License-Identifier: Apache-2.0 */
#include "appspec/parse.h"

#include <string.h>

#include "appspec/field.h"
#include "base/report.h"
#include "base/alloc.h"
#include "base/cleanup.h"

static void parse_source(struct appspec_file *file, const struct node *entry,
	const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;

	file->source_mark = node ? node->mark : entry->mark;
	if (field_text(report, node, "source", &text) < 0)
		return;
	if (!text) {
		report_error(report, file->source_mark, "E-FILE-SOURCE",
			"a files entry needs a source, the path of a file or directory in the "
			"bundle");
		return;
	}
	(void)field_bundle_path(report, node, "source", text, &file->source);
}

static void parse_destination(struct appspec_file *file, const struct node *entry,
	const struct node *node, struct report *report)
{
	cleanup_with(freep) char *text = NULL;

	file->destination_mark = node ? node->mark : entry->mark;
	if (field_text(report, node, "destination", &text) < 0)
		return;
	if (!text) {
		report_error(report, file->destination_mark, "E-FILE-DEST",
			"a files entry needs a destination, the absolute path of the directory "
			"that the source goes into");
		return;
	}
	(void)field_host_path(report, node, "destination", text, &file->destination);
}

static void parse_file(
	struct appspec_file *file, const struct node *entry, struct report *report)
{
	const struct node *source = NULL;
	const struct node *destination = NULL;
	const struct field fields[] = {
		{ "source", &source },
		{ "destination", &destination },
	};

	file->mark = entry->mark;
	if (field_mapping(report, entry, "a files entry", fields, ARRAY_SIZE(fields)) < 0)
		return;
	parse_source(file, entry, source, report);
	parse_destination(file, entry, destination, report);
}

void parse_files(struct appspec *spec, const struct node *node, struct report *report)
{
	struct node *const *items = NULL;
	size_t n;

	if (field_list(report, node, "files", &items, &n) < 0 || n == 0)
		return;
	spec->files = xcalloc(n, sizeof(*spec->files));
	spec->n_files = n;
	for (size_t i = 0; i < n; i++)
		parse_file(&spec->files[i], items[i], report);
}
