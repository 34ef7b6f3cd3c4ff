/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/specification.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller/deployments.h"
#include "controller/settings.h"

static void set_text(json_t *object, const char *member, const char *text)
{
	int r = json_object_set_new(object, member, json_text(text));

	assert(r == 0);
}

/* Leaves the member out where there is no text: agents take "" for a value. */
static void copy_text(json_t *to, const char *member, const json_t *from, const char *name)
{
	const char *text = json_string_value(json_object_get(from, name));

	if (text && text[0])
		set_text(to, member, text);
}

static void set_object(json_t *object, const char *member, json_t *value)
{
	int r = json_object_set_new(object, member, value);

	assert(r == 0);
}

/* ---- revision */

static const struct suffix {
	const char *text;
	const char *type;
} suffixes[] = {
	{ ".tar.gz", "tgz" },
	{ ".tgz", "tgz" },
	{ ".tar", "tar" },
	{ ".zip", "zip" },
};

static const char *type_of_key(const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(suffixes[i].text);

		if (length > n && strcasecmp(key + length - n, suffixes[i].text) == 0)
			return suffixes[i].type;
	}
	return NULL;
}

static bool is_bundle_type(const char *type)
{
	return strcmp(type, "tar") == 0 || strcmp(type, "tgz") == 0 || strcmp(type, "zip") == 0;
}

static int map_s3(json_t *revision, const json_t *location, struct error *err)
{
	json_t *s3 = json_object();
	const char *bucket = "";
	const char *key = "";
	const char *type = NULL;

	set_text(revision, "RevisionType", "S3");
	set_object(revision, "S3Revision", s3);
	(void)json_find_string(location, "bucket", &bucket, NULL);
	(void)json_find_string(location, "key", &key, NULL);
	(void)json_find_string(location, "bundleType", &type, NULL);
	if (!bucket[0] || !key[0])
		return error_set(
			err, -EINVAL, "the revision's s3Location has no bucket or no key");
	/* Agents must be told the type; clients may leave it to the name. */
	if (!type || !type[0])
		type = type_of_key(key);
	if (!type || !is_bundle_type(type))
		return error_set(err, -EINVAL,
			"the revision s3://%s/%s is of type %s; agents take tar, tgz and zip",
			bucket, key, type ? type : "unknown");
	set_text(s3, "Bucket", bucket);
	set_text(s3, "Key", key);
	set_text(s3, "BundleType", type);
	copy_text(s3, "Version", location, "version");
	copy_text(s3, "ETag", location, "eTag");
	return 0;
}

static int map_github(json_t *revision, const json_t *location, struct error *err)
{
	json_t *github = json_object();
	const char *repository = "";
	const char *commit = "";
	const char *slash;

	set_text(revision, "RevisionType", "GitHub");
	set_object(revision, "GitHubRevision", github);
	(void)json_find_string(location, "repository", &repository, NULL);
	(void)json_find_string(location, "commitId", &commit, NULL);
	slash = strchr(repository, '/');
	if (!slash || slash == repository || !slash[1] || strchr(slash + 1, '/') || !commit[0])
		return error_set(err, -EINVAL,
			"the revision's gitHubLocation names no ACCOUNT/REPOSITORY and commit");
	set_object(github, "Account", json_text_n(repository, (size_t)(slash - repository)));
	set_text(github, "Repository", slash + 1);
	set_text(github, "CommitId", commit);
	return 0;
}

static int map_revision(json_t *revision, const char *text, struct error *err)
{
	cleanup_with(json_decrefp) json_t *location = NULL;
	const char *type = "";
	int r;

	r = json_parse_object(&location, text, strlen(text), err);
	if (r < 0)
		return error_wrap(err, "the deployment's revision");
	(void)json_find_string(location, "revisionType", &type, NULL);
	if (strcmp(type, "S3") == 0)
		return map_s3(revision, json_object_get(location, "s3Location"), err);
	if (strcmp(type, "GitHub") == 0)
		return map_github(revision, json_object_get(location, "gitHubLocation"), err);
	return error_set(err, -EINVAL,
		"the revision's type is \"%s\"; hosts take revisions from S3 and GitHub", type);
}

/* ---- the whole */

static void add_overrides(json_t *specification, const char *file_exists)
{
	json_t *overrides = json_object();
	json_t *agent = json_object();

	set_text(agent, "FileExistsBehavior", file_exists[0] ? file_exists : "DISALLOW");
	set_object(overrides, "AgentOverrides", agent);
	set_object(specification, "AgentActionOverrides", overrides);
}

/* Never "AllPossibleLifecycleEvents": its presence fails the Install of AWS's 1.8. */
int specification_make(json_t **ret, const struct deployment *deployment, const char *archive,
	struct error *err)
{
	const struct deployment_record *record = &deployment->record;
	cleanup_with(json_decrefp) json_t *specification = json_object();
	json_t *revision = json_object();
	int r;

	set_object(specification, "Revision", revision);
	r = map_revision(revision, record->revision ? record->revision : "", err);
	if (r < 0)
		return r;
	set_text(specification, "DeploymentId", record->id);
	set_text(specification, "DeploymentGroupId", record->group_id);
	set_text(specification, "DeploymentGroupName", record->group_name);
	set_text(specification, "ApplicationName", record->application_name);
	set_text(specification, "DeploymentCreator",
		record->creator[0] ? record->creator : "user");
	set_text(specification, "DeploymentType", "IN_PLACE");
	add_overrides(specification, record->file_exists);
	if (archive)
		set_text(specification, "ReuseArchiveFromDeploymentId", archive);
	*ret = take(&specification);
	return 0;
}

static json_t *events_of(enum rollout_lifecycle lifecycle)
{
	json_t *events = json_array();

	for (size_t i = 0; i < rollout_lifecycle_length(lifecycle); i++) {
		enum target_event event = rollout_lifecycle_at(lifecycle, i);

		if (!target_event_is_traffic(event))
			(void)json_array_append_new(
				events, json_string(target_event_name(event)));
	}
	return events;
}

/* An address that every host can ask without the controller's help; S3's it cannot know. */
static void add_address(json_t *member, const json_t *specification)
{
	const json_t *github = json_object_get(
		json_object_get(specification, "Revision"), "GitHubRevision");

	if (github)
		set_object(member, "RevisionUrl",
			json_sprintf("https://api.github.com/repos/%s/%s/tarball/%s",
				json_string_value(json_object_get(github, "Account")),
				json_string_value(json_object_get(github, "Repository")),
				json_string_value(json_object_get(github, "CommitId"))));
}

void specification_bind(json_t *specification, const struct specification_binding *binding)
{
	json_t *member = json_object();

	set_text(member, "HostIdentifier", binding->host_identifier);
	set_text(member, "Order", binding->order);
	set_object(member, "Sequence", json_integer((json_int_t)binding->sequence));
	set_object(member, "IssuedAt", json_integer((json_int_t)binding->issued_ms));
	set_object(member, "NotAfter", json_integer((json_int_t)binding->not_after_ms));
	set_object(member, "Events", events_of(binding->lifecycle));
	add_address(member, specification);
	set_object(specification, "Drover", member);
}

/* ---- execution ids */

void specification_execution_id(const struct settings *settings, const char *deployment_id,
	char ret[static EXECUTION_ID_LENGTH + 1])
{
	int n = snprintf(ret, EXECUTION_ID_LENGTH + 1, "%.64s/%s/%s/1", settings->region,
		settings->account, deployment_id);

	assert(n > 0 && n <= EXECUTION_ID_LENGTH);
}

int specification_parse_execution_id(
	const char *text, char *ret_deployment_id, size_t size, struct error *err)
{
	const char *at = text;
	size_t n;

	for (int slashes = 0; at && slashes < 2; slashes++) {
		at = strchr(at, '/');
		at = at ? at + 1 : NULL;
	}
	n = at ? strcspn(at, "/") : 0;
	if (n == 0 || n >= size || at[n] != '/' || !at[n + 1])
		return error_set(err, -EINVAL,
			"DeploymentExecutionId \"%.129s\" is none of this controller's", text);
	memcpy(ret_deployment_id, at, n);
	ret_deployment_id[n] = '\0';
	return 0;
}
