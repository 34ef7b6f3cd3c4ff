/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/entry.h"

#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

enum { PRINTABLE_MAX = 200 };

/* The component at `at`, and its length; skips the slashes before it. */
static size_t next_component(const char **at)
{
	while (**at == '/')
		(*at)++;
	return strcspn(*at, "/");
}

static bool is_dot(const char *component, size_t n)
{
	return n == 1 && component[0] == '.';
}

static bool is_dotdot(const char *component, size_t n)
{
	return n == 2 && component[0] == '.' && component[1] == '.';
}

const char *entry_path_normalise(char ret[static ENTRY_PATH_MAX + 1], const char *name)
{
	size_t length = 0;
	size_t n;

	if (name[0] == '\0')
		return "has an empty name";
	if (name[0] == '/')
		return "has an absolute name";
	for (const char *at = name; (n = next_component(&at)) > 0; at += n) {
		if (is_dot(at, n))
			continue;
		if (is_dotdot(at, n))
			return "has '..' in its name";
		if (n > ENTRY_NAME_MAX)
			return "has a name of more than 255 bytes between two slashes";
		if (length + 1 + n > ENTRY_PATH_MAX)
			return "has a name of more than 3840 bytes";
		if (length > 0)
			ret[length++] = '/';
		memcpy(ret + length, at, n);
		length += n;
	}
	ret[length] = '\0';
	return NULL;
}

static size_t depth_of_parent(const char *path)
{
	size_t depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

const char *entry_link_judge(struct entry_link *ret, const char *path, const char *target)
{
	struct entry_link link = { 0 };
	size_t depth = depth_of_parent(path);
	bool named = false;
	size_t n;

	if (target[0] == '\0')
		return "is a link to nowhere";
	if (target[0] == '/')
		return "is a link with an absolute target, which points outside the bundle";
	if (strlen(target) > ENTRY_TARGET_MAX)
		return "is a link with a target of more than 4095 bytes";
	for (const char *at = target; (n = next_component(&at)) > 0; at += n) {
		if (is_dot(at, n))
			continue;
		if (!is_dotdot(at, n)) {
			named = true;
			depth++;
			continue;
		}
		if (depth == 0)
			return "is a link that points outside the bundle";
		depth--;
		link.needs_look = link.needs_look || named;
		link.visits_root = link.visits_root || depth == 0;
	}
	*ret = link;
	return NULL;
}

void entry_append_printable(struct buf *ret, const char *name)
{
	size_t size = strlen(name);
	size_t n;

	for (size_t at = 0; at < size; at += n) {
		unsigned char byte = (unsigned char)name[at];

		if (at >= PRINTABLE_MAX) {
			buf_puts(ret, "...");
			return;
		}
		n = utf8_length(name + at, size - at);
		/* U+0080 to U+009F are control characters to terminals. */
		if (n == 0 || byte < 0x20 || byte == 0x7f || byte == '\\' ||
			(n == 2 && byte == 0xc2 && (unsigned char)name[at + 1] < 0xa0)) {
			n = 1;
			buf_printf(ret, "\\x%02x", byte);
		} else {
			buf_append(ret, name + at, n);
		}
	}
}
