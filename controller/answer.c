/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/answer.h"

#include "base/json.h"

void answer_time(json_t *object, const char *member, uint64_t time_ms)
{
	if (time_ms > 0)
		(void)json_object_set_new(object, member, json_real((double)time_ms / 1000));
}

void answer_text(json_t *object, const char *member, const char *text)
{
	if (text && *text != '\0')
		(void)json_object_set_new(object, member, json_text(text));
}

void answer_json(json_t *object, const char *member, const char *text)
{
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	if (value)
		(void)json_object_set_new(object, member, value);
}
