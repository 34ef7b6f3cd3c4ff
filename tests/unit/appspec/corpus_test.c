/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A corpus of real and made-up appspec files with what the reference agent's parser makes of
 * them, in $DROVER_SHARED/corpus/appspec: INDEX.tsv has a line per file with the verdict,
 * NNN.expected.json the structure. Drover agrees with all of it but for the differences listed
 * here, each with the heading of doc/differences.md that says why.
 */
#include "appspec/appspec.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scalar.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/file.h"
#include "base/json.h"
#include "unit.h"

static const struct known_difference {
	const char *file;  /* without .yml */
	const char *place; /* "verdict", or the member that differs */
	const char *expected;
	const char *found;
	const char *heading; /* in doc/differences.md */
} known_differences[] = {
	{ "016-mode-0755-octal", "verdict", "refused", "accepted", "Modes" },
	{ "019-mode-0644-octal", ".permissions.0.mode", "420", "0644", "Modes" },
	{ "310-context-ranges", ".permissions.2.context.name", "null", "unconfined_u",
		"SELinux context" },
	{ "350-timeouts-odd", ".hooks.0.scripts.4.timeout", "18000", "300", "Time-outs" },
	{ "360-sudo-yes-runas-odd", ".hooks.0.scripts.2.runas", "", "null", "runas and sudo" },
};
static bool met[ARRAY_SIZE(known_differences)];

static char *stem;       /* of the file that is compared */
static struct buf wrong; /* one line per disagreement that is not listed */
static size_t n_files;
static size_t n_structures;

static void differ(const char *place, const char *expected, const char *found)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_differences); i++) {
		const struct known_difference *known = &known_differences[i];

		if (strcmp(known->file, stem) != 0 || strcmp(known->place, place) != 0 ||
			strcmp(known->expected, expected) != 0 ||
			strcmp(known->found, found) != 0)
			continue;
		met[i] = true;
		printf("# %s: %s: doc/differences.md, %s\n", stem, place, known->heading);
		return;
	}
	buf_printf(&wrong, "%s: %s: expected '%s', found '%s'\n", stem, place, expected, found);
}

/* The model in the shape of the expected files, every value a text as it is kept in C. */

static json_t *text_or_null(const char *text)
{
	return text ? json_text(text) : json_null();
}

static json_t *number_text(unsigned number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", number);
	return json_text(text);
}

static json_t *files_json(const struct appspec *spec)
{
	json_t *list = json_array();

	for (size_t i = 0; i < spec->n_files; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s}", "source", spec->files[i].source,
				      "destination", spec->files[i].destination));
	return list;
}

static json_t *acls_json(const struct appspec_permission *permission)
{
	json_t *list = json_array();

	for (size_t i = 0; i < permission->n_acls; i++) {
		cleanup_with(freep) char *text = appspec_acl_format(&permission->acls[i]);

		json_array_append_new(list, json_text(text));
	}
	return list;
}

static json_t *context_json(const struct appspec_permission *permission)
{
	const struct appspec_context *context = &permission->context;

	if (!permission->has_context)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "name", text_or_null(context->user), "type",
		text_or_null(context->type), "range", text_or_null(context->range));
}

static json_t *permission_json(const struct appspec_permission *permission)
{
	json_t *except = json_array();
	json_t *type = json_array();

	for (size_t i = 0; i < permission->n_except; i++)
		json_array_append_new(except, json_text(permission->except[i]));
	if (permission->directories)
		json_array_append_new(type, json_text("directory"));
	if (permission->files)
		json_array_append_new(type, json_text("file"));
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "object",
		permission->object, "pattern", permission->pattern, "except", except, "type",
		type, "owner", text_or_null(permission->owner), "group",
		text_or_null(permission->group), "mode", text_or_null(permission->mode_text),
		"acls", acls_json(permission), "context", context_json(permission));
}

static json_t *permissions_json(const struct appspec *spec)
{
	json_t *list = json_array();

	for (size_t i = 0; i < spec->n_permissions; i++)
		json_array_append_new(list, permission_json(&spec->permissions[i]));
	return list;
}

static json_t *hook_json(const struct appspec_hook *hook)
{
	json_t *scripts = json_array();

	for (size_t i = 0; i < hook->n_scripts; i++) {
		const struct appspec_script *script = &hook->scripts[i];

		json_array_append_new(
			scripts, json_pack("{s:s, s:o, s:o, s:o}", "location", script->location,
					 "timeout", number_text(script->timeout_s), "runas",
					 text_or_null(script->runas), "sudo",
					 script->sudo ? json_text("true") : json_null()));
	}
	return json_pack("{s:s, s:o}", "event", hook->event, "scripts", scripts);
}

static json_t *hooks_json(const struct appspec *spec)
{
	json_t *list = json_array();

	for (size_t i = 0; i < spec->n_hooks; i++)
		json_array_append_new(list, hook_json(&spec->hooks[i]));
	return list;
}

static json_t *model_json(const struct appspec *spec)
{
	const char *behavior = spec->file_exists_behavior == FILE_EXISTS_UNSET
				       ? NULL
				       : file_exists_behavior_name(spec->file_exists_behavior);

	return json_pack("{s:o, s:o, s:o, s:o}", "file_exists_behavior", text_or_null(behavior),
		"files", files_json(spec), "permissions", permissions_json(spec), "hooks",
		hooks_json(spec));
}

/* The expected structure, brought into the same shape: texts, normal paths. */

static json_t *scalar_json(const json_t *json)
{
	cleanup_with(freep) char *text = NULL;

	if (json_is_string(json) || json_is_null(json))
		return json_deep_copy(json);
	text = json_dumps(json, JSON_ENCODE_ANY);
	return json_text(text);
}

static void make_path(json_t *object, const char *member, const char *prefix)
{
	const json_t *value = json_object_get(object, member);
	cleanup_with(freep) char *path = NULL;

	if (!json_is_string(value))
		return;
	path = path_normalise("", json_string_value(value));
	json_object_set_new(object, member, json_text(path + (prefix[0] == '/' ? 0 : 1)));
}

static bool is_falsy(const json_t *json)
{
	return json_is_null(json) || json_is_false(json);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(
		json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static json_t *sorted(const json_t *list)
{
	json_t *items[4] = { NULL };
	size_t n = json_array_size(list);
	json_t *made = json_array();

	ck_assert_uint_le(n, ARRAY_SIZE(items));
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	qsort(items, n, sizeof(*items), compare_texts);
	for (size_t i = 0; i < n; i++)
		json_array_append(made, items[i]);
	return made;
}

static json_t *shaped(const json_t *json);

static json_t *shaped_object(const json_t *json)
{
	json_t *made = json_object();
	const char *member;
	json_t *value;

	json_object_foreach((json_t *)json, member, value)
	{
		if (strcmp(member, "version") == 0 || strcmp(member, "os") == 0)
			continue;
		json_object_set_new(made, member, shaped(value));
		if (strcmp(member, "sudo") == 0)
			json_object_set_new(made, member,
				is_falsy(value) ? json_null() : json_text("true"));
		if (strcmp(member, "acls") == 0 && json_is_null(value))
			json_object_set_new(made, member, json_array());
		if (strcmp(member, "type") == 0 && json_is_array(value))
			json_object_set_new(made, member, sorted(value));
	}
	make_path(made, "source", "");
	make_path(made, "location", "");
	make_path(made, "destination", "/");
	make_path(made, "object", "/");
	return made;
}

static json_t *shaped(const json_t *json)
{
	json_t *made;
	json_t *value;
	size_t i;

	if (json_is_object(json))
		return shaped_object(json);
	if (!json_is_array(json))
		return scalar_json(json);
	made = json_array();
	json_array_foreach(json, i, value)
	{
		json_array_append_new(made, shaped(value));
	}
	return made;
}

/* `yes` is true to the reference and stays `yes` here. */
static bool same_text(const char *expected, const char *found)
{
	if (strcmp(expected, found) == 0)
		return true;
	expected += expected[0] == '/';
	found += found[0] == '/';
	return scalar_type(expected) == SCALAR_BOOLEAN &&
	       scalar_type(found) == SCALAR_BOOLEAN &&
	       scalar_boolean(expected) == scalar_boolean(found);
}

static const char *text_of(const json_t *json)
{
	if (json_is_string(json))
		return json_string_value(json);
	return json_is_null(json) || !json ? "null" : "(not a scalar)";
}

static void compare(const char *place, const json_t *expected, const json_t *found)
{
	const char *member;
	json_t *value;
	size_t i;

	if (json_is_array(expected) && json_array_size(expected) == json_array_size(found)) {
		json_array_foreach(expected, i, value)
		{
			cleanup_with(freep) char *below = xasprintf("%s.%zu", place, i);

			compare(below, value, json_array_get(found, i));
		}
	} else if (json_is_object(expected) && json_is_object(found)) {
		json_object_foreach((json_t *)expected, member, value)
		{
			cleanup_with(freep) char *below = xasprintf("%s.%s", place, member);

			compare(below, value, json_object_get(found, member));
		}
	} else if (!same_text(text_of(expected), text_of(found)) ||
		   json_is_array(expected) != json_is_array(found) ||
		   json_is_object(expected) != json_is_object(found)) {
		differ(place, text_of(expected), text_of(found));
	}
}

static void compare_structure(int dirfd, const struct appspec *spec, const char *suffix)
{
	cleanup_with(freep) char *name = xasprintf("%s.%s.json", stem, suffix);
	cleanup_with(json_decrefp) json_t *raw = NULL;
	cleanup_with(json_decrefp) json_t *expected = NULL;
	cleanup_with(json_decrefp) json_t *found = NULL;

	if (json_read_file(&raw, dirfd, name, 1 << 20, NULL) < 0)
		return;
	n_structures++;
	expected = shaped(raw);
	found = model_json(spec);
	compare("", expected, found);
}

static void compare_file(int dirfd, const char *file, const char *verdict)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(appspec_freep) struct appspec *spec = NULL;
	bool valid = strncmp(verdict, "valid", 5) == 0;
	bool either = strncmp(verdict, "either", 6) == 0;

	n_files++;
	ck_assert_int_eq(file_read(dirfd, file, 1 << 20, &text, NULL), 0);
	if (appspec_parse(&spec, text.data, text.len, "appspec.yml", &found) == 0) {
		if (!valid && !either)
			differ("verdict", "refused", "accepted");
		compare_structure(dirfd, spec, "expected");
		compare_structure(dirfd, spec, "expected-psych3");
		compare_structure(dirfd, spec, "expected-without-bom");
	} else if (!either && valid) {
		cleanup_with(freep) char *first = diagnostics_first_error(&found);

		differ("verdict", "accepted", first);
	}
	for (size_t i = 0; i < found.n; i++)
		if (found.items[i].line == 0)
			differ("place", "a line", found.items[i].text);
}

static void compare_corpus(int dirfd)
{
	cleanup_with(buf_done) struct buf index = { 0 };
	char *rest;
	char *line;

	ck_assert_int_eq(file_read(dirfd, "INDEX.tsv", 1 << 20, &index, NULL), 0);
	rest = index.data;
	(void)strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *file = strsep(&line, "\t");

		(void)strsep(&line, "\t");
		(void)strsep(&line, "\t");
		stem = xstrndup(file, strlen(file) - strlen(".yml"));
		compare_file(dirfd, file, strsep(&line, "\t"));
		freep(&stem);
	}
}

START_TEST(the_corpus_agrees_but_for_the_differences_listed)
{
	const char *shared = getenv("DROVER_SHARED");
	cleanup_with(freep) char *path = NULL;
	cleanup_with(closep) int dirfd = -1;

	path = path_join(shared, "corpus/appspec");
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dirfd, 0);
	compare_corpus(dirfd);
	for (size_t i = 0; i < ARRAY_SIZE(known_differences); i++)
		if (!met[i])
			buf_printf(&wrong, "%s: %s: listed as different, but is not\n",
				known_differences[i].file, known_differences[i].place);
	printf("# %zu files, %zu structures compared\n", n_files, n_structures);
	ck_assert_msg(wrong.len == 0, "\n%s", wrong.data);
	ck_assert_uint_ge(n_files, 100);
	ck_assert_uint_ge(n_structures, 50);
}
END_TEST

Suite *suite(void)
{
	const TTest *const list[] = { the_corpus_agrees_but_for_the_differences_listed, NULL };

	if (!getenv("DROVER_SHARED")) {
		puts("1..0 # SKIP DROVER_SHARED, which names the corpus, is not set");
		exit(EXIT_SUCCESS);
	}
	return suite_of("appspec corpus", list);
}
