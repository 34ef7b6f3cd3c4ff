/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/audit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"

enum { LIMIT_TEXT_BYTES = 256 }; /* of one member */

/*
 * What names an object. All that are there are written down: handlers ignore members that are
 * not theirs, and one of those must not hide what was acted upon. Nor have they been looked at,
 * so they are cut.
 */
static const char *const members[] = { "deploymentId", "instanceName", "instanceNames",
	"deploymentConfigName", "accessKeyId", "ResourceArn", "name" };

static void add_text(struct buf *ret, const char *separator, const json_t *text)
{
	size_t n = json_string_length(text);
	const char *start = json_string_value(text);

	if (!start)
		return;
	if (n > LIMIT_TEXT_BYTES)
		n = LIMIT_TEXT_BYTES;
	if (ret->len > 0)
		buf_puts(ret, separator);
	utf8_append_valid(ret, start, n); /* half a character becomes a mark */
}

static void add_member(struct buf *ret, const json_t *value)
{
	size_t n = json_array_size(value);

	add_text(ret, " ", json_is_array(value) ? json_array_get(value, 0) : value);
	if (n > 1)
		buf_printf(ret, " and %zu more", n - 1);
}

char *audit_object(const json_t *input)
{
	cleanup_with(buf_done) struct buf object = { 0 };
	const json_t *group = json_object_get(input, "deploymentGroupName");

	if (!json_is_string(group))
		group = json_object_get(input, "currentDeploymentGroupName");
	add_text(&object, "", json_object_get(input, "applicationName"));
	if (object.len > 0)
		add_text(&object, "/", group);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		add_member(&object, json_object_get(input, members[i]));
	return buf_steal(&object);
}
