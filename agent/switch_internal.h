/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "agent/journal.h"

struct switcher;

/* Shared by switch*.c and settle.c. */

/* What the name is now; all zero if it is not there. "" is the directory itself. */
int switch_identify(int dirfd, const char *name, struct identity *ret);

/* The directory, if it is still the one that was planned for; else -ESTALE. The fd stays the
 * switcher's. */
int switch_directory_fd(struct switcher *switcher, uint32_t index);
