/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/acl.h"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

#include "base/buf.h"

enum { HEADER_BYTES = sizeof(struct posix_acl_xattr_header) };

static void put_entry(struct buf *ret, unsigned tag, unsigned perms, uint32_t id)
{
	struct posix_acl_xattr_entry entry = {
		.e_tag = htole16((uint16_t)tag),
		.e_perm = htole16((uint16_t)perms),
		.e_id = htole32(id),
	};

	buf_append(ret, &entry, sizeof(entry));
}

static const struct acl_entry *find(const struct acl_entry *entries, size_t n, bool is_default,
	enum acl_type type, bool named)
{
	const struct acl_entry *found = NULL;

	/* The last one wins, as with setfacl. */
	for (size_t i = 0; i < n; i++)
		if (entries[i].is_default == is_default && entries[i].type == type &&
			entries[i].named == named)
			found = &entries[i];
	return found;
}

static unsigned base_perms(const struct acl_entry *entries, size_t n, bool is_default,
	enum acl_type type, unsigned otherwise)
{
	const struct acl_entry *given = find(entries, n, is_default, type, false);

	return given ? given->perms : otherwise & 7;
}

/* Named entries in order of their ids, each once; returns the union of their bits. */
static unsigned put_named(struct buf *ret, const struct acl_entry *entries, size_t n,
	bool is_default, enum acl_type type, unsigned tag)
{
	unsigned all = 0;
	int64_t last = -1;

	for (;;) {
		const struct acl_entry *next = NULL;

		for (size_t i = 0; i < n; i++)
			if (entries[i].is_default == is_default && entries[i].named &&
				entries[i].type == type && (int64_t)entries[i].id > last &&
				(!next || entries[i].id <= next->id))
				next = &entries[i];
		if (!next)
			return all;
		put_entry(ret, tag, next->perms, next->id);
		all |= next->perms;
		last = next->id;
	}
}

void acl_make(struct buf *ret, const struct acl_entry *entries, size_t n, bool is_default,
	mode_t mode)
{
	struct posix_acl_xattr_header header = { .a_version = htole32(
							 POSIX_ACL_XATTR_VERSION) };
	const struct acl_entry *mask = find(entries, n, is_default, ACL_TYPE_MASK, false);
	unsigned group = base_perms(entries, n, is_default, ACL_TYPE_GROUP, mode >> 3);
	unsigned all = group;
	bool any = false;
	bool named = false;

	for (size_t i = 0; i < n; i++)
		if (entries[i].is_default == is_default) {
			any = true;
			named = named || entries[i].named;
		}
	if (!any)
		return;
	buf_append(ret, &header, sizeof(header));
	put_entry(ret, ACL_USER_OBJ,
		base_perms(entries, n, is_default, ACL_TYPE_USER, mode >> 6),
		(uint32_t)ACL_UNDEFINED_ID);
	all |= put_named(ret, entries, n, is_default, ACL_TYPE_USER, ACL_USER);
	put_entry(ret, ACL_GROUP_OBJ, group, (uint32_t)ACL_UNDEFINED_ID);
	all |= put_named(ret, entries, n, is_default, ACL_TYPE_GROUP, ACL_GROUP);
	if (mask || named)
		put_entry(ret, ACL_MASK, mask ? mask->perms : all, (uint32_t)ACL_UNDEFINED_ID);
	put_entry(ret, ACL_OTHER, base_perms(entries, n, is_default, ACL_TYPE_OTHER, mode),
		(uint32_t)ACL_UNDEFINED_ID);
}

static bool is_acl(const char *acl, size_t n)
{
	struct posix_acl_xattr_header header;

	if (n < HEADER_BYTES || (n - HEADER_BYTES) % sizeof(struct posix_acl_xattr_entry) != 0)
		return false;
	(void)memcpy(&header, acl, sizeof(header));
	return header.a_version == htole32(POSIX_ACL_XATTR_VERSION);
}

/* The bits of the only entry with this tag, or NULL. */
static char *entry_of(const char *acl, size_t n, unsigned tag)
{
	for (size_t at = HEADER_BYTES; at < n; at += sizeof(struct posix_acl_xattr_entry)) {
		struct posix_acl_xattr_entry entry;

		(void)memcpy(&entry, acl + at, sizeof(entry));
		if (le16toh(entry.e_tag) == tag)
			return (char *)acl + at;
	}
	return NULL;
}

static void set_perms(char *entry, unsigned perms)
{
	uint16_t value = htole16((uint16_t)(perms & 7));

	if (entry)
		(void)memcpy(entry + offsetof(struct posix_acl_xattr_entry, e_perm), &value,
			sizeof(value));
}

static unsigned get_perms(const char *entry)
{
	uint16_t value;

	(void)memcpy(
		&value, entry + offsetof(struct posix_acl_xattr_entry, e_perm), sizeof(value));
	return le16toh(value);
}

bool acl_chmod(char *acl, size_t n, mode_t mode)
{
	char *mask;

	if (!is_acl(acl, n))
		return false;
	mask = entry_of(acl, n, ACL_MASK);
	set_perms(entry_of(acl, n, ACL_USER_OBJ), mode >> 6);
	set_perms(mask ? mask : entry_of(acl, n, ACL_GROUP_OBJ), mode >> 3);
	set_perms(entry_of(acl, n, ACL_OTHER), mode);
	return true;
}

mode_t acl_mode(const char *acl, size_t n, mode_t mode)
{
	const char *user;
	const char *group;
	const char *other;

	if (!is_acl(acl, n))
		return mode;
	user = entry_of(acl, n, ACL_USER_OBJ);
	group = entry_of(acl, n, ACL_MASK);
	if (!group)
		group = entry_of(acl, n, ACL_GROUP_OBJ);
	other = entry_of(acl, n, ACL_OTHER);
	if (!user || !group || !other)
		return mode;
	return (mode & ~(mode_t)0777) | (mode_t)(get_perms(user) << 6) |
	       (mode_t)(get_perms(group) << 3) | (mode_t)get_perms(other);
}

bool acl_is_minimal(const char *acl, size_t n)
{
	return is_acl(acl, n) && n == HEADER_BYTES + 3 * sizeof(struct posix_acl_xattr_entry);
}
