/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/audit.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "unit.h"

static void expect(const char *input, const char *object)
{
	cleanup_with(json_decrefp) json_t *json = json_loads(input, 0, NULL);
	cleanup_with(freep) char *found = NULL;

	ck_assert_ptr_nonnull(json);
	found = audit_object(json);
	ck_assert_str_eq(found, object);
}

START_TEST(it_names_what_was_acted_upon)
{
	expect("{}", "");
	expect("{\"applicationName\":\"shop\"}", "shop");
	expect("{\"applicationName\":\"shop\",\"deploymentGroupName\":\"prod\"}", "shop/prod");
	expect("{\"applicationName\":\"shop\",\"currentDeploymentGroupName\":\"prod\"}",
		"shop/prod");
	expect("{\"deploymentId\":\"d-ABCDEF123\"}", "d-ABCDEF123");
	expect("{\"instanceNames\":[\"web-1\"]}", "web-1");
	expect("{\"instanceNames\":[\"web-1\",\"web-2\",\"web-3\"]}", "web-1 and 2 more");
}
END_TEST

START_TEST(what_an_operation_ignores_hides_nothing)
{
	expect("{\"deploymentId\":\"d-ABCDEF123\",\"applicationName\":\"mine\"}",
		"mine d-ABCDEF123");
	expect("{\"deploymentId\":\"d-ABCDEF123\",\"applicationName\":7}", "d-ABCDEF123");
}
END_TEST

START_TEST(it_is_bounded)
{
	cleanup_with(json_decrefp) json_t *json = json_object();
	cleanup_with(freep) char *text = xcalloc(1, 100001);
	cleanup_with(freep) char *found = NULL;

	memset(text, 'x', 100000);
	(void)json_object_set_new(json, "name", json_string(text));
	(void)json_object_set_new(json, "accessKeyId", json_string(text));
	found = audit_object(json);
	ck_assert_uint_eq(strlen(found), 513);
}
END_TEST

TESTS("audit", it_names_what_was_acted_upon, what_an_operation_ignores_hides_nothing,
	it_is_bounded)
