/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/api_case.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

/* clang-format off */
#define ARN(tail) "'ResourceArn':'arn:aws:codedeploy:eu-x-1:000000000000:" tail "'"
#define APPLICATION ARN("application:shop")
#define GROUP ARN("deploymentgroup:shop/prod")
#define CONFIG ARN("deploymentconfig:CodeDeployDefault.OneAtATime")
#define A_AND_B "[{'Key':'a','Value':'1'},{'Key':'b','Value':''}]"
#define ROLE "'serviceRoleArn':'arn:aws:iam::000000000000:role/deployer'"

static const struct api_line lines[] = {
	{ "ListTagsForResource", "{}", "ResourceArnRequiredException", "" },
	{ "ListTagsForResource", "{'ResourceArn':'shop'}", "InvalidArnException", "'shop' is not an ARN" },
	{ "ListTagsForResource", "{" ARN("deploymentgroup:shop") "}", "InvalidArnException", "APPLICATION/GROUP" },
	{ "ListTagsForResource", "{" ARN("instance/web-1_0123456789") "}", "ArnNotSupportedException", "" },
	{ "ListTagsForResource", "{'ResourceArn':'arn:aws:s3:::bucket'}", "ArnNotSupportedException", "" },
	{ "ListTagsForResource", "{" ARN("application:none") "}", "ApplicationDoesNotExistException", "" },
	{ "ListTagsForResource", "{" ARN("deploymentgroup:shop/none") "}", "DeploymentGroupDoesNotExistException", "" },
	{ "ListTagsForResource", "{" ARN("deploymentconfig:none") "}", "DeploymentConfigDoesNotExistException", "" },
	{ "ListTagsForResource", "{" APPLICATION ",'NextToken':'x'}", "InvalidNextTokenException", "" },
	{ "TagResource", "{'Tags':[{'Key':'a'}]}", "ResourceArnRequiredException", "" },
	{ "TagResource", "{" APPLICATION "}", "TagRequiredException", "" },
	{ "TagResource", "{" APPLICATION ",'Tags':[{'Key':''}]}", "InvalidTagsToAddException", "" },
	{ "TagResource", "{" APPLICATION ",'Tags':{}}", "SerializationException", "" },
	{ "UntagResource", "{" APPLICATION "}", "TagRequiredException", "" },
	{ "UntagResource", "{" APPLICATION ",'TagKeys':[7]}", "SerializationException", "" },
	{ "UntagResource", "{" ARN("application:none") ",'TagKeys':['a']}", "ApplicationDoesNotExistException", "" },

	/* Given at creation. */
	{ "ListTagsForResource", "{" APPLICATION "}", NULL, "{'Tags':" A_AND_B "}" },
	{ "ListTagsForResource", "{" GROUP "}", NULL, "{'Tags':[{'Key':'team','Value':'web'}]}" },
	{ "ListTagsForResource", "{" CONFIG "}", NULL, "{'Tags':[]}" },
	{ "TagResource", "{" CONFIG ",'Tags':" A_AND_B "}", NULL, "{}" },
	{ "TagResource", "{" CONFIG ",'Tags':[{'Key':'a','Value':'2'},{'Key':'c','Value':'3'}]}", NULL, "{}" },
	{ "ListTagsForResource", "{" CONFIG "}", NULL, "{'Tags':[{'Key':'a','Value':'2'},{'Key':'b','Value':''},{'Key':'c','Value':'3'}]}" },
	{ "UntagResource", "{" CONFIG ",'TagKeys':['b','none','c']}", NULL, "{}" },
	{ "ListTagsForResource", "{" CONFIG "}", NULL, "{'Tags':[{'Key':'a','Value':'2'}]}" },
	{ "UntagResource", "{" CONFIG ",'TagKeys':['a']}", NULL, "{}" },
	{ "ListTagsForResource", "{" CONFIG "}", NULL, "{'Tags':[]}" },
};
/* clang-format on */

static const struct operation *const tables[] = { application_operations, group_operations,
	tag_operations };

static void start(void)
{
	api_start(tables, ARRAY_SIZE(tables));
	api_expect("CreateApplication", "{'applicationName':'shop','tags':" A_AND_B "}",
		"{'applicationId':'*'}");
	api_expect("CreateDeploymentGroup",
		"{'applicationName':'shop','deploymentGroupName':'prod'," ROLE
		",'tags':[{'Key':'team','Value':'web'}]}",
		"{'deploymentGroupId':'*'}");
}

START_TEST(each_operation_answers_and_refuses)
{
	start();
	api_expect_lines(lines, ARRAY_SIZE(lines));
	api_restart();
	api_expect("ListTagsForResource", "{" APPLICATION "}", "{'Tags':" A_AND_B "}");
	api_stop();
}
END_TEST

START_TEST(what_is_made_anew_under_an_old_name_has_no_tags)
{
	start();
	api_expect("DeleteApplication", "{'applicationName':'shop'}", "{}");
	api_expect("CreateApplication", "{'applicationName':'shop'}", "{'applicationId':'*'}");
	api_expect("ListTagsForResource", "{" APPLICATION "}", "{'Tags':[]}");
	api_stop();
}
END_TEST

START_TEST(tags_of_a_resource_are_limited)
{
	char input[4000] = "{" GROUP ",'Tags':[";

	start();
	for (int i = 0; i < 50; i++)
		(void)snprintf(input + strlen(input), sizeof(input) - strlen(input),
			"{'Key':'k%d'}%s", i, i < 49 ? "," : "]}");
	api_expect_error("TagResource", input, "InvalidTagsToAddException", "51 tags");
	api_expect("ListTagsForResource", "{" GROUP "}",
		"{'Tags':[{'Key':'team','Value':'web'}]}");
	api_stop();
}
END_TEST

TESTS("api_tag", each_operation_answers_and_refuses,
	what_is_made_anew_under_an_old_name_has_no_tags, tags_of_a_resource_are_limited)
