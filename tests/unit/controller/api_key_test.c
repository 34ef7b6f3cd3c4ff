/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/fleet.h"
#include "controller/model.h"
#include "unit.h"

#define ARN "arn:aws:iam::000000000000:user/drover/web-1"

static const struct operation *const tables[] = { key_operations, status_operations };

/* clang-format off */
static const struct api_line lines[] = {
	{ "CreateKey", "{}", "KeyNameRequiredException", "set \"name\"" },
	{ "CreateKey", "{'name':'a b','role':'reader'}", "InvalidKeyNameException", "'a b'" },
	{ "CreateKey", "{'name':'ci'}", "KeyRoleRequiredException", "set \"role\"" },
	{ "CreateKey", "{'name':'ci','role':'root'}", "InvalidKeyRoleException", "" },
	{ "CreateKey", "{'name':'ci','role':7}", "SerializationException", "" },
	{ "CreateKey", "{'name':'web-1','role':'host'}", "IamUserArnRequiredException", "userArn" },
	{ "CreateKey", "{'name':'web-1','role':'host','userArn':'web-1'}", "InvalidIamUserArnException", "not the ARN" },
	{ "CreateKey", "{'name':'ci','role':'reader','userArn':'" ARN "'}", "InvalidIamUserArnException", "leave it away" },
	{ "CreateKey", "{'name':'ci','role':'reader','applications':['shop']}", "InvalidApplicationNameException", "deployer" },
	{ "CreateKey", "{'name':'ci','role':'deployer','applications':['a b']}", "InvalidApplicationNameException", "" },
	{ "CreateKey", "{'name':'ci','role':'deployer','applications':'shop'}", "SerializationException", "" },

	{ "CreateKey", "{'name':'ci','role':'deployer','applications':['shop']}", NULL, "{'accessKeyId':'*','secretAccessKey':'*'}" },
	{ "CreateKey", "{'name':'web-1','role':'host','userArn':'" ARN "'}", NULL, "{'accessKeyId':'*','secretAccessKey':'*'}" },

	{ "ListKeys", "{'role':'host'}", NULL, "{'keys':[{'accessKeyId':'*','name':'web-1','role':'host','userArn':'" ARN "','status':'Active','createTime':1795190400.123}]}" },
	{ "ListKeys", "{'role':'deployer'}", NULL, "{'keys':[{'accessKeyId':'*','name':'ci','role':'deployer','applications':['shop'],'status':'Active','createTime':1795190400.123}]}" },
	{ "ListKeys", "{'role':'x'}", "InvalidKeyRoleException", "" },
	{ "ListKeys", "{'nextToken':'x'}", "InvalidNextTokenException", "" },

	{ "DisableKey", "{}", "AccessKeyIdRequiredException", "" },
	{ "DisableKey", "{'accessKeyId':'AKIANONE'}", "KeyDoesNotExistException", "AKIANONE" },
	{ "DeleteKey", "{'accessKeyId':'AKIANONE'}", "KeyDoesNotExistException", "AKIANONE" },
};
/* clang-format on */

START_TEST(keys_are_made_listed_and_refused)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_stop();
}
END_TEST

static void make(const char *input, char ret_id[static ACCESS_KEY_LENGTH + 1])
{
	cleanup_with(json_decrefp) json_t *output = NULL;
	int status;

	output = api_run("CreateKey", input, &status);
	ck_assert_int_eq(status, 200);
	ck_assert_uint_eq(
		strlen(json_string_value(json_object_get(output, "secretAccessKey"))), 40);
	strcpy(ret_id, json_string_value(json_object_get(output, "accessKeyId")));
}

static void run_on(const char *operation, const char *id)
{
	char input[64];

	(void)snprintf(input, sizeof(input), "{'accessKeyId':'%s'}", id);
	api_expect(operation, input, "{}");
}

START_TEST(what_becomes_of_a_key_outlives_a_restart)
{
	char kept[ACCESS_KEY_LENGTH + 1], gone[ACCESS_KEY_LENGTH + 1];
	const struct key *key;

	api_start(tables, ARRAY_SIZE(tables));
	make("{'name':'a','role':'administrator'}", kept);
	make("{'name':'b','role':'reader'}", gone);
	run_on("DisableKey", kept);
	run_on("DisableKey", kept); /* clients try again */
	run_on("DeleteKey", gone);
	api_restart();
	key = fleet_find_key(api_parts.fleet, kept);
	ck_assert_ptr_nonnull(key);
	ck_assert(key->disabled);
	ck_assert_ptr_null(fleet_find_key(api_parts.fleet, gone));
	api_stop();
}
END_TEST

START_TEST(many_keys_come_in_pages)
{
	cleanup_with(json_decrefp) json_t *first = NULL;
	cleanup_with(json_decrefp) json_t *second = NULL;
	char id[ACCESS_KEY_LENGTH + 1];
	json_t *input = json_object();
	int status;

	api_start(tables, ARRAY_SIZE(tables));
	for (int i = 0; i < 130; i++)
		make("{'name':'a','role':'reader'}", id);
	first = api_run("ListKeys", "{}", &status);
	ck_assert_uint_eq(json_array_size(json_object_get(first, "keys")), 100);
	json_object_set(input, "nextToken", json_object_get(first, "nextToken"));
	second = api_run_json("ListKeys", input, &status);
	json_decref(input);
	ck_assert_uint_eq(json_array_size(json_object_get(second, "keys")), 30);
	ck_assert_ptr_null(json_object_get(second, "nextToken"));
	api_stop();
}
END_TEST

TESTS("api_key", keys_are_made_listed_and_refused, what_becomes_of_a_key_outlives_a_restart,
	many_keys_come_in_pages)
