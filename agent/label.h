/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct appspec_context;
struct buf;

/* SELinux labels. Built without SELinux, or on a host where it is off, nothing is labelled. */
bool label_enabled(void);

/*
 * Appends the label, with its NUL, that policy gives to a path of that type, with the parts
 * that `context` (may be NULL) names in place of the policy's. Returns 1, 0 if policy has none,
 * or a negative errno.
 */
int label_make(
	const char *path, mode_t mode, const struct appspec_context *context, struct buf *ret);

/* Labels a link itself. Returns 0 or a negative errno. */
int label_set_link(int dirfd, const char *name, const void *label, size_t n);
