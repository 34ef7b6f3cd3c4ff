/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "appspec/appspec.h"

struct buf;

/*
 * POSIX ACLs in the form of their extended attribute (acl(5), linux/posix_acl_xattr.h), which
 * can be set through a descriptor, compared byte by byte, and kept in a journal. libacl can do
 * none of these for default ACLs.
 */
#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

/* One entry of the appspec with its name resolved. */
struct acl_entry {
	bool is_default;
	enum acl_type type;
	bool named;
	uint32_t id;
	unsigned perms;
};

/*
 * Appends the access ACL (or default ACL) that the entries make of `mode`: owner, group and
 * others from the mode, the mask as the union of the group's and all named bits unless given.
 * Nothing is appended if no entry is of that kind.
 */
void acl_make(struct buf *ret, const struct acl_entry *entries, size_t n, bool is_default,
	mode_t mode);

/* As chmod would: puts the mode's bits into an ACL. False if the bytes are no ACL. */
bool acl_chmod(char *acl, size_t n, mode_t mode);

/* The mode that a file has with this access ACL: group bits are the mask's. */
mode_t acl_mode(const char *acl, size_t n, mode_t mode);

/* True if it says no more than a mode does; the kernel does not keep such an access ACL. */
bool acl_is_minimal(const char *acl, size_t n);
