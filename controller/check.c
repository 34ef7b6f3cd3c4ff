/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/call.h"

static const char SERIALIZATION[] = "SerializationException";

void check_init(struct check *check, struct call *call)
{
	check->call = call;
	check->stage = CHECK_PASSED;
	check->type = NULL;
	check->text[0] = '\0';
}

void check_fail(
	struct check *check, enum check_stage stage, const char *type, const char *format, ...)
{
	va_list ap;

	if (stage >= check->stage)
		return;
	check->stage = stage;
	check->type = type;
	va_start(ap, format);
	(void)vsnprintf(check->text, sizeof(check->text), format, ap);
	va_end(ap);
}

bool check_passed(struct check *check)
{
	if (check->stage == CHECK_PASSED)
		return true;
	call_fail(check->call, check->type, "%s", check->text);
	return false;
}

/* The member, or NULL if it is absent or null. */
static const json_t *value_of(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return json_is_null(value) ? NULL : value;
}

bool check_has(const json_t *object, const char *member)
{
	return value_of(object, member);
}

static void fail_type(struct check *check, const char *member, const char *expected)
{
	check_fail(
		check, CHECK_TYPE, SERIALIZATION, "Member \"%s\" must be %s", member, expected);
}

const char *check_string(struct check *check, const json_t *object, const char *member)
{
	const json_t *value = value_of(object, member);

	if (value && !json_is_string(value))
		fail_type(check, member, "a string");
	return json_string_value(value);
}

bool check_bool(struct check *check, const json_t *object, const char *member, bool otherwise)
{
	const json_t *value = value_of(object, member);

	if (!value)
		return otherwise;
	if (!json_is_boolean(value))
		fail_type(check, member, "true or false");
	return json_is_true(value);
}

int64_t check_integer(
	struct check *check, const json_t *object, const char *member, int64_t otherwise)
{
	const json_t *value = value_of(object, member);

	if (!value)
		return otherwise;
	if (!json_is_integer(value)) {
		fail_type(check, member, "an integer, without quotes");
		return otherwise;
	}
	return json_integer_value(value);
}

const json_t *check_object(struct check *check, const json_t *object, const char *member)
{
	const json_t *value = value_of(object, member);

	if (value && !json_is_object(value)) {
		fail_type(check, member, "an object");
		return NULL;
	}
	return value;
}

const json_t *check_list(struct check *check, const json_t *object, const char *member)
{
	const json_t *value = value_of(object, member);

	if (value && !json_is_array(value)) {
		fail_type(check, member, "a list");
		return NULL;
	}
	return value;
}

static const json_t *check_list_of(struct check *check, const json_t *object,
	const char *member, json_type type, const char *expected)
{
	const json_t *list = check_list(check, object, member);

	for (size_t i = 0; i < json_array_size(list); i++) {
		if (json_typeof(json_array_get(list, i)) == type)
			continue;
		check_fail(check, CHECK_TYPE, SERIALIZATION, "Element %zu of \"%s\" must be %s",
			i + 1, member, expected);
		return NULL;
	}
	return list;
}

const json_t *check_strings(struct check *check, const json_t *object, const char *member)
{
	return check_list_of(check, object, member, JSON_STRING, "a string");
}

const json_t *check_objects(struct check *check, const json_t *object, const char *member)
{
	return check_list_of(check, object, member, JSON_OBJECT, "an object");
}

size_t check_n_characters(const char *text)
{
	size_t n = 0;

	/* Every byte but those that go on with a character. */
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

const char *check_text(struct check *check, const json_t *object, const char *member,
	size_t limit, const char *invalid)
{
	const char *text = check_string(check, object, member);

	if (text && check_n_characters(text) > limit)
		check_fail(check, CHECK_FORM, invalid,
			"\"%s\" has %zu characters; at most %zu are allowed", member,
			check_n_characters(text), limit);
	return text;
}

int check_word(struct check *check, const json_t *object, const char *member,
	const char *const *words, const char *invalid)
{
	cleanup_with(buf_done) struct buf choice = { 0 };
	const char *word = check_string(check, object, member);

	if (!word)
		return -1;
	for (int i = 0; words[i]; i++) {
		if (strcmp(word, words[i]) == 0)
			return i;
		buf_printf(&choice, "%s%s", i ? ", " : "", words[i]);
	}
	check_fail(check, CHECK_FORM, invalid, "\"%s\" is '%.100s'; it must be one of: %s",
		member, word, choice.data);
	return -1;
}

void check_internal(struct call *call, const struct error *err)
{
	call_fail_status(call, 500, "InternalFailure",
		"The controller cannot read its database: %s. Its log has more; try again",
		err->text);
}
