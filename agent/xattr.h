/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * The extended attributes that an install sets and compares: ACLs, capabilities, those of
 * users, and the SELinux label where SELinux is on. A set is one run of bytes, so that it can
 * go into a journal: for each attribute u16 length of the name, u32 length of the value, the
 * name with its NUL, the value.
 */
enum { XATTRS_LIMIT_BYTES = 256 * 1024 };

#define XATTR_LABEL_NAME "security.selinux"

/* Appends what an open file has. Labels only if `labels`. Returns 0 or a negative errno; a file
 * system without attributes has none. */
int xattrs_read(int fd, bool labels, struct buf *ret);

/* Adds one, in place of one of that name. */
void xattrs_put(struct buf *set, const char *name, const void *value, size_t n);

/* The value of one, or NULL; *ret_n bytes. */
const char *xattrs_find(const char *set, size_t set_n, const char *name, size_t *ret_n);

bool xattrs_equal(const struct buf *a, const struct buf *b);

/* True if the bytes are a set. */
bool xattrs_are_valid(const char *set, size_t n);

/*
 * Gives an open file the attributes of `to` and takes away those of `from` that `to` lacks.
 * Returns 0 or a negative errno. Attributes of users that the file system cannot hold are left
 * out, as cp does.
 */
int xattrs_change(int fd, const char *from, size_t from_n, const char *to, size_t to_n);
