/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "controller/model.h"

struct error;
struct settings;

/*
 * ARNs of what the controller owns. Clients build them themselves from region, account and
 * names, so their form is fixed; whose region and account an ARN names is not looked at when
 * one is parsed.
 */
enum arn_kind { ARN_APPLICATION, ARN_GROUP, ARN_CONFIG, ARN_INSTANCE };

/* Each for the caller to free. */
char *arn_of_application(const struct settings *settings, const char *application_name);
char *arn_of_group(
	const struct settings *settings, const char *application_name, const char *group_name);
char *arn_of_config(const struct settings *settings, const char *config_name);
/* Of a registered host, told apart from another of its name by `suffix`. */
char *arn_of_instance(
	const struct settings *settings, const char *host_name, const char *suffix);
/* The targetArn of a host's part in a deployment. */
char *arn_of_target(const struct settings *settings, const char *host_name);

struct arn {
	enum arn_kind kind;
	char name[NAME_LENGTH + 1];       /* of the application, configuration or host */
	char group_name[NAME_LENGTH + 1]; /* ARN_GROUP: of the group; else "" */
};

/*
 * Takes the ARN of an application, a group, a configuration or a host apart. -EINVAL if `text`
 * is no ARN, -ENOTSUP if it is one of something else. Of a host, the name includes its suffix.
 */
int arn_parse(struct arn *ret, const char *text, struct error *err);

/*
 * Whether text is an ARN of `service` ("iam", "sns", "sts") with something behind the account;
 * *ret_resource, if not NULL, is borrowed from it ("role/deployer").
 */
bool arn_is_of(const char *text, const char *service, const char **ret_resource);
