/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct buf;
struct plan;

/*
 * The extended attributes and the mode that a node shall have: what its source has, what an
 * existing directory hands down, what permissions grant, and the label. `source_fd` is the open
 * source or -1. Appends to `xattrs`; the mode is what stat(2) will show. Returns 0 or a
 * negative errno.
 */
int attributes_want(const struct plan *plan, uint32_t node, int source_fd, struct buf *xattrs,
	mode_t *ret_mode);
