/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

int json_parse_object(json_t **ret, const char *text, size_t n, struct error *err)
{
	json_error_t failure;
	json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &failure);

	if (!json)
		return error_set(err, -EBADMSG, "line %d, column %d: %s", failure.line,
			failure.column, failure.text);
	if (!json_is_object(json)) {
		json_decref(json);
		return error_set(err, -EBADMSG, "not a JSON object");
	}
	*ret = json;
	return 0;
}

int json_read_file(json_t **ret, int dirfd, const char *path, size_t limit, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = file_read(dirfd, path, limit, &text, err);

	if (r < 0)
		return r;
	r = json_parse_object(ret, text.data, text.len, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

int json_write_file(
	const json_t *json, int dirfd, const char *path, unsigned mode, struct error *err)
{
	cleanup_with(freep) char *text = json_dumps(json, JSON_COMPACT);
	cleanup_with(buf_done) struct buf line = { 0 };

	if (!text)
		return error_set(
			err, -EINVAL, "cannot write %s: not representable as JSON", path);
	buf_puts(&line, text);
	buf_putc(&line, '\n');
	return file_write_atomic(dirfd, path, line.data, line.len, mode, err);
}

static const json_t *member_of(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	return json_is_null(value) ? NULL : value;
}

int json_find_string(
	const json_t *object, const char *member, const char **ret, struct error *err)
{
	const json_t *value = member_of(object, member);

	if (!value)
		return 0;
	if (!json_is_string(value))
		return error_set(err, -EBADMSG, "member \"%s\" is not a string", member);
	*ret = json_string_value(value);
	return 0;
}

int json_find_integer(const json_t *object, const char *member, int64_t *ret, struct error *err)
{
	const json_t *value = member_of(object, member);

	if (!value)
		return 0;
	if (!json_is_integer(value))
		return error_set(err, -EBADMSG, "member \"%s\" is not an integer", member);
	*ret = json_integer_value(value);
	return 0;
}

int json_find_bool(const json_t *object, const char *member, bool *ret, struct error *err)
{
	const json_t *value = member_of(object, member);

	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return error_set(
			err, -EBADMSG, "member \"%s\" is neither true nor false", member);
	*ret = json_is_true(value);
	return 0;
}

static int need(const json_t *object, const char *member, struct error *err)
{
	return member_of(object, member)
		       ? 0
		       : error_set(err, -EBADMSG, "member \"%s\" is missing", member);
}

int json_get_string(
	const json_t *object, const char *member, const char **ret, struct error *err)
{
	int r = need(object, member, err);

	return r < 0 ? r : json_find_string(object, member, ret, err);
}

int json_get_integer(const json_t *object, const char *member, int64_t *ret, struct error *err)
{
	int r = need(object, member, err);

	return r < 0 ? r : json_find_integer(object, member, ret, err);
}

json_t *json_text_n(const char *text, size_t n)
{
	cleanup_with(buf_done) struct buf valid = { 0 };

	utf8_append_valid(&valid, text, n);
	return json_stringn(valid.data ? valid.data : "", valid.len);
}

json_t *json_text(const char *text)
{
	return json_text_n(text, strlen(text));
}
