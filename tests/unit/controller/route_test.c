/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/route.h"

#include <string.h>

#include "base/cleanup.h"
#include "controller/exchange.h"
#include "unit.h"

#define JSON "application/x-amz-json-1.1"

/* clang-format off */
static const struct line {
	const char *method, *path, *query, *target, *type;
	const char *operation;  /* what is found, or */
	int status;             /* what is answered */
	const char *words;
} lines[] = {
	{ "POST", "/", NULL, "CodeDeploy_20141006.CreateDeployment", JSON, "CreateDeployment", 0, NULL },
	{ "POST", "/", NULL, "CodeDeploy_20141006.CreateDeployment", "Application/X-Amz-JSON-1.1; charset=utf-8", "CreateDeployment", 0, NULL },
	{ "POST", "/", NULL, "CodeDeployCommandService_v20141006.PollHostCommand", JSON, "PollHostCommand", 0, NULL },
	{ "POST", "/", NULL, "CodeDeployCommandService.PollHostCommand", JSON, "PollHostCommand", 0, NULL },
	{ "POST", "/a/b", NULL, "ApolloDeployControlService_mock.PollHostCommand", JSON, "PollHostCommand", 0, NULL },
	{ "POST", "/", NULL, "Drover_20261120.Why", JSON, "Why", 0, NULL },

	{ "POST", "/", NULL, "CodeDeploy_20141006.PollHostCommand", JSON, NULL, 400, "no operation 'PollHostCommand'" },
	{ "POST", "/", NULL, "CodeDeployCommandService.CreateKey", JSON, NULL, 400, "no operation 'CreateKey'" },
	{ "POST", "/", NULL, "codedeploy_20141006.ListApplications", JSON, NULL, 400, "names no API" },
	{ "POST", "/", NULL, "CodeDeploy_20141006", JSON, NULL, 400, "names no API" },
	{ "POST", "/", NULL, ".ListApplications", JSON, NULL, 400, "names no API" },
	{ "POST", "/", NULL, "CodeDeploy_20141006.", JSON, NULL, 400, "no operation ''" },
	{ "POST", "/", NULL, NULL, JSON, NULL, 400, "X-Amz-Target" },
	{ "POST", "/x", NULL, "CodeDeploy_20141006.ListApplications", JSON, NULL, 404, "at path /" },
	{ "POST", "/", "a=b", "CodeDeploy_20141006.ListApplications", JSON, NULL, 404, "without a query" },
	{ "POST", "/", NULL, "CodeDeploy_20141006.ListApplications", "text/plain", NULL, 400, "Content-Type" },
	{ "POST", "/", NULL, "CodeDeploy_20141006.ListApplications", "application/x-amz-json-1.10", NULL, 400, "Content-Type" },
	{ "POST", "/", NULL, "CodeDeploy_20141006.ListApplications", NULL, NULL, 400, "Content-Type" },
	{ "POST", "/x", NULL, NULL, NULL, NULL, 404, "nothing" },
	{ "GET", "/", NULL, NULL, NULL, NULL, 200, "Drover" },
	{ "HEAD", "/", NULL, NULL, NULL, NULL, 200, "Drover" },
	{ "GET", "/healthz", NULL, NULL, NULL, NULL, 200, "ok" },
	{ "GET", "/healthz/", NULL, NULL, NULL, NULL, 404, "nothing" },
	{ "DELETE", "/", NULL, "CodeDeploy_20141006.ListApplications", JSON, NULL, 405, "POST" },
	{ "post", "/", NULL, "CodeDeploy_20141006.ListApplications", JSON, NULL, 405, "POST" },
};
/* clang-format on */

START_TEST(requests_find_their_way)
{
	const struct line *line = &lines[_i];
	struct header headers[2];
	struct exchange_request request = { .method = line->method,
		.path = line->path,
		.target = line->path,
		.query = line->query,
		.headers = headers };
	struct route route;

	if (line->target)
		headers[request.n_headers++] = (struct header){ "x-amz-target", line->target };
	if (line->type)
		headers[request.n_headers++] = (struct header){ "content-type", line->type };
	route_find(&route, &request);
	if (line->operation) {
		ck_assert_msg(route.operation != NULL, "%s", route.text);
		ck_assert_str_eq(route.operation->name, line->operation);
		return;
	}
	ck_assert_ptr_null(route.operation);
	ck_assert_int_eq(route.status, line->status);
	ck_assert_msg(strstr(route.text, line->words) != NULL, "%s", route.text);
}
END_TEST

START_TEST(two_targets_are_none)
{
	const struct header headers[] = {
		{ "X-Amz-Target", "CodeDeploy_20141006.ListApplications" },
		{ "x-amz-target", "CodeDeploy_20141006.DeleteApplication" },
		{ "Content-Type", JSON },
	};
	const struct exchange_request request = {
		.method = "POST", .path = "/", .target = "/", .headers = headers, .n_headers = 3
	};
	struct route route;

	route_find(&route, &request);
	ck_assert_ptr_null(route.operation);
	ck_assert_str_eq(route.type, "UnknownOperationException");
}
END_TEST

START_TEST(no_operation_is_there_twice)
{
	static const enum api apis[] = { API_CODEDEPLOY, API_COMMANDS, API_DROVER };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(apis); i++)
		for (const struct operation *const *table = route_tables(apis[i]); *table;
			table++)
			for (const struct operation *at = *table; at->name; at++, n++)
				ck_assert_ptr_eq(route_operation(apis[i], at->name), at);
	ck_assert_uint_ge(n, 40);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("route");
	TCase *cases = tcase_create("route");

	tcase_add_loop_test(cases, requests_find_their_way, 0, ARRAY_SIZE(lines));
	tcase_add_test(cases, two_targets_are_none);
	tcase_add_test(cases, no_operation_is_there_twice);
	suite_add_tcase(suite, cases);
	return suite;
}
