/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/xattr.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "agent/acl.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

enum { HEAD_BYTES = sizeof(uint16_t) + sizeof(uint32_t) };

static bool is_managed(const char *name, bool labels)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, ACL_ACCESS_NAME) == 0 ||
	       strcmp(name, ACL_DEFAULT_NAME) == 0 ||
	       strcmp(name, "security.capability") == 0 ||
	       (labels && strcmp(name, XATTR_LABEL_NAME) == 0);
}

struct item {
	const char *name;
	const char *value;
	size_t name_n; /* with its NUL */
	size_t value_n;
};

/* The next attribute of a set; false at the end, or where the bytes make no sense. */
static bool next_item(const char **at, const char *end, struct item *ret)
{
	uint16_t name_n;
	uint32_t value_n;

	if (end - *at < HEAD_BYTES)
		return false;
	(void)memcpy(&name_n, *at, sizeof(name_n));
	(void)memcpy(&value_n, *at + sizeof(name_n), sizeof(value_n));
	if ((size_t)(end - *at) - HEAD_BYTES < (size_t)name_n + value_n || name_n < 2 ||
		(*at)[HEAD_BYTES + name_n - 1] != '\0' ||
		memchr(*at + HEAD_BYTES, '\0', name_n - 1u))
		return false;
	*ret = (struct item){ .name = *at + HEAD_BYTES,
		.name_n = name_n,
		.value = *at + HEAD_BYTES + name_n,
		.value_n = value_n };
	*at += HEAD_BYTES + name_n + value_n;
	return true;
}

bool xattrs_are_valid(const char *set, size_t n)
{
	const char *at = set;
	struct item item;

	while (next_item(&at, set + n, &item))
		if (!is_managed(item.name, true))
			return false;
	return at == set + n;
}

const char *xattrs_find(const char *set, size_t set_n, const char *name, size_t *ret_n)
{
	const char *at = set;
	struct item item;

	while (next_item(&at, set + set_n, &item))
		if (strcmp(item.name, name) == 0) {
			*ret_n = item.value_n;
			return item.value;
		}
	return NULL;
}

static void append(struct buf *set, const char *name, const void *value, size_t n)
{
	uint16_t name_n = (uint16_t)(strlen(name) + 1);
	uint32_t value_n = (uint32_t)n;

	buf_append(set, &name_n, sizeof(name_n));
	buf_append(set, &value_n, sizeof(value_n));
	buf_append(set, name, name_n);
	buf_append(set, value, n);
}

void xattrs_put(struct buf *set, const char *name, const void *value, size_t n)
{
	size_t old_n;

	if (set->len && xattrs_find(set->data, set->len, name, &old_n)) {
		struct buf rest = { 0 };
		const char *at = set->data;
		struct item item;

		while (next_item(&at, set->data + set->len, &item))
			if (strcmp(item.name, name) != 0)
				append(&rest, item.name, item.value, item.value_n);
		buf_done(set);
		*set = rest;
	}
	append(set, name, value, n);
}

static int read_one(int fd, const char *name, struct buf *ret)
{
	cleanup_with(freep) char *value = NULL;
	ssize_t n = fgetxattr(fd, name, NULL, 0);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	if (n > XATTRS_LIMIT_BYTES)
		return -E2BIG;
	value = xmalloc((size_t)n + 1);
	n = fgetxattr(fd, name, value, (size_t)n);
	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	append(ret, name, value, (size_t)n);
	return 0;
}

int xattrs_read(int fd, bool labels, struct buf *ret)
{
	char few[512];
	cleanup_with(freep) char *many = NULL;
	char *names = few;
	ssize_t n = flistxattr(fd, few, sizeof(few));
	int r;

	if (n < 0 && errno == ERANGE) {
		names = many = xmalloc(65536);
		n = flistxattr(fd, many, 65536);
	}
	if (n < 0)
		return errno == ENOTSUP ? 0 : -errno;
	for (char *name = names; name < names + n; name += strlen(name) + 1) {
		if (!is_managed(name, labels))
			continue;
		r = read_one(fd, name, ret);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_within(const struct buf *a, const struct buf *b)
{
	const char *at = a->data;
	struct item item;
	size_t n;

	while (a->len && next_item(&at, a->data + a->len, &item)) {
		const char *value = b->len ? xattrs_find(b->data, b->len, item.name, &n) : NULL;

		if (!value || n != item.value_n || memcmp(value, item.value, n) != 0)
			return false;
	}
	return true;
}

bool xattrs_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && is_within(a, b) && is_within(b, a);
}

int xattrs_change(int fd, const char *from, size_t from_n, const char *to, size_t to_n)
{
	const char *at = from;
	struct item item;
	size_t n;

	while (from_n && next_item(&at, from + from_n, &item))
		if (!(to_n && xattrs_find(to, to_n, item.name, &n)) &&
			fremovexattr(fd, item.name) < 0 && errno != ENODATA && errno != ENOTSUP)
			return -errno;
	at = to;
	while (to_n && next_item(&at, to + to_n, &item))
		if (fsetxattr(fd, item.name, item.value, item.value_n, 0) < 0 &&
			!(errno == ENOTSUP && strncmp(item.name, "user.", 5) == 0))
			return -errno;
	return 0;
}
