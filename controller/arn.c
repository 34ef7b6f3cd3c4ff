/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/arn.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/settings.h"

static char *arn_format(const struct settings *settings, const char *kind, const char *name)
{
	return xasprintf("arn:aws:codedeploy:%s:%s:%s%s", settings->region, settings->account,
		kind, name);
}

char *arn_of_application(const struct settings *settings, const char *application_name)
{
	return arn_format(settings, "application:", application_name);
}

char *arn_of_group(
	const struct settings *settings, const char *application_name, const char *group_name)
{
	cleanup_with(freep) char *name = xasprintf("%s/%s", application_name, group_name);

	return arn_format(settings, "deploymentgroup:", name);
}

char *arn_of_config(const struct settings *settings, const char *config_name)
{
	return arn_format(settings, "deploymentconfig:", config_name);
}

char *arn_of_instance(
	const struct settings *settings, const char *host_name, const char *suffix)
{
	cleanup_with(freep) char *name = xasprintf("%s_%s", host_name, suffix);

	return arn_format(settings, "instance/", name);
}

char *arn_of_target(const struct settings *settings, const char *host_name)
{
	return arn_format(settings, "instance/", host_name);
}

/* The part of "arn:partition:service:region:account:resource" behind n colons, or NULL. */
static const char *behind_colons(const char *text, unsigned n)
{
	for (; n > 0; n--) {
		text = strchr(text, ':');
		if (!text)
			return NULL;
		text++;
	}
	return text;
}

bool arn_is_of(const char *text, const char *service, const char **ret_resource)
{
	const char *resource = behind_colons(text, 5);
	const char *given;
	size_t n = strlen(service);

	if (!resource || strncmp(text, "arn:", 4) != 0 || text[4] == ':' || *resource == '\0')
		return false;
	given = behind_colons(text, 2);
	if (strncmp(given, service, n) != 0 || given[n] != ':')
		return false;
	if (ret_resource)
		*ret_resource = resource;
	return true;
}

static int take_name(
	char ret[static NAME_LENGTH + 1], const char *text, size_t n, struct error *err)
{
	if (n == 0 || n > NAME_LENGTH)
		return error_set(err, -EINVAL,
			"the name in the ARN must have 1 to %d characters", NAME_LENGTH);
	memcpy(ret, text, n);
	ret[n] = '\0';
	return 0;
}

/* APPLICATION/GROUP */
static int take_group(struct arn *arn, const char *text, struct error *err)
{
	const char *slash = strchr(text, '/');
	int r;

	if (!slash)
		return error_set(err, -EINVAL,
			"the ARN of a deployment group ends in APPLICATION/GROUP, not '%.100s'",
			text);
	r = take_name(arn->name, text, (size_t)(slash - text), err);
	return r < 0 ? r : take_name(arn->group_name, slash + 1, strlen(slash + 1), err);
}

int arn_parse(struct arn *ret, const char *text, struct error *err)
{
	static const struct {
		const char *prefix;
		enum arn_kind kind;
	} kinds[] = {
		{ "application:", ARN_APPLICATION },
		{ "deploymentgroup:", ARN_GROUP },
		{ "deploymentconfig:", ARN_CONFIG },
		{ "instance/", ARN_INSTANCE },
		{ "instance:", ARN_INSTANCE },
	};
	struct arn arn = { 0 };
	const char *resource;
	int r;

	if (strncmp(text, "arn:", 4) != 0 || !behind_colons(text, 5))
		return error_set(err, -EINVAL,
			"'%.100s' is not an ARN; it has the form "
			"arn:aws:codedeploy:REGION:ACCOUNT:KIND:NAME",
			text);
	if (!arn_is_of(text, "codedeploy", &resource))
		return error_set(err, -ENOTSUP, "'%.100s' names nothing of CodeDeploy", text);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(resource, kinds[i].prefix, n) != 0)
			continue;
		arn.kind = kinds[i].kind;
		r = arn.kind == ARN_GROUP
			    ? take_group(&arn, resource + n, err)
			    : take_name(arn.name, resource + n, strlen(resource + n), err);
		if (r == 0)
			*ret = arn;
		return r;
	}
	return error_set(
		err, -ENOTSUP, "'%.100s' names no kind of thing that is known here", text);
}
