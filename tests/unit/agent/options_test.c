/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>

#include "agent/lock.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

static struct options options;
static struct error err;

static int parse(enum options_of of, char **words)
{
	int n = 0;

	options_done(&options);
	while (words[n])
		n++;
	return options_parse(&options, of, n, words, &err);
}

#define PARSE(of, ...) parse(of, (char *[]){ (char *)"program", __VA_ARGS__, NULL })

START_TEST(deploy_takes_its_options)
{
	ck_assert_int_eq(
		PARSE(OF_DEPLOY, "--bundle", "x.zip", "--type=zip", "-gweb", "--quiet",
			"--file-exists-behavior", "overwrite", "--events", "AfterInstall"),
		0);
	ck_assert_str_eq(options.bundle, "x.zip");
	ck_assert_int_eq(options.type, BUNDLE_ZIP);
	ck_assert_str_eq(options.group, "web");
	ck_assert(options.quiet);
	ck_assert_int_eq(options.behavior, FILE_EXISTS_OVERWRITE);
	ck_assert_uint_eq(options.events.n, 3);
	ck_assert_int_eq(options.wait_ms, 0);
}
END_TEST

START_TEST(codedeploy_local_has_letters_of_its_own)
{
	ck_assert_int_eq(PARSE(OF_LOCAL, "-l", "b", "-t", "tgz", "-b", "RETAIN", "-g", "id",
				 "-d", "name", "-a", "app", "-c", "file", "-A", "other.yml",
				 "-e", "Own,AfterInstall"),
		0);
	ck_assert_str_eq(options.bundle, "b");
	ck_assert_int_eq(options.type, BUNDLE_TGZ);
	ck_assert_int_eq(options.behavior, FILE_EXISTS_RETAIN);
	ck_assert_str_eq(options.group, "id");
	ck_assert_str_eq(options.group_name, "name");
	ck_assert_str_eq(options.application, "app");
	ck_assert_str_eq(options.config, "file");
	ck_assert_str_eq(options.appspec, "other.yml");
	ck_assert_str_eq(options.events.names[2], "Own");
}
END_TEST

START_TEST(waiting_is_for_ever_or_for_some_seconds)
{
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--wait"), 0);
	ck_assert_int_eq(options.wait_ms, LOCK_WAIT_FOR_EVER);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--wait=2"), 0);
	ck_assert_int_eq(options.wait_ms, 2000);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--wait=-1"), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--wait="), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--wait=99999999999999999999"), -EINVAL);
}
END_TEST

START_TEST(a_misspelt_option_is_refused_with_a_suggestion)
{
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--bundel=x"), -EINVAL);
	ck_assert_str_eq(err.text, "there is no option --bundel; did you mean --bundle?");
	ck_assert_int_eq(PARSE(OF_DEPLOY, "-Z"), -EINVAL);
	ck_assert_str_eq(err.text, "there is no option -Z");
	ck_assert_int_eq(PARSE(OF_STATUS, "--bundle", "x"), -EINVAL);
}
END_TEST

START_TEST(wrong_values_are_refused_by_name)
{
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--type", "rar"), -EINVAL);
	ck_assert_str_eq(
		err.text, "--type rar: one of directory, zip, tar, tgz, tar.zst, tar.xz");
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--file-exists-behavior", "WHATEVER"), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--log-level", "loud"), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--working-directory", "home"), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--bundle"), -EINVAL);
	ck_assert_str_eq(err.text, "--bundle needs a value");
}
END_TEST

START_TEST(only_check_takes_a_word_and_only_one)
{
	ck_assert_int_eq(PARSE(OF_CHECK, "appspec.yml", "--strict"), 0);
	ck_assert_str_eq(options.path, "appspec.yml");
	ck_assert(options.strict);
	ck_assert_int_eq(PARSE(OF_CHECK, "a", "b"), -EINVAL);
	ck_assert_int_eq(PARSE(OF_DEPLOY, "a"), -EINVAL);
}
END_TEST

START_TEST(help_is_given_whatever_else_is_said)
{
	ck_assert_int_eq(PARSE(OF_DEPLOY, "--type", "rar", "--help"), 0);
	ck_assert(options.help);
}
END_TEST

TESTS("agent/options", deploy_takes_its_options, codedeploy_local_has_letters_of_its_own,
	waiting_is_for_ever_or_for_some_seconds, a_misspelt_option_is_refused_with_a_suggestion,
	wrong_values_are_refused_by_name, only_check_takes_a_word_and_only_one,
	help_is_given_whatever_else_is_said)
