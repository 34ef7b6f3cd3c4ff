/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct archive_entry;
struct buf;
struct error;

/*
 * Extended attributes and POSIX ACLs that an archive's entry carries. User attributes and ACLs
 * by number are kept; whatever else there is (file capabilities, security labels, trusted
 * attributes, ACLs of other systems) is dropped and named in `dropped`.
 */
bool extended_is_there(struct archive_entry *entry);

/*
 * Sets them on an open file or directory. On a file system that has none of these they are
 * dropped too. dropped: gets names, ", " between them.
 */
int extended_apply(int fd, struct archive_entry *entry, struct buf *dropped, struct error *err);

/* Appends the value of a directory's default ACL, if it has one, in the kernel's form. */
void extended_default_acl(struct buf *ret, struct archive_entry *entry);
