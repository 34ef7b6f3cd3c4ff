/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Any bytes as the name of an archive's entry and, behind a NUL, the target of its link: what
 * is accepted stays below the root, walked step by step as the kernel would.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/unpack/entry.h"
#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Calls for each component of a path; returns how deep below `depth` it ends, never above 0. */
static int walk(const char *path, int depth)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && path[0] == '.'))
			depth++;
		assert(depth >= 0);
		path += n;
		path += *path == '/';
	}
	return depth;
}

static void check_path(const char *path)
{
	char again[ENTRY_PATH_MAX + 1];
	const char *at = path;

	assert(strlen(path) <= ENTRY_PATH_MAX);
	if (!*path)
		return;
	assert(!entry_path_normalise(again, path) && strcmp(again, path) == 0);
	for (;;) {
		size_t n = strcspn(at, "/");

		assert(n > 0 && n <= ENTRY_NAME_MAX);
		assert(!(n == 1 && at[0] == '.') && !(n == 2 && at[0] == '.' && at[1] == '.'));
		if (!at[n])
			return;
		at += n + 1;
	}
}

static void check_link(const char *path, const char *target)
{
	struct entry_link link;
	int depth;

	if (!*path || entry_link_judge(&link, path, target))
		return;
	depth = walk(path, 0) - 1;
	assert(target[0] && target[0] != '/');
	(void)walk(target, depth);
	if (strstr(target, "..") == NULL)
		assert(!link.needs_look && !link.visits_root);
}

static void check_printable(const char *name)
{
	struct buf text = { 0 };
	char *shown;

	entry_append_printable(&text, name);
	shown = buf_steal(&text);
	for (const char *at = shown; *at; at++)
		assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char path[ENTRY_PATH_MAX + 1];
	char *text = malloc(n + 2);
	const char *target;

	if (!text)
		return 0;
	memcpy(text, data, n);
	text[n] = text[n + 1] = '\0';
	target = text + strlen(text) + (strlen(text) < n);
	check_printable(text);
	if (!entry_path_normalise(path, text)) {
		assert(text[0] && text[0] != '/');
		assert(walk(text, 0) == walk(path, 0));
		check_path(path);
		check_link(path, target);
	}
	free(text);
	return 0;
}
