/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/arn.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/settings.h"
#include "unit.h"

static char region[] = "eu-x-1";
static const struct settings settings = { .account = "000000000000", .region = region };

START_TEST(arns_have_the_form_that_clients_build)
{
	cleanup_with(freep) char *application = arn_of_application(&settings, "shop");
	cleanup_with(freep) char *group = arn_of_group(&settings, "shop", "prod");
	cleanup_with(freep) char *config = arn_of_config(&settings, "Slow");
	cleanup_with(freep) char *instance = arn_of_instance(&settings, "web-1", "AbCdEf0123");
	cleanup_with(freep) char *target = arn_of_target(&settings, "web-1");

	ck_assert_str_eq(
		application, "arn:aws:codedeploy:eu-x-1:000000000000:application:shop");
	ck_assert_str_eq(
		group, "arn:aws:codedeploy:eu-x-1:000000000000:deploymentgroup:shop/prod");
	ck_assert_str_eq(
		config, "arn:aws:codedeploy:eu-x-1:000000000000:deploymentconfig:Slow");
	ck_assert_str_eq(
		instance, "arn:aws:codedeploy:eu-x-1:000000000000:instance/web-1_AbCdEf0123");
	ck_assert_str_eq(target, "arn:aws:codedeploy:eu-x-1:000000000000:instance/web-1");
}
END_TEST

START_TEST(arns_are_taken_apart)
{
	static const struct {
		const char *text;
		enum arn_kind kind;
		const char *name;
		const char *group_name;
	} cases[] = {
		{ "arn:aws:codedeploy:eu-x-1:000000000000:application:shop", ARN_APPLICATION,
			"shop", "" },
		{ "arn:aws-cn:codedeploy:::application:a", ARN_APPLICATION, "a", "" },
		{ "arn:aws:codedeploy:r:1:deploymentgroup:shop/prod", ARN_GROUP, "shop",
			"prod" },
		{ "arn:aws:codedeploy:r:1:deploymentconfig:CodeDeployDefault.OneAtATime",
			ARN_CONFIG, "CodeDeployDefault.OneAtATime", "" },
		{ "arn:aws:codedeploy:r:1:instance/web_AbCdEf0123", ARN_INSTANCE,
			"web_AbCdEf0123", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arn arn = { 0 };
		struct error err = ERROR_NONE;

		ck_assert_msg(arn_parse(&arn, cases[i].text, &err) == 0, "%s", err.text);
		ck_assert_int_eq(arn.kind, cases[i].kind);
		ck_assert_str_eq(arn.name, cases[i].name);
		ck_assert_str_eq(arn.group_name, cases[i].group_name);
	}
}
END_TEST

START_TEST(other_texts_are_no_arns)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -EINVAL },
		{ "arn:", -EINVAL },
		{ "arn:aws:codedeploy:r:1", -EINVAL },
		{ "urn:aws:codedeploy:r:1:application:a", -EINVAL },
		{ "arn:aws:codedeploy:r:1:application:", -EINVAL },
		{ "arn:aws:codedeploy:r:1:deploymentgroup:shop", -EINVAL },
		{ "arn:aws:codedeploy:r:1:deploymentgroup:/prod", -EINVAL },
		{ "arn:aws:codedeploy:r:1:deploymentgroup:shop/", -EINVAL },
		{ "arn:aws:codedeploy:r:1:", -ENOTSUP },
		{ "arn:aws:codedeploy:r:1:pipeline:x", -ENOTSUP },
		{ "arn:aws:s3:::bucket", -ENOTSUP },
	};
	char text[200] = "arn:aws:codedeploy:r:1:application:";

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arn arn = { .name = "untouched" };

		ck_assert_msg(arn_parse(&arn, cases[i].text, NULL) == cases[i].r, "%s",
			cases[i].text);
		ck_assert_str_eq(arn.name, "untouched");
	}
	memset(text + strlen(text), 'x', NAME_LENGTH + 1);
	ck_assert_int_eq(arn_parse(&(struct arn){ 0 }, text, NULL), -EINVAL);
}
END_TEST

START_TEST(the_service_of_an_arn_is_told)
{
	const char *resource = NULL;

	ck_assert(arn_is_of("arn:aws:iam::123456789012:role/deployer", "iam", &resource));
	ck_assert_str_eq(resource, "role/deployer");
	ck_assert(arn_is_of("arn:aws:sns:eu-x-1:1:topic", "sns", NULL));
	ck_assert(!arn_is_of("arn:aws:iam::1:role/x", "ia", NULL));
	ck_assert(!arn_is_of("arn:aws:iamx::1:role/x", "iam", NULL));
	ck_assert(!arn_is_of("arn:aws:iam::1:", "iam", NULL));
	ck_assert(!arn_is_of("arn:aws:iam", "iam", NULL));
	ck_assert(!arn_is_of("arn::iam::1:role/x", "iam", NULL));
}
END_TEST

TESTS("arn", arns_have_the_form_that_clients_build, arns_are_taken_apart,
	other_texts_are_no_arns, the_service_of_an_arn_is_told)
