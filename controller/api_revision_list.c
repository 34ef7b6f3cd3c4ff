/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_revision.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/fleet.h"
#include "controller/page.h"
#include "controller/revision_location.h"
#include "controller/store.h"

/* ListApplicationRevisions: where an application's revisions lie. */

enum {
	SCAN_LIMIT = 5000, /* how many revisions one call of a filtered list looks at */
	BUCKET_LENGTH = 255,
	KEY_LENGTH = 1024,
};

enum deployed { DEPLOYED_INCLUDE, DEPLOYED_EXCLUDE, DEPLOYED_IGNORE };

struct listing {
	struct page page;
	enum revision_order order;
	bool descending;
	const char *bucket; /* NULL: any, GitHub's too */
	const char *prefix;
	enum deployed deployed;
	const struct application *application;
	json_t *targets; /* the members are the locations that groups have */
	size_t n_seen;
	char *last_seen;
};

static void listing_done(struct listing *listing)
{
	page_done(&listing->page);
	json_decref(listing->targets);
	free(listing->last_seen);
}

static bool is_filtered(const struct listing *listing)
{
	return listing->bucket || listing->deployed != DEPLOYED_IGNORE;
}

/* ---- what is asked ---- */

static void check_order(struct check *check, struct listing *listing)
{
	static const char *const keys[] = { "registerTime", "firstUsedTime", "lastUsedTime",
		NULL };
	static const enum revision_order orders[] = { REVISIONS_BY_REGISTERED,
		REVISIONS_BY_FIRST_USED, REVISIONS_BY_LAST_USED };
	static const char *const directions[] = { "ascending", "descending", NULL };
	const json_t *input = check->call->input;
	int key = check_word(check, input, "sortBy", keys, "InvalidSortByException");

	listing->order = key >= 0 ? orders[key] : REVISIONS_BY_LOCATION;
	listing->descending = check_word(check, input, "sortOrder", directions,
				      "InvalidSortOrderException") == 1;
}

static void check_filters(struct check *check, struct listing *listing)
{
	static const char *const states[] = { "include", "exclude", "ignore", NULL };
	const json_t *input = check->call->input;
	int state;

	listing->bucket = check_text(
		check, input, "s3Bucket", BUCKET_LENGTH, "InvalidBucketNameFilterException");
	if (listing->bucket && *listing->bucket == '\0')
		listing->bucket = NULL;
	listing->prefix = check_text(
		check, input, "s3KeyPrefix", KEY_LENGTH, "InvalidKeyPrefixFilterException");
	if (listing->prefix && *listing->prefix != '\0' && !listing->bucket)
		check_fail(check, CHECK_REQUIRED, "BucketNameFilterRequiredException",
			"\"s3KeyPrefix\" is given without \"s3Bucket\"");
	state = check_word(
		check, input, "deployed", states, "InvalidDeployedStateFilterException");
	listing->deployed = state < 0 ? DEPLOYED_IGNORE : (enum deployed)state;
}

static void add_target(void *context, struct group *group)
{
	const struct listing *listing = context;

	if (group->application == listing->application && group->target_revision)
		(void)json_object_set_new(
			listing->targets, group->target_revision, json_true());
}

/* ---- the way through the locations ---- */

static bool is_in_bucket(const struct listing *listing, const json_t *location)
{
	const json_t *s3 = json_object_get(location, "s3Location");
	const char *bucket = json_string_value(json_object_get(s3, "bucket"));
	const char *key = json_string_value(json_object_get(s3, "key"));

	return bucket && key && strcmp(bucket, listing->bucket) == 0 &&
	       (!listing->prefix ||
		       strncmp(key, listing->prefix, strlen(listing->prefix)) == 0);
}

static bool listing_wants(
	const struct listing *listing, const char *canonical, const json_t *location)
{
	bool is_target = json_object_get(listing->targets, canonical);

	if (listing->deployed == DEPLOYED_INCLUDE && !is_target)
		return false;
	if (listing->deployed == DEPLOYED_EXCLUDE && is_target)
		return false;
	return !listing->bucket || is_in_bucket(listing, location);
}

static void listing_add(void *context, const char *canonical)
{
	struct listing *listing = context;
	json_t *location;

	listing->n_seen++;
	if (listing->page.has_more)
		return;
	location = revision_location_to_json(canonical);
	if (location && listing_wants(listing, canonical, location))
		(void)page_add(&listing->page, canonical, json_incref(location));
	json_decref(location);
	free(listing->last_seen);
	listing->last_seen = xstrdup(canonical);
}

void list_revisions(struct call *call)
{
	cleanup_with(listing_done) struct listing listing = { .targets = json_object() };
	struct error err = ERROR_NONE;
	struct check check;
	const char *name;
	size_t limit;
	int r;

	check_init(&check, call);
	name = check_name(&check, &APPLICATION_NAME);
	check_order(&check, &listing);
	check_filters(&check, &listing);
	page_begin(&listing.page, &check, "nextToken");
	if (!check_passed(&check))
		return;
	listing.application = check_application(call, name);
	if (!listing.application)
		return;
	if (listing.deployed != DEPLOYED_IGNORE)
		fleet_each_group(call_fleet(call), add_target, &listing);
	limit = is_filtered(&listing) ? SCAN_LIMIT : PAGE_ASK;
	r = store_page_revisions(call_store(call), listing.application->id, listing.order,
		listing.descending, listing.page.after, limit, listing_add, &listing, &err);
	if (!listing.page.has_more && listing.n_seen == limit)
		page_cut(&listing.page, listing.last_seen);
	page_end(&listing.page, r, call, "revisions", NULL, &err);
}
