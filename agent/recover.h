/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "agent/install.h"

struct error;
struct journal;
struct root;

/*
 * What install_recover() does, and what an install that runs does with its own journal: goes
 * forward to the end, or all the way back. The journal is removed last, and only if all else
 * went well.
 */
int recover_forward(const struct root *root, const char *group, const struct journal *journal,
	bool strict, struct error *err);
int recover_back(const struct root *root, const char *group, const struct journal *journal,
	struct error *err);
