/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/specification.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/deployments.h"
#include "controller/settings.h"
#include "unit.h"

#define S3                                                                                     \
	"{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\",\"key\":\"k/1.zip\","       \
	"\"bundleType\":\"zip\",\"eTag\":\"e\",\"version\":\"v\"}}"

static struct deployment deployment_of(const char *revision)
{
	struct deployment deployment = { 0 };

	strcpy(deployment.record.id, "d-7QX2M41KZ");
	strcpy(deployment.record.application_name, "shop");
	strcpy(deployment.record.group_id, "5f0c2a9e-1111-4222-8333-444455556666");
	strcpy(deployment.record.group_name, "web");
	deployment.record.revision = (char *)revision;
	return deployment;
}

static void check_text(const json_t *json, const char *expected)
{
	cleanup_with(freep) char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_str_eq(text, expected);
}

START_TEST(the_whole_is_as_agents_read_it)
{
	struct deployment deployment = deployment_of(S3);
	cleanup_with(json_decrefp) json_t *json = NULL;

	strcpy(deployment.record.file_exists, "OVERWRITE");
	ck_assert_int_eq(specification_make(&json, &deployment, NULL, NULL), 0);
	check_text(json,
		"{\"AgentActionOverrides\":{\"AgentOverrides\":{\"FileExistsBehavior\":"
		"\"OVERWRITE\"}},\"ApplicationName\":\"shop\",\"DeploymentCreator\":\"user\","
		"\"DeploymentGroupId\":\"5f0c2a9e-1111-4222-8333-444455556666\","
		"\"DeploymentGroupName\":\"web\",\"DeploymentId\":\"d-7QX2M41KZ\","
		"\"DeploymentType\":\"IN_PLACE\",\"Revision\":{\"RevisionType\":\"S3\","
		"\"S3Revision\":{\"Bucket\":\"b\",\"BundleType\":\"zip\",\"ETag\":\"e\","
		"\"Key\":\"k/1.zip\",\"Version\":\"v\"}}}");
}
END_TEST

static void revision_is(const char *revision, const char *expected)
{
	struct deployment deployment = deployment_of(revision);
	cleanup_with(json_decrefp) json_t *json = NULL;

	ck_assert_int_eq(specification_make(&json, &deployment, NULL, NULL), 0);
	check_text(json_object_get(json, "Revision"), expected);
}

START_TEST(a_missing_type_comes_from_the_name)
{
	revision_is("{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\","
		    "\"key\":\"a.tar.GZ\",\"eTag\":\"\"}}",
		"{\"RevisionType\":\"S3\",\"S3Revision\":{\"Bucket\":\"b\","
		"\"BundleType\":\"tgz\",\"Key\":\"a.tar.GZ\"}}");
}
END_TEST

START_TEST(github_names_are_taken_apart)
{
	revision_is("{\"revisionType\":\"GitHub\",\"gitHubLocation\":{\"repository\":\"o/r\","
		    "\"commitId\":\"abc\"}}",
		"{\"GitHubRevision\":{\"Account\":\"o\",\"CommitId\":\"abc\","
		"\"Repository\":\"r\"},\"RevisionType\":\"GitHub\"}");
}
END_TEST

static const struct wrong {
	const char *revision;
	const char *words;
} wrong[] = {
	{ "", "revision" },
	{ "{}", "type is \"\"" },
	{ "{\"revisionType\":\"String\"}", "type is \"String\"" },
	{ "{\"revisionType\":\"S3\"}", "no bucket" },
	{ "{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\",\"key\":\"zip\"}}",
		"s3://b/zip is of type unknown" },
	{ "{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\",\"key\":\"k\","
	  "\"bundleType\":\"YAML\"}}",
		"of type YAML" },
	{ "{\"revisionType\":\"GitHub\"}", "ACCOUNT/REPOSITORY" },
	{ "{\"revisionType\":\"GitHub\",\"gitHubLocation\":{\"repository\":\"o/r/x\","
	  "\"commitId\":\"c\"}}",
		"ACCOUNT/REPOSITORY" },
	{ "{\"revisionType\":\"GitHub\",\"gitHubLocation\":{\"repository\":\"o/r\"}}",
		"commit" },
};

START_TEST(what_no_agent_can_fetch_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct deployment deployment = deployment_of(wrong[i].revision);
		json_t *json = NULL;
		struct error err = ERROR_NONE;

		ck_assert_int_lt(specification_make(&json, &deployment, NULL, &err), 0);
		ck_assert_msg(strstr(err.text, wrong[i].words), "%s", err.text);
		ck_assert_ptr_null(json);
	}
}
END_TEST

START_TEST(an_archive_is_named)
{
	struct deployment deployment = deployment_of(S3);
	cleanup_with(json_decrefp) json_t *plain = NULL;
	cleanup_with(json_decrefp) json_t *restart = NULL;

	ck_assert_int_eq(specification_make(&plain, &deployment, NULL, NULL), 0);
	ck_assert_ptr_null(json_object_get(plain, "ReuseArchiveFromDeploymentId"));
	ck_assert_int_eq(specification_make(&restart, &deployment, "d-AAAAAAAAA", NULL), 0);
	ck_assert_str_eq(
		json_string_value(json_object_get(restart, "ReuseArchiveFromDeploymentId")),
		"d-AAAAAAAAA");
}
END_TEST

START_TEST(a_binding_names_host_and_events)
{
	struct deployment deployment = deployment_of(S3);
	cleanup_with(json_decrefp) json_t *json = NULL;

	ck_assert_int_eq(specification_make(&json, &deployment, NULL, NULL), 0);
	specification_bind(json, &(struct specification_binding){ .host_identifier = "arn:x",
					 .order = "local/0/d-7QX2M41KZ/1",
					 .sequence = 7,
					 .issued_ms = 8,
					 .not_after_ms = 9,
					 .lifecycle = LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER });
	check_text(json_object_get(json, "Drover"),
		"{\"Events\":[\"BeforeBlockTraffic\",\"AfterBlockTraffic\",\"ApplicationStop\","
		"\"DownloadBundle\",\"BeforeInstall\",\"Install\",\"AfterInstall\","
		"\"ApplicationStart\",\"ValidateService\",\"BeforeAllowTraffic\","
		"\"AfterAllowTraffic\"],\"HostIdentifier\":\"arn:x\",\"IssuedAt\":8,"
		"\"NotAfter\":9,\"Order\":\"local/0/d-7QX2M41KZ/1\",\"Sequence\":7}");
}
END_TEST

START_TEST(execution_ids_keep_the_pattern_and_name_the_deployment)
{
	struct settings settings = { .account = "000000000000", .region = (char *)"local" };
	char id[EXECUTION_ID_LENGTH + 1];
	char found[DEPLOYMENT_ID_LENGTH + 1];

	specification_execution_id(&settings, "d-7QX2M41KZ", id);
	ck_assert_str_eq(id, "local/000000000000/d-7QX2M41KZ/1");
	ck_assert_int_eq(specification_parse_execution_id(id, found, sizeof(found), NULL), 0);
	ck_assert_str_eq(found, "d-7QX2M41KZ");
}
END_TEST

START_TEST(other_execution_ids_are_refused)
{
	const char *const texts[] = { "", "/", "///", "a/b/c", "a/b//d", "a/b/c/",
		"a/b/d-7QX2M41KZZ/1", "d-7QX2M41KZ" };
	char found[DEPLOYMENT_ID_LENGTH + 1] = "same";
	struct error err = ERROR_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_int_eq(
			specification_parse_execution_id(texts[i], found, sizeof(found), &err),
			-EINVAL);
	ck_assert_str_eq(found, "same");
}
END_TEST

TESTS("specification", the_whole_is_as_agents_read_it, a_missing_type_comes_from_the_name,
	github_names_are_taken_apart, what_no_agent_can_fetch_is_refused, an_archive_is_named,
	a_binding_names_host_and_events, execution_ids_keep_the_pattern_and_name_the_deployment,
	other_execution_ids_are_refused)
