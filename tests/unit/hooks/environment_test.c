/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/environment.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "unit.h"

static char *joined(char **environment)
{
	struct buf text = { 0 };

	for (char **at = environment; *at; at++)
		buf_printf(&text, "%s\n", *at);
	return buf_steal(&text);
}

START_TEST(nothing_but_the_documented_variables_is_in_it)
{
	cleanup_with(hook_environment_freep) char **environment = NULL;
	cleanup_with(freep) char *text = NULL;

	(void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	(void)setenv("PATH", "/evil", 1);
	(void)setenv("LANG", "de_DE", 1);
	(void)setenv("TZ", "Europe/Berlin", 1);
	environment = hook_environment_new(&(struct hook_environment){
		.lifecycle_event = "AfterInstall",
		.deployment_id = "d-1",
		.application_name = "",
		.deployment_group_name = "fleet",
		.deployment_group_id = "g-1",
		.bundle_bucket = "bucket",
		.bundle_key = "key",
		.bundle_version = "1",
		.bundle_etag = "tag",
		.bundle_commit = "c0ffee",
		.bundle_dir = "/b",
		.previous_bundle_dir = "/p",
	});
	text = joined(environment);
	ck_assert_str_eq(text,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		"LANG=C.UTF-8\nTZ=Europe/Berlin\nLIFECYCLE_EVENT=AfterInstall\n"
		"DEPLOYMENT_ID=d-1\nAPPLICATION_NAME=\nDEPLOYMENT_GROUP_NAME=fleet\n"
		"DEPLOYMENT_GROUP_ID=g-1\nBUNDLE_BUCKET=bucket\nBUNDLE_KEY=key\n"
		"BUNDLE_VERSION=1\nBUNDLE_ETAG=tag\nBUNDLE_COMMIT=c0ffee\n"
		"DROVER_BUNDLE_DIR=/b\nDROVER_PREVIOUS_BUNDLE_DIR=/p\n");
}
END_TEST

START_TEST(what_is_not_known_is_not_set)
{
	cleanup_with(hook_environment_freep) char **environment = NULL;
	cleanup_with(freep) char *text = NULL;

	(void)unsetenv("TZ");
	environment = hook_environment_new(&(struct hook_environment){ .bundle_dir = "/b" });
	text = joined(environment);
	ck_assert_str_eq(text,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		"LANG=C.UTF-8\nDROVER_BUNDLE_DIR=/b\n");
}
END_TEST

TESTS("environment", nothing_but_the_documented_variables_is_in_it,
	what_is_not_known_is_not_set)
