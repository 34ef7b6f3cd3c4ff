/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct error;
struct root;

/*
 * Puts a group in order after a command that was killed: its install is finished or undone, its
 * record says interrupted, bundles that were never used go, and a history that nobody can read
 * is put aside. With the group's lock held. *ret_said: a sentence about what was done, or NULL;
 * the caller frees.
 */
int recovery_run(
	const struct root *root, const char *group, char **ret_said, struct error *err);

/* True if a record, a journal or an unfinished bundle says that there is something to do. Only
 * looks. */
bool recovery_is_due(const struct root *root, const char *group);
