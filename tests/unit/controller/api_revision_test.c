/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "controller/store.h"
#include "unit.h"

/* clang-format off */
#define S3(members) "{'revisionType':'S3','s3Location':{" members "}}"
#define ZIP S3("'bucket':'b','key':'k.zip','bundleType':'zip'")
#define COMMIT "0123456789abcdef0123456789ABCDEF01234567"
#define GITHUB "{'revisionType':'GitHub','gitHubLocation':{'repository':'owner/na.me-1','commitId':'" COMMIT "'}}"
#define REGISTER(revision) "RegisterApplicationRevision", "{'applicationName':'shop','revision':" revision "}"
#define GET(revision) "GetApplicationRevision", "{'applicationName':'shop','revision':" revision "}"
#define FOUND(revision, info) NULL, "{'applicationName':'shop','revision':" revision ",'revisionInfo':" info "}"
#define NEW_INFO "{'deploymentGroups':[],'registerTime':1795190400.123}"

static const struct api_line lines[] = {
	{ "RegisterApplicationRevision", "{}", "ApplicationNameRequiredException", "" },
	{ "RegisterApplicationRevision", "{'applicationName':'shop'}", "RevisionRequiredException", "" },
	{ "RegisterApplicationRevision", "{'applicationName':'none','revision':" ZIP "}", "ApplicationDoesNotExistException", "" },
	{ "RegisterApplicationRevision", "{'applicationName':'shop','revision':'s3://b/k'}", "SerializationException", "" },
	{ REGISTER("{}"), "InvalidRevisionException", "\"revisionType\" of revision is missing" },
	{ REGISTER("{'revisionType':'S4'}"), "InvalidRevisionException", "S3, GitHub" },
	{ REGISTER("{'revisionType':'S3'}"), "InvalidRevisionException", "no \"s3Location\"" },
	{ REGISTER("{'revisionType':'String','string':{}}"), "InvalidRevisionException", "AWS Lambda" },
	{ REGISTER("{'revisionType':'AppSpecContent'}"), "InvalidRevisionException", "AWS Lambda" },
	{ REGISTER(S3("'key':'k','bundleType':'zip'")), "InvalidRevisionException", "\"bucket\"" },
	{ REGISTER(S3("'bucket':'b','key':'','bundleType':'zip'")), "InvalidRevisionException", "\"key\"" },
	{ REGISTER(S3("'bucket':'b','key':'k'")), "InvalidRevisionException", "\"bundleType\"" },
	{ REGISTER(S3("'bucket':'b','key':'k','bundleType':'YAML'")), "InvalidRevisionException", "tar, tgz, zip" },
	{ REGISTER(S3("'bucket':'b','key':7,'bundleType':'zip'")), "SerializationException", "" },
	{ REGISTER("{'revisionType':'S3','s3Location':{'bucket':'b','key':'k','bundleType':'zip'},'gitHubLocation':{}}"), "InvalidRevisionException", "\"gitHubLocation\" too" },
	{ REGISTER("{'revisionType':'GitHub'}"), "InvalidRevisionException", "no \"gitHubLocation\"" },
	{ REGISTER("{'revisionType':'GitHub','gitHubLocation':{'repository':'x','commitId':'" COMMIT "'}}"), "InvalidRevisionException", "OWNER/NAME" },
	{ REGISTER("{'revisionType':'GitHub','gitHubLocation':{'repository':'x/y/z','commitId':'" COMMIT "'}}"), "InvalidRevisionException", "OWNER/NAME" },
	{ REGISTER("{'revisionType':'GitHub','gitHubLocation':{'repository':'x/y','commitId':'main'}}"), "InvalidRevisionException", "40 hexadecimal" },
	{ REGISTER("{'revisionType':'GitHub','gitHubLocation':{'repository':'x/y'}}"), "InvalidRevisionException", "\"commitId\"" },

	{ GET(ZIP), "RevisionDoesNotExistException", "k.zip" },
	{ REGISTER(ZIP), NULL, "{}" },
	{ GET(ZIP), FOUND(ZIP, NEW_INFO) },
	/* Order and unknown members do not matter, version and ETag do. */
	{ GET("{'x':1,'s3Location':{'key':'k.zip','bucket':'b','y':2,'bundleType':'zip','version':'','eTag':null},'revisionType':'S3'}"), FOUND(ZIP, NEW_INFO) },
	{ GET(S3("'bucket':'b','key':'k.zip','bundleType':'zip','eTag':'e'")), "RevisionDoesNotExistException", "" },
	{ REGISTER(S3("'bucket':'b','key':'k.zip','bundleType':'zip','version':'v','eTag':'\\\"e\\\"'")), NULL, "{}" },
	{ GET(S3("'bucket':'b','key':'k.zip','bundleType':'zip','version':'v','eTag':'\\\"e\\\"'")), FOUND(S3("'bucket':'b','key':'k.zip','bundleType':'zip','version':'v','eTag':'\\\"e\\\"'"), NEW_INFO) },
	{ GET(S3("'bucket':'b','key':'k.zip','bundleType':'tgz'")), "RevisionDoesNotExistException", "" },
	{ REGISTER(GITHUB), NULL, "{}" },
	{ GET(GITHUB), FOUND(GITHUB, NEW_INFO) },
	{ "GetApplicationRevision", "{'applicationName':'none','revision':" ZIP "}", "ApplicationDoesNotExistException", "" },
	{ "GetApplicationRevision", "{'applicationName':'shop'}", "RevisionRequiredException", "" },
	{ GET("{}"), "InvalidRevisionException", "" },

	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[]}", "RevisionRequiredException", "" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[{}]}", "InvalidRevisionException", "" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[7]}", "SerializationException", "" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'none','revisions':[" ZIP "]}", "ApplicationDoesNotExistException", "" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[" GITHUB "," ZIP "]}", NULL,
		"{'applicationName':'shop','revisions':[{'revisionLocation':" GITHUB ",'genericRevisionInfo':" NEW_INFO "},{'revisionLocation':" ZIP ",'genericRevisionInfo':" NEW_INFO "}]}" },
	{ "BatchGetApplicationRevisions", "{'applicationName':'shop','revisions':[" S3("'bucket':'no','key':'k','bundleType':'zip'") "]}", NULL, "{'applicationName':'shop','revisions':[],'errorMessage':'*'}" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations,
	revision_operations };

static void start(void)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateApplication", "{'applicationName':'shop'}", "{'applicationId':'*'}");
}

START_TEST(each_operation_answers_and_refuses)
{
	start();
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_restart();
	api_expect(GET(GITHUB),
		"{'applicationName':'shop','revision':" GITHUB ",'revisionInfo':" NEW_INFO "}");
	api_stop();
}
END_TEST

START_TEST(registering_again_renews_description_and_time)
{
	start();
	api_expect("RegisterApplicationRevision",
		"{'applicationName':'shop','revision':" ZIP ",'description':'first'}", "{}");
	api_now_ms += 1000;
	api_expect("RegisterApplicationRevision",
		"{'applicationName':'shop','revision':" ZIP ",'description':'second'}", "{}");
	api_expect(GET(ZIP), "{'applicationName':'shop','revision':" ZIP
			     ",'revisionInfo':{'deploymentGroups':[],'description':'second',"
			     "'registerTime':1795190401.123}}");
	api_stop();
}
END_TEST

START_TEST(descriptions_are_limited_in_characters)
{
	char input[1200];
	size_t head;

	start();
	(void)snprintf(input, sizeof(input),
		"{'applicationName':'shop','revision':" ZIP ",'description':'");
	head = strlen(input);
	for (int i = 0; i < 256; i++)
		strcat(input, "\xc3\xa4");
	strcat(input, "'}");
	api_expect("RegisterApplicationRevision", input, "{}");
	memcpy(input + head, "xx", 2);
	api_expect_error("RegisterApplicationRevision", input, "DescriptionTooLongException",
		"257 characters; at most 256");
	api_stop();
}
END_TEST

static void set_target(const char *location)
{
	struct group *group = fleet_find_group(
		api_parts.fleet, fleet_find_application(api_parts.fleet, "shop"), "prod");

	group->target_revision = strdup(location);
	store_put_group(api_parts.store, group);
	ck_assert_int_eq(store_commit(api_parts.store, NULL), 0);
}

START_TEST(the_groups_that_run_a_revision_are_named)
{
	start();
	api_expect("CreateDeploymentGroup",
		"{'applicationName':'shop','deploymentGroupName':'prod',"
		"'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'}",
		"{'deploymentGroupId':'*'}");
	api_expect(REGISTER(ZIP), "{}");
	set_target("{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\","
		   "\"bundleType\":\"zip\",\"key\":\"k.zip\"}}");
	api_restart();
	api_expect(GET(ZIP), "{'applicationName':'shop','revision':" ZIP
			     ",'revisionInfo':{'deploymentGroups':['prod'],"
			     "'registerTime':1795190400.123}}");
	api_stop();
}
END_TEST

/* clang-format off */
#define LIST(members) "ListApplicationRevisions", "{'applicationName':'shop'" members "}"
#define KEY(key) S3("'bucket':'b','key':'" key "','bundleType':'zip'")
#define OTHER S3("'bucket':'other','key':'x/1','bundleType':'tar'")

/* Registered in the order x/2, GitHub, x/1, y, other; x/1 is what the group runs. */
static const struct api_line list_lines[] = {
	{ "ListApplicationRevisions", "{}", "ApplicationNameRequiredException", "" },
	{ "ListApplicationRevisions", "{'applicationName':'none'}", "ApplicationDoesNotExistException", "" },
	{ LIST(",'sortBy':'name'"), "InvalidSortByException", "registerTime" },
	{ LIST(",'sortOrder':'up'"), "InvalidSortOrderException", "ascending" },
	{ LIST(",'deployed':'yes'"), "InvalidDeployedStateFilterException", "include" },
	{ LIST(",'s3KeyPrefix':'x'"), "BucketNameFilterRequiredException", "" },
	{ LIST(",'nextToken':'00'"), "InvalidNextTokenException", "" },
	{ LIST(",'sortBy':'registerTime'"), NULL, "{'revisions':[" KEY("x/2") "," GITHUB "," KEY("x/1") "," KEY("y") "," OTHER "]}" },
	{ LIST(",'sortBy':'registerTime','sortOrder':'descending'"), NULL, "{'revisions':[" OTHER "," KEY("y") "," KEY("x/1") "," GITHUB "," KEY("x/2") "]}" },
	{ LIST(""), NULL, "{'revisions':[" GITHUB "," KEY("x/1") "," KEY("x/2") "," KEY("y") "," OTHER "]}" },
	{ LIST(",'sortBy':'lastUsedTime','s3Bucket':'b'"), NULL, "{'revisions':[" KEY("x/1") "," KEY("x/2") "," KEY("y") "]}" },
	{ LIST(",'sortBy':'firstUsedTime','sortOrder':'descending','s3Bucket':'b','s3KeyPrefix':'x/'"), NULL, "{'revisions':[" KEY("x/2") "," KEY("x/1") "]}" },
	{ LIST(",'s3Bucket':'none'"), NULL, "{'revisions':[]}" },
	{ LIST(",'deployed':'include'"), NULL, "{'revisions':[" KEY("x/1") "]}" },
	{ LIST(",'deployed':'exclude','s3Bucket':'b'"), NULL, "{'revisions':[" KEY("x/2") "," KEY("y") "]}" },
	{ LIST(",'deployed':'ignore','s3Bucket':'other'"), NULL, "{'revisions':[" OTHER "]}" },
};
/* clang-format on */

START_TEST(revisions_are_listed_in_order_and_by_filter)
{
	static const char *const inputs[] = { KEY("x/2"), GITHUB, KEY("x/1"), KEY("y"), OTHER };
	char input[500];

	start();
	api_expect("CreateDeploymentGroup",
		"{'applicationName':'shop','deploymentGroupName':'prod',"
		"'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'}",
		"{'deploymentGroupId':'*'}");
	for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
		(void)snprintf(input, sizeof(input), "{'applicationName':'shop','revision':%s}",
			inputs[i]);
		api_expect("RegisterApplicationRevision", input, "{}");
		api_now_ms += 10;
	}
	set_target("{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\","
		   "\"bundleType\":\"zip\",\"key\":\"x/1\"}}");
	api_expect_lines(list_lines, ARRAY_SIZE(list_lines));
	api_stop();
}
END_TEST

/* How many revisions the pages of this question hold together, each once. */
static size_t walk_pages(const char *question)
{
	cleanup_with(json_decrefp) json_t *seen = json_object();
	char token[2000] = "";

	do {
		cleanup_with(json_decrefp) json_t *answer = NULL;
		char input[2500];
		json_t *location;
		const char *next;
		int status;
		size_t i;

		(void)snprintf(input, sizeof(input), "{'applicationName':'shop',%s%s%s%s}",
			question, *token ? ",'nextToken':'" : "", token, *token ? "'" : "");
		answer = api_run("ListApplicationRevisions", input, &status);
		ck_assert_int_eq(status, 200);
		json_array_foreach(json_object_get(answer, "revisions"), i, location)
		{
			cleanup_with(freep) char *text = json_dumps(
				location, JSON_SORT_KEYS | JSON_COMPACT);

			ck_assert_msg(!json_object_get(seen, text), "%s twice", text);
			json_object_set_new(seen, text, json_true());
		}
		next = json_string_value(json_object_get(answer, "nextToken"));
		(void)snprintf(token, sizeof(token), "%s", next ? next : "");
	} while (*token);
	return json_object_size(seen);
}

START_TEST(pages_of_revisions_hold_each_once)
{
	char input[500];

	start();
	for (int i = 0; i < 250; i++) {
		(void)snprintf(input, sizeof(input),
			"{'applicationName':'shop','revision':" KEY("k-%d") "}", i);
		api_expect("RegisterApplicationRevision", input, "{}");
		/* Some at the same time. */
		api_now_ms += i % 7 == 0;
	}
	ck_assert_uint_eq(walk_pages("'sortOrder':'ascending'"), 250);
	ck_assert_uint_eq(walk_pages("'sortOrder':'descending'"), 250);
	ck_assert_uint_eq(walk_pages("'sortBy':'registerTime'"), 250);
	ck_assert_uint_eq(walk_pages("'sortBy':'registerTime','sortOrder':'descending'"), 250);
	ck_assert_uint_eq(walk_pages("'sortBy':'lastUsedTime','sortOrder':'descending'"), 250);
	ck_assert_uint_eq(walk_pages("'s3Bucket':'b','s3KeyPrefix':'k-1'"), 111);
	api_stop();
}
END_TEST

TESTS("api_revision", each_operation_answers_and_refuses,
	registering_again_renews_description_and_time, descriptions_are_limited_in_characters,
	the_groups_that_run_a_revision_are_named, revisions_are_listed_in_order_and_by_filter,
	pages_of_revisions_hold_each_once)
