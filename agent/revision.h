/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct history;
struct record;
struct root;

/*
 * Kept revisions: the unpacked bundles of former deployments of a group, which redeploy and
 * rollback use again.
 *
 * Two deployments are of the same revision if one was made from the other's kept archive, if
 * both came from one archive file of the same place, size and time, or if their kept trees are
 * equal: names, types, modes, owners, link targets and content. Nothing less would do: builds
 * that set every time stamp alike give two releases the same names, sizes and times.
 */

/* True if the deployment's unpacked bundle is still there. */
bool revision_is_kept(const struct root *root, const char *group, const char *deployment);

/* 1 if the same revision, 0 if not, or a negative errno. */
int revision_is_same(const struct root *root, const char *group, const struct record *a,
	const struct record *b, struct error *err);

/* The id of the deployment whose Install succeeded last, NULL if none; the caller frees. */
int revision_installed(
	const struct root *root, const char *group, char **ret, struct error *err);

/*
 * Names of the entries of the group's directory that must go so that at most `max` remain, the
 * current one included: the oldest first, as the reference counts them (anything in there
 * counts), but never those spared. *ret is NULL-terminated, of *n; the caller frees it and
 * its strings.
 */
int revision_extra(const struct root *root, const char *group, const char *current,
	unsigned max, const char *const *spared, char ***ret, size_t *n, struct error *err);

/* Removes what revision_extra() named. */
int revision_remove(
	const struct root *root, const char *group, char *const *names, struct error *err);
