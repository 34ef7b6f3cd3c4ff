/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct check;

/*
 * Where a revision lies: an object of an S3 store, or a commit on GitHub. Its canonical text
 * (known members only, sorted, without blanks) is the revision's key: bucket, key, bundle type,
 * version and ETag, or repository and commit.
 */

/*
 * The location in member "revision" of the input in canonical form, for the caller to free:
 * RevisionRequiredException if it is absent, InvalidRevisionException if it is incomplete or
 * not for servers. NULL if the check failed. Whether there is anything at the location is not
 * looked at.
 */
char *revision_location_check(struct check *check);

/* The same for any object; `where` names it in sentences: "revision". */
char *revision_location_check_object(
	struct check *check, const json_t *location, const char *where);

/* The location for an answer. */
json_t *revision_location_to_json(const char *canonical);
