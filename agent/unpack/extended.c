/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/unpack/extended.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "agent/unpack/entry.h"
#include "base/buf.h"
#include "base/error.h"

enum { ACL_ENTRIES_MAX = 1024 };

/* In the order of the values of these tags, in which the kernel wants them. */
struct tag {
	int archive;
	uint16_t kernel;
	bool named; /* has an id */
};

/* clang-format off */
static const struct tag tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ,  0x01, false },
	{ ARCHIVE_ENTRY_ACL_USER,      0x02, true },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, 0x04, false },
	{ ARCHIVE_ENTRY_ACL_GROUP,     0x08, true },
	{ ARCHIVE_ENTRY_ACL_MASK,      0x10, false },
	{ ARCHIVE_ENTRY_ACL_OTHER,     0x20, false },
};
/* clang-format on */

static const struct tag *tag_of(int archive)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].archive == archive)
			return &tags[i];
	return NULL;
}

static int compare(const void *a, const void *b)
{
	const struct posix_acl_xattr_entry *left = a, *right = b;

	if (left->e_tag != right->e_tag)
		return left->e_tag < right->e_tag ? -1 : 1;
	return left->e_id < right->e_id ? -1 : left->e_id > right->e_id;
}

/* libarchive's permissions are the kernel's bits: 1, 2, 4. */
static bool append_entry(struct buf *ret, int archive_tag, int permissions, int id)
{
	const struct tag *tag = tag_of(archive_tag);
	struct posix_acl_xattr_entry entry;

	if (!tag || (tag->named && id < 0))
		return false;
	entry.e_tag = htole16(tag->kernel);
	entry.e_perm = htole16((uint16_t)(permissions & 7));
	entry.e_id = htole32(tag->named ? (uint32_t)id : (uint32_t)ACL_UNDEFINED_ID);
	buf_append(ret, &entry, sizeof(entry));
	return true;
}

/* False if there is nothing beyond the mode, or an entry names somebody without a number. */
static bool append_acl(struct buf *ret, struct archive_entry *entry, int which)
{
	const struct posix_acl_xattr_header header = { htole32(POSIX_ACL_XATTR_VERSION) };
	int n = archive_entry_acl_reset(entry, which);
	int type, permissions, tag, id;
	const char *name;
	size_t start;

	if (n <= 0 || n > ACL_ENTRIES_MAX)
		return false;
	buf_append(ret, &header, sizeof(header));
	start = ret->len;
	while (archive_entry_acl_next(entry, which, &type, &permissions, &tag, &id, &name) ==
		ARCHIVE_OK)
		if (!append_entry(ret, tag, permissions, id)) {
			ret->len = start - sizeof(header);
			return false;
		}
	qsort(ret->data + start, (ret->len - start) / sizeof(struct posix_acl_xattr_entry),
		sizeof(struct posix_acl_xattr_entry), compare);
	return true;
}

static void drop(struct buf *dropped, const char *name)
{
	if (dropped->len > 0)
		buf_puts(dropped, ", ");
	entry_append_printable(dropped, name);
}

bool extended_is_there(struct archive_entry *entry)
{
	return archive_entry_xattr_count(entry) > 0 || archive_entry_acl_types(entry) != 0;
}

static bool is_unsupported(int number)
{
	return number == EOPNOTSUPP || number == ERANGE || number == E2BIG || number == ENODATA;
}

static int set(int fd, const char *name, const void *value, size_t n, struct buf *dropped,
	struct error *err)
{
	if (fsetxattr(fd, name, value, n, 0) == 0)
		return 0;
	/* EINVAL: an ACL that the kernel does not take for one. */
	if (!is_unsupported(errno) && errno != EINVAL)
		return error_set(err, -errno, "cannot be given its attribute %s: %m", name);
	drop(dropped, name);
	return 0;
}

static int apply_attributes(
	int fd, struct archive_entry *entry, struct buf *dropped, struct error *err)
{
	const char *name;
	const void *value;
	size_t n;
	int r = 0;

	(void)archive_entry_xattr_reset(entry);
	while (r == 0 && archive_entry_xattr_next(entry, &name, &value, &n) == ARCHIVE_OK) {
		if (name && strncmp(name, "user.", 5) == 0)
			r = set(fd, name, value, n, dropped, err);
		else
			drop(dropped, name ? name : "an attribute without a name");
	}
	return r;
}

int extended_apply(int fd, struct archive_entry *entry, struct buf *dropped, struct error *err)
{
	int types = archive_entry_acl_types(entry);
	struct buf acl = { 0 };
	int r = apply_attributes(fd, entry, dropped, err);

	if (r == 0 && (types & ARCHIVE_ENTRY_ACL_TYPE_ACCESS)) {
		if (append_acl(&acl, entry, ARCHIVE_ENTRY_ACL_TYPE_ACCESS))
			r = set(fd, "system.posix_acl_access", acl.data, acl.len, dropped, err);
		else
			drop(dropped, "an ACL");
	}
	if (types & ~(ARCHIVE_ENTRY_ACL_TYPE_ACCESS | ARCHIVE_ENTRY_ACL_TYPE_DEFAULT))
		drop(dropped, "an ACL of another system");
	buf_done(&acl);
	return r;
}

void extended_default_acl(struct buf *ret, struct archive_entry *entry)
{
	if (archive_entry_acl_types(entry) & ARCHIVE_ENTRY_ACL_TYPE_DEFAULT)
		(void)append_acl(ret, entry, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
}
