/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/arn.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/fleet.h"
#include "controller/resource_tags.h"
#include "controller/tags.h"

/*
 * Tags of applications, groups and configurations themselves, by ARN. Hosts have theirs in
 * api_instance.c.
 */

static const char INVALID_TAGS[] = "InvalidTagsToAddException";

static void check_arn(struct check *check, struct arn *ret)
{
	const char *text = check_string(check, check->call->input, "ResourceArn");
	struct error err = ERROR_NONE;
	int r;

	*ret = (struct arn){ 0 };
	if (!text || *text == '\0') {
		check_fail(check, CHECK_REQUIRED, "ResourceArnRequiredException",
			"No ARN is given: set \"ResourceArn\"");
		return;
	}
	if (strlen(text) > ARN_LENGTH)
		r = error_set(&err, -EINVAL, "\"ResourceArn\" is longer than %d characters",
			ARN_LENGTH);
	else
		r = arn_parse(ret, text, &err);
	if (r == -ENOTSUP || (r == 0 && ret->kind == ARN_INSTANCE))
		check_fail(check, CHECK_FORM, "ArnNotSupportedException",
			"Only applications, deployment groups and deployment configurations "
			"have such tags; hosts have theirs by "
			"add-tags-to-on-premises-instances");
	else if (r < 0)
		check_fail(check, CHECK_FORM, "InvalidArnException", "%s", err.text);
}

/* The id of what the ARN names, borrowed; NULL after the call was failed. */
static const char *find_resource(struct call *call, const struct arn *arn)
{
	const struct application *application;
	const struct deployment_config *config;
	const struct group *group;

	switch (arn->kind) {
	case ARN_APPLICATION:
		application = check_application(call, arn->name);
		return application ? application->id : NULL;
	case ARN_GROUP:
		application = check_application(call, arn->name);
		group = application ? check_group(call, application, arn->group_name) : NULL;
		return group ? group->id : NULL;
	case ARN_CONFIG:
		config = check_config(call, arn->name);
		return config ? config->id : NULL;
	case ARN_INSTANCE:
		break; /* refused before */
	}
	return NULL;
}

static void list_tags(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	const char *token;
	struct check check;
	struct arn arn;
	const char *id;

	check_init(&check, call);
	check_arn(&check, &arn);
	token = check_string(&check, call->input, "NextToken");
	if (token && *token != '\0') /* never given: no client could follow it */
		check_fail(&check, CHECK_FORM, "InvalidNextTokenException",
			"ListTagsForResource answers with all tags at once: leave "
			"\"NextToken\" "
			"away");
	if (!check_passed(&check))
		return;
	id = find_resource(call, &arn);
	if (!id)
		return;
	resource_tags_load(call_store(call), id, &tags);
	call_answer(call, json_pack("{s:o}", "Tags", tags_to_json(&tags)));
}

static void tag_resource(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	cleanup_with(tags_done) struct tags added = { 0 };
	struct check check;
	struct arn arn;
	const char *id;

	check_init(&check, call);
	check_arn(&check, &arn);
	check_tags(&check, "Tags", INVALID_TAGS, &added);
	if (json_array_size(json_object_get(call->input, "Tags")) == 0)
		check_fail(&check, CHECK_REQUIRED, "TagRequiredException",
			"No tag is given: \"Tags\" needs at least one");
	if (!check_passed(&check))
		return;
	id = find_resource(call, &arn);
	if (!id)
		return;
	resource_tags_load(call_store(call), id, &tags);
	for (size_t i = 0; i < added.n; i++)
		tags_set(&tags, added.items[i].key, added.items[i].value);
	if (tags.n > TAGS_LIMIT) {
		call_fail(call, INVALID_TAGS,
			"It would have %zu tags; at most %d are allowed. No tag was changed",
			tags.n, TAGS_LIMIT);
		return;
	}
	resource_tags_save(call_store(call), id, &tags);
	call_answer(call, NULL);
}

static void untag_resource(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	const json_t *keys;
	struct check check;
	struct arn arn;
	const char *id;

	check_init(&check, call);
	check_arn(&check, &arn);
	keys = check_strings(&check, call->input, "TagKeys");
	if (json_array_size(keys) == 0)
		check_fail(&check, CHECK_REQUIRED, "TagRequiredException",
			"No key is given: \"TagKeys\" needs at least one");
	if (!check_passed(&check))
		return;
	id = find_resource(call, &arn);
	if (!id)
		return;
	resource_tags_load(call_store(call), id, &tags);
	for (size_t i = 0; i < json_array_size(keys); i++)
		(void)tags_remove(&tags, json_string_value(json_array_get(keys, i)));
	resource_tags_save(call_store(call), id, &tags);
	call_answer(call, NULL);
}

const struct operation tag_operations[] = {
	{ "ListTagsForResource", list_tags, false },
	{ "TagResource", tag_resource, true },
	{ "UntagResource", untag_resource, true },
	{ NULL },
};
