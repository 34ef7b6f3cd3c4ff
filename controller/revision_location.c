/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/revision_location.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/call.h"
#include "controller/check.h"

enum {
	BUCKET_LENGTH = 255,
	KEY_LENGTH = 1024,
	VERSION_LENGTH = 1024,
	ETAG_LENGTH = 1024,
	REPOSITORY_LENGTH = 255,
	COMMIT_LENGTH = 40,
};

static const char REQUIRED[] = "RevisionRequiredException";
static const char INVALID[] = "InvalidRevisionException";

/* Takes a member over into `ret`; "" counts as absent. */
static void take_text(struct check *check, json_t *ret, const json_t *object,
	const char *member, size_t limit, bool is_required, const char *where)
{
	const char *text = check_text(check, object, member, limit, INVALID);

	if (text && *text != '\0')
		(void)json_object_set_new(ret, member, json_string(text));
	else if (is_required)
		check_fail(
			check, CHECK_FORM, INVALID, "\"%s\" of %s is missing", member, where);
}

static void take_bundle_type(struct check *check, json_t *ret, const json_t *object)
{
	static const char *const types[] = { "tar", "tgz", "zip", NULL };
	int type = check_word(check, object, "bundleType", types, INVALID);

	if (type >= 0)
		(void)json_object_set_new(ret, "bundleType", json_string(types[type]));
	else
		check_fail(check, CHECK_FORM, INVALID,
			"\"bundleType\" of s3Location is missing; it must be one of: "
			"tar, tgz, zip");
}

static json_t *check_s3(struct check *check, const json_t *location, const char *where)
{
	const json_t *given = check_object(check, location, "s3Location");
	json_t *ret = json_object();

	if (!given) {
		check_fail(check, CHECK_FORM, INVALID,
			"%s is of type S3 and has no \"s3Location\"", where);
		return ret;
	}
	take_text(check, ret, given, "bucket", BUCKET_LENGTH, true, "s3Location");
	take_text(check, ret, given, "key", KEY_LENGTH, true, "s3Location");
	take_bundle_type(check, ret, given);
	take_text(check, ret, given, "version", VERSION_LENGTH, false, "s3Location");
	take_text(check, ret, given, "eTag", ETAG_LENGTH, false, "s3Location");
	return ret;
}

/* OWNER/NAME, of what GitHub allows in both. */
static bool is_repository(const char *text)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_.";
	size_t owner = strspn(text, alphabet);
	size_t name = text[owner] == '/' ? strspn(text + owner + 1, alphabet) : 0;

	return owner > 0 && name > 0 && text[owner + 1 + name] == '\0';
}

static bool is_commit(const char *text)
{
	return strlen(text) == COMMIT_LENGTH &&
	       strspn(text, "0123456789abcdefABCDEF") == COMMIT_LENGTH;
}

static json_t *check_github(struct check *check, const json_t *location, const char *where)
{
	const json_t *given = check_object(check, location, "gitHubLocation");
	json_t *ret = json_object();
	const char *repository;
	const char *commit;

	if (!given) {
		check_fail(check, CHECK_FORM, INVALID,
			"%s is of type GitHub and has no \"gitHubLocation\"", where);
		return ret;
	}
	take_text(check, ret, given, "repository", REPOSITORY_LENGTH, true, "gitHubLocation");
	take_text(check, ret, given, "commitId", COMMIT_LENGTH, true, "gitHubLocation");
	repository = json_string_value(json_object_get(ret, "repository"));
	commit = json_string_value(json_object_get(ret, "commitId"));
	if (repository && !is_repository(repository))
		check_fail(check, CHECK_FORM, INVALID,
			"The repository '%.255s' must have the form OWNER/NAME", repository);
	if (commit && !is_commit(commit))
		check_fail(check, CHECK_FORM, INVALID,
			"The commit '%.80s' must be named by all its 40 hexadecimal digits",
			commit);
	return ret;
}

/* A second location beside the one of its type: which is meant, nobody knows. */
static void check_no_other(struct check *check, const json_t *location, const char *where,
	const char *type, const char *other)
{
	if (check_has(location, other))
		check_fail(check, CHECK_FORM, INVALID, "%s is of type %s and has a \"%s\" too",
			where, type, other);
}

char *revision_location_check_object(
	struct check *check, const json_t *location, const char *where)
{
	enum { S3, GITHUB };
	static const char *const types[] = { "S3", "GitHub", "String", "AppSpecContent", NULL };
	static const char *const members[] = { "s3Location", "gitHubLocation" };
	int type = check_word(check, location, "revisionType", types, INVALID);
	cleanup_with(json_decrefp) json_t *canonical = NULL;

	if (type < 0)
		check_fail(check, CHECK_FORM, INVALID,
			"\"revisionType\" of %s is missing; it must be S3 or GitHub", where);
	else if (type > GITHUB)
		check_fail(check, CHECK_FORM, INVALID,
			"%s is of type %s, which is for AWS Lambda and Amazon ECS; "
			"for servers it must be S3 or GitHub",
			where, types[type]);
	else
		canonical = json_pack("{s:s, s:o}", "revisionType", types[type], members[type],
			type == S3 ? check_s3(check, location, where)
				   : check_github(check, location, where));
	if (canonical)
		check_no_other(check, location, where, types[type], members[!type]);
	if (check->stage != CHECK_PASSED)
		return NULL;
	return json_dumps(canonical, JSON_COMPACT | JSON_SORT_KEYS);
}

char *revision_location_check(struct check *check)
{
	const json_t *location = check_object(check, check->call->input, "revision");

	if (!location) {
		check_fail(check, CHECK_REQUIRED, REQUIRED,
			"No revision is given: set \"revision\"");
		return NULL;
	}
	return revision_location_check_object(check, location, "revision");
}

json_t *revision_location_to_json(const char *canonical)
{
	return json_loads(canonical, 0, NULL);
}
