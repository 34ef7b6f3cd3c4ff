/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/record.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

enum {
	LIMIT_NAME_BYTES = 255,
	LIMIT_PATH_BYTES = PATH_MAX - 1,
	LIMIT_VARIABLE_BYTES = 128 * 1024 - 1, /* the kernel's, MAX_ARG_STRLEN */
	LIMIT_VARIABLES = 4096,
	LIMIT_TIMEOUT_S = INT32_MAX,
	LIMIT_SIGNAL = 64,
};

static const char request_name[] = "request.json";
static const char started_name[] = "started";
static const char result_name[] = "result.json";

static bool is_utf8(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n;) {
		size_t length = utf8_length(text + i, n - i);

		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

static json_t *bytes_to_json(const char *text)
{
	static const char digits[] = "0123456789abcdef";
	cleanup_with(buf_done) struct buf hex = { 0 };

	if (!text)
		return json_null();
	if (is_utf8(text))
		return json_string(text);
	for (; *text; text++) {
		buf_putc(&hex, digits[(unsigned char)*text >> 4]);
		buf_putc(&hex, digits[*text & 15]);
	}
	return json_pack("{s:s}", "hex", hex.data);
}

/* Text for people, made to fit what the reader allows. */
static json_t *text_to_json(const char *text, size_t limit)
{
	cleanup_with(buf_done) struct buf valid = { 0 };
	size_t n;

	if (!text)
		return json_null();
	utf8_append_valid(&valid, text, strlen(text));
	n = valid.len < limit ? valid.len : limit;
	while (n < valid.len && n > 0 && ((unsigned char)valid.data[n] & 0xc0) == 0x80)
		n--;
	return json_stringn(n > 0 ? valid.data : "", n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL if it is not pairs of lower-case digits, or says NUL. */
static char *unhex(const char *hex, size_t n)
{
	cleanup_with(freep) char *text = NULL;

	if (n % 2 != 0)
		return NULL;
	text = xcalloc(1, n / 2 + 1);
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(hex[i]);
		int low = hex_digit(hex[i + 1]);

		if (high < 0 || low < 0 || (high | low) == 0)
			return NULL;
		text[i / 2] = (char)(high << 4 | low);
	}
	return take(&text);
}

static int bytes_from_json(
	char **ret, const json_t *value, const char *member, size_t limit, struct error *err)
{
	const json_t *hex = json_is_object(value) && json_object_size(value) == 1
				    ? json_object_get(value, "hex")
				    : NULL;
	cleanup_with(freep) char *text = NULL;

	if (json_is_string(value))
		text = xstrndup(json_string_value(value), json_string_length(value));
	else if (json_is_string(hex))
		text = unhex(json_string_value(hex), json_string_length(hex));
	if (!text)
		return error_set(err, -EBADMSG, "member \"%s\" is no text", member);
	if (strlen(text) > limit ||
		(json_is_string(value) && strlen(text) != json_string_length(value)))
		return error_set(err, -EBADMSG,
			"member \"%s\" is longer than %zu bytes or holds a NUL", member, limit);
	*ret = take(&text);
	return 0;
}

static int find_bytes(
	const json_t *object, const char *member, size_t limit, char **ret, struct error *err)
{
	const json_t *value = json_object_get(object, member);

	if (!value || json_is_null(value))
		return 0;
	return bytes_from_json(ret, value, member, limit, err);
}

static int get_bytes(
	const json_t *object, const char *member, size_t limit, char **ret, struct error *err)
{
	int r = find_bytes(object, member, limit, ret, err);

	if (r == 0 && !*ret)
		return error_set(err, -EBADMSG, "member \"%s\" is missing", member);
	if (r == 0 && (*ret)[0] == '\0')
		return error_set(err, -EBADMSG, "member \"%s\" is empty", member);
	return r;
}

static int find_path(const json_t *object, const char *member, char **ret, struct error *err)
{
	int r = find_bytes(object, member, LIMIT_PATH_BYTES, ret, err);

	if (r == 0 && *ret && (*ret)[0] != '/')
		return error_set(
			err, -EBADMSG, "member \"%s\" is not an absolute path", member);
	return r;
}

static int get_path(const json_t *object, const char *member, char **ret, struct error *err)
{
	int r = find_path(object, member, ret, err);

	if (r == 0 && !*ret)
		return error_set(err, -EBADMSG, "member \"%s\" is missing", member);
	return r;
}

static int get_integer(const json_t *object, const char *member, int64_t least, int64_t most,
	int64_t *ret, struct error *err)
{
	int64_t value = 0;
	int r = json_get_integer(object, member, &value, err);

	if (r < 0)
		return r;
	if (value < least || value > most)
		return error_set(err, -EBADMSG,
			"member \"%s\" is %lld, allowed are %lld to %lld", member,
			(long long)value, (long long)least, (long long)most);
	*ret = value;
	return 0;
}

/* ---- request.json ---- */

void request_done(struct request *request)
{
	if (!request)
		return;
	free(request->deployment_id);
	free(request->event);
	free(request->location);
	free(request->bundle_dir);
	free(request->working_dir);
	free(request->runas);
	free(request->scripts_log);
	free(request->deployments_log);
	for (char **at = request->environment; at && *at; at++)
		free(*at);
	free(request->environment);
	*request = (struct request){ 0 };
}

static json_t *spec_to_json(const struct hook_spec *spec)
{
	json_t *environment = json_array();

	for (char *const *at = spec->environment; at && *at; at++)
		(void)json_array_append_new(environment, bytes_to_json(*at));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:b}",
		"deployment_id", bytes_to_json(spec->deployment_id), "event",
		bytes_to_json(spec->event), "location", bytes_to_json(spec->location),
		"bundle_dir", bytes_to_json(spec->bundle_dir), "working_dir",
		bytes_to_json(spec->working_dir), "runas", bytes_to_json(spec->runas),
		"scripts_log", bytes_to_json(spec->scripts_log), "deployments_log",
		bytes_to_json(spec->deployments_log), "environment", environment, "timeout_s",
		(json_int_t)spec->timeout_s, "sudo", spec->sudo, "first_of_event",
		spec->first_of_event);
}

static bool is_variable(const char *text)
{
	const char *equals = strchr(text, '=');

	return equals && equals != text;
}

static int parse_environment(struct request *request, const json_t *json, struct error *err)
{
	const json_t *list = json_object_get(json, "environment");
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > LIMIT_VARIABLES)
		return error_set(err, -EBADMSG,
			"member \"environment\" is not a list of at most %d variables",
			LIMIT_VARIABLES);
	request->environment = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++) {
		int r = bytes_from_json(&request->environment[i], json_array_get(list, i),
			"environment", LIMIT_VARIABLE_BYTES, err);

		if (r < 0)
			return r;
		if (!is_variable(request->environment[i]))
			return error_set(err, -EBADMSG,
				"member \"environment\": entry %zu is not NAME=value", i);
	}
	return 0;
}

/* A request that asks for what we do not know must not be half obeyed. */
static int refuse_unknown_members(json_t *json, struct error *err)
{
	static const char *const known[] = { "deployment_id", "event", "location", "bundle_dir",
		"working_dir", "runas", "scripts_log", "deployments_log", "environment",
		"timeout_s", "sudo", "first_of_event" };
	const char *member;
	json_t *value;

	json_object_foreach(json, member, value)
	{
		size_t i = 0;

		while (i < ARRAY_SIZE(known) && strcmp(known[i], member) != 0)
			i++;
		if (i == ARRAY_SIZE(known))
			return error_set(err, -EBADMSG, "unknown member \"%s\"", member);
	}
	return 0;
}

static int parse_texts(struct request *request, const json_t *json, struct error *err)
{
	int r = get_bytes(
		json, "deployment_id", LIMIT_NAME_BYTES, &request->deployment_id, err);

	if (r == 0)
		r = get_bytes(json, "event", LIMIT_NAME_BYTES, &request->event, err);
	if (r == 0)
		r = get_bytes(json, "location", LIMIT_PATH_BYTES, &request->location, err);
	if (r == 0)
		r = find_bytes(json, "runas", LIMIT_NAME_BYTES, &request->runas, err);
	if (r == 0)
		r = get_path(json, "bundle_dir", &request->bundle_dir, err);
	if (r == 0)
		r = get_path(json, "working_dir", &request->working_dir, err);
	if (r == 0)
		r = get_path(json, "scripts_log", &request->scripts_log, err);
	if (r == 0)
		r = find_path(json, "deployments_log", &request->deployments_log, err);
	return r;
}

static int parse_request(struct request *request, json_t *json, struct error *err)
{
	int64_t timeout_s = 0;
	int r = refuse_unknown_members(json, err);

	if (r == 0)
		r = parse_texts(request, json, err);
	if (r == 0)
		r = parse_environment(request, json, err);
	if (r == 0)
		r = get_integer(json, "timeout_s", 1, LIMIT_TIMEOUT_S, &timeout_s, err);
	if (r == 0)
		r = json_find_bool(json, "sudo", &request->sudo, err);
	if (r == 0)
		r = json_find_bool(json, "first_of_event", &request->first_of_event, err);
	request->timeout_s = (unsigned)timeout_s;
	return r;
}

int request_parse(struct request *ret, const char *text, size_t n, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct request request = { 0 };
	int r = json_parse_object(&json, text, n, err);

	if (r == 0)
		r = parse_request(&request, json, err);
	if (r < 0) {
		request_done(&request);
		return r;
	}
	*ret = request;
	return 0;
}

static int read_text(
	struct buf *ret, int dirfd, const char *name, size_t limit, struct error *err)
{
	int r = file_read(dirfd, name, limit, ret, err);

	if (r == 0 && ret->len == 0)
		return error_set(err, -EBADMSG, "%s is empty", name);
	return r;
}

int request_read(struct request *ret, int dirfd, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = read_text(&text, dirfd, request_name, REQUEST_LIMIT_BYTES, err);

	if (r < 0)
		return r;
	r = request_parse(ret, text.data, text.len, err);
	return r < 0 ? error_wrap(err, "%s", request_name) : 0;
}

/* What the runner would refuse is not written: here somebody can still be told. */
static int check_request(const struct buf *text, struct error *err)
{
	struct request request = { 0 };
	int r;

	if (text->len > REQUEST_LIMIT_BYTES)
		return error_set(
			err, -E2BIG, "it is larger than %d bytes", REQUEST_LIMIT_BYTES);
	r = request_parse(&request, text->data, text->len, err);
	request_done(&request);
	return r;
}

int request_write(int dirfd, const struct hook_spec *spec, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = spec_to_json(spec);
	cleanup_with(freep) char *dump = json ? json_dumps(json, JSON_COMPACT) : NULL;
	cleanup_with(buf_done) struct buf text = { 0 };
	int r;

	if (!dump)
		return error_set(err, -EINVAL, "cannot write %s: no JSON", request_name);
	buf_puts(&text, dump);
	buf_putc(&text, '\n');
	r = check_request(&text, err);
	if (r < 0)
		return error_wrap(err, "cannot ask for the script");
	return file_write_atomic(dirfd, request_name, text.data, text.len, 0600, err);
}

/* ---- started ---- */

void started_done(struct started *started)
{
	if (!started)
		return;
	free(started->cgroup);
	*started = (struct started){ 0 };
}

int started_write(int dirfd, const struct started *started, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}",
		"boot_id", started->boot_id, "pid", (json_int_t)started->pid, "start_time",
		(json_int_t)started->start_time, "script_pid", (json_int_t)started->script_pid,
		"script_start_time", (json_int_t)started->script_start_time, "cgroup",
		bytes_to_json(started->cgroup));

	return json_write_file(json, dirfd, started_name, 0600, err);
}

/* What is in this group gets killed, so it must be one that a runner made. */
static bool is_hook_cgroup(const char *path)
{
	return strncmp(path, "/sys/fs/cgroup/", 15) == 0 && !path_has_dotdot(path) &&
	       strstr(path, "/drover-hook-") && strcmp(path_base(path), "script") == 0;
}

static int parse_started(struct started *started, const json_t *json, struct error *err)
{
	const char *boot_id = NULL;
	int64_t pid = 0, start_time = 0, script_pid = 0, script_start_time = 0;
	int r = json_get_string(json, "boot_id", &boot_id, err);

	if (r == 0 && strlen(boot_id) != 36)
		r = error_set(err, -EBADMSG, "member \"boot_id\" is not 36 characters long");
	if (r == 0)
		r = get_integer(json, "pid", 2, INT32_MAX, &pid, err);
	if (r == 0)
		r = get_integer(json, "start_time", 1, INT64_MAX, &start_time, err);
	if (r == 0)
		r = get_integer(json, "script_pid", 2, INT32_MAX, &script_pid, err);
	if (r == 0)
		r = get_integer(
			json, "script_start_time", 1, INT64_MAX, &script_start_time, err);
	if (r == 0)
		r = find_path(json, "cgroup", &started->cgroup, err);
	if (r == 0 && started->cgroup && !is_hook_cgroup(started->cgroup))
		r = error_set(err, -EBADMSG, "member \"cgroup\" is not a hook's control group");
	if (r < 0)
		return r;
	memcpy(started->boot_id, boot_id, sizeof(started->boot_id));
	started->pid = (pid_t)pid;
	started->start_time = (uint64_t)start_time;
	started->script_pid = (pid_t)script_pid;
	started->script_start_time = (uint64_t)script_start_time;
	return 0;
}

int started_parse(struct started *ret, const char *text, size_t n, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct started started = { 0 };
	int r = json_parse_object(&json, text, n, err);

	if (r == 0)
		r = parse_started(&started, json, err);
	if (r < 0) {
		started_done(&started);
		return r;
	}
	*ret = started;
	return 0;
}

int started_read(struct started *ret, int dirfd, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = read_text(&text, dirfd, started_name, STARTED_LIMIT_BYTES, err);

	if (r < 0)
		return r;
	r = started_parse(ret, text.data, text.len, err);
	return r < 0 ? error_wrap(err, "%s", started_name) : 0;
}

/* ---- result.json ---- */

void result_done(struct hook_result *result)
{
	if (!result)
		return;
	free((char *)result->message);
	free((char *)result->log);
	free((char *)result->note);
	*result = (struct hook_result){ 0 };
}

int result_write(int dirfd, const struct hook_result *result, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = json_pack(
		"{s:i, s:i, s:i, s:o, s:o, s:o, s:I}", "code", (int)result->code, "exit_status",
		result->exit_status, "signal", result->signal, "message",
		text_to_json(result->message, RESULT_MESSAGE_LIMIT_BYTES), "log",
		text_to_json(result->log, RESULT_LOG_LIMIT_BYTES), "note",
		text_to_json(result->note, RESULT_MESSAGE_LIMIT_BYTES), "duration_ms",
		(json_int_t)result->duration_ms);

	return json_write_file(json, dirfd, result_name, 0600, err);
}

static int get_text(const json_t *object, const char *member, size_t limit, const char **ret,
	struct error *err)
{
	const char *text = NULL;
	int r = json_find_string(object, member, &text, err);

	if (r < 0 || !text)
		return r;
	if (strlen(text) > limit)
		return error_set(
			err, -EBADMSG, "member \"%s\" is longer than %zu bytes", member, limit);
	*ret = xstrdup(text);
	return 0;
}

static int parse_result(struct hook_result *result, const json_t *json, struct error *err)
{
	int64_t code = 0, exit_status = 0, signal = 0, duration_ms = 0;
	int r = get_integer(
		json, "code", HOOK_SUCCEEDED, HOOK_FAILED_AFTER_RESTART, &code, err);

	if (r == 0)
		r = get_integer(json, "exit_status", -1, 255, &exit_status, err);
	if (r == 0)
		r = get_integer(json, "signal", 0, LIMIT_SIGNAL, &signal, err);
	if (r == 0)
		r = get_integer(json, "duration_ms", 0, INT64_MAX, &duration_ms, err);
	if (r == 0)
		r = get_text(
			json, "message", RESULT_MESSAGE_LIMIT_BYTES, &result->message, err);
	if (r == 0 && (!result->message || result->message[0] == '\0'))
		r = error_set(err, -EBADMSG, "member \"message\" is missing or empty");
	if (r == 0)
		r = get_text(json, "log", RESULT_LOG_LIMIT_BYTES, &result->log, err);
	if (r == 0)
		r = get_text(json, "note", RESULT_MESSAGE_LIMIT_BYTES, &result->note, err);
	if (r < 0)
		return r;
	if (!result->log)
		result->log = xstrdup("");
	result->code = (enum hook_code)code;
	result->exit_status = (int)exit_status;
	result->signal = (int)signal;
	result->duration_ms = (uint64_t)duration_ms;
	return 0;
}

int result_parse(struct hook_result *ret, const char *text, size_t n, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	struct hook_result result = { 0 };
	int r = json_parse_object(&json, text, n, err);

	if (r == 0)
		r = parse_result(&result, json, err);
	if (r < 0) {
		result_done(&result);
		return r;
	}
	*ret = result;
	return 0;
}

int result_read(struct hook_result *ret, int dirfd, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	int r = read_text(&text, dirfd, result_name, RESULT_LIMIT_BYTES, err);

	if (r < 0)
		return r;
	r = result_parse(ret, text.data, text.len, err);
	return r < 0 ? error_wrap(err, "%s", result_name) : 0;
}
