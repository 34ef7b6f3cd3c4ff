/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/tags.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

/* clang-format off */
#define WEB_PROD "[{\"Key\":\"env\",\"Value\":\"prod\"},{\"Key\":\"role\",\"Value\":\"web\"}]"
#define EMPTY_VALUE "[{\"Key\":\"old\",\"Value\":\"\"},{\"Key\":\"spare\"}]"

static const struct {
	const char *what;
	const char *selection;
	bool is_set;
	const char *tags;
	bool matches;
} selections[] = {
	{ "nothing selects nothing", "[]", false, WEB_PROD, false },
	{ "an empty set selects nothing", "[]", true, WEB_PROD, false },
	{ "key and value", "[{\"Key\":\"env\",\"Value\":\"prod\",\"Type\":\"KEY_AND_VALUE\"}]", false, WEB_PROD, true },
	{ "another value", "[{\"Key\":\"env\",\"Value\":\"test\",\"Type\":\"KEY_AND_VALUE\"}]", false, WEB_PROD, false },
	{ "the value of another key", "[{\"Key\":\"env\",\"Value\":\"web\",\"Type\":\"KEY_AND_VALUE\"}]", false, WEB_PROD, false },
	{ "case of the key", "[{\"Key\":\"Env\",\"Type\":\"KEY_ONLY\"}]", false, WEB_PROD, false },
	{ "case of the value", "[{\"Value\":\"Prod\",\"Type\":\"VALUE_ONLY\"}]", false, WEB_PROD, false },
	{ "key only", "[{\"Key\":\"env\",\"Type\":\"KEY_ONLY\"}]", false, WEB_PROD, true },
	{ "key only, whatever the value", "[{\"Key\":\"env\",\"Value\":\"no\",\"Type\":\"KEY_ONLY\"}]", false, WEB_PROD, true },
	{ "value only", "[{\"Value\":\"web\",\"Type\":\"VALUE_ONLY\"}]", false, WEB_PROD, true },
	{ "value only, whatever the key", "[{\"Key\":\"no\",\"Value\":\"web\",\"Type\":\"VALUE_ONLY\"}]", false, WEB_PROD, true },
	{ "a key is no value", "[{\"Value\":\"env\",\"Type\":\"VALUE_ONLY\"}]", false, WEB_PROD, false },
	{ "an absent value is the empty one", "[{\"Key\":\"old\",\"Type\":\"KEY_AND_VALUE\"}]", false, EMPTY_VALUE, true },
	{ "a tag's absent value too", "[{\"Key\":\"spare\",\"Value\":\"\",\"Type\":\"KEY_AND_VALUE\"}]", false, EMPTY_VALUE, true },
	{ "an absent value matches no other", "[{\"Key\":\"env\",\"Type\":\"KEY_AND_VALUE\"}]", false, WEB_PROD, false },
	{ "no type: both", "[{\"Key\":\"env\",\"Value\":\"prod\"}]", false, WEB_PROD, true },
	{ "no type: both, other value", "[{\"Key\":\"env\",\"Value\":\"no\"}]", false, WEB_PROD, false },
	{ "no type: key", "[{\"Key\":\"env\"}]", false, WEB_PROD, true },
	{ "no type: value", "[{\"Value\":\"prod\"}]", false, WEB_PROD, true },
	{ "one of a list is enough", "[{\"Key\":\"x\"},{\"Key\":\"y\"},{\"Key\":\"role\"}]", false, WEB_PROD, true },
	{ "none of a list", "[{\"Key\":\"x\"},{\"Key\":\"y\"}]", false, WEB_PROD, false },
	{ "each list of a set must match", "[[{\"Key\":\"env\"}],[{\"Value\":\"web\"}]]", true, WEB_PROD, true },
	{ "one list of a set does not", "[[{\"Key\":\"env\"}],[{\"Value\":\"db\"}]]", true, WEB_PROD, false },
	{ "one of each list is enough", "[[{\"Key\":\"x\"},{\"Key\":\"env\"}],[{\"Value\":\"db\"},{\"Value\":\"web\"}]]", true, WEB_PROD, true },
	{ "different tags in each list", "[[{\"Key\":\"env\",\"Value\":\"prod\"}],[{\"Key\":\"env\",\"Value\":\"test\"}]]", true, WEB_PROD, false },
	{ "no tags at all", "[{\"Value\":\"\",\"Type\":\"VALUE_ONLY\"}]", false, "[]", false },
};

static const struct {
	const char *filter;
	const char *text;
} bad_filters[] = {
	{ "[]", "it is not an object" },
	{ "{}", "it has neither Key nor Value" },
	{ "{\"Key\":7}", "member \"Key\" is not a string" },
	{ "{\"Key\":\"a\",\"Type\":\"BOTH\"}", "Type is 'BOTH'; it must be KEY_ONLY, VALUE_ONLY or KEY_AND_VALUE" },
	{ "{\"Value\":\"a\",\"Type\":\"KEY_ONLY\"}", "it needs a Key that is not empty" },
	{ "{\"Key\":\"\",\"Type\":\"KEY_AND_VALUE\"}", "it needs a Key that is not empty" },
	{ "{\"Key\":\"a\",\"Type\":\"VALUE_ONLY\"}", "it needs a Value" },
};
/* clang-format on */

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(json);
	return json;
}

START_TEST(hosts_are_selected_by_the_rules_of_lists_and_sets)
{
	for (size_t i = 0; i < ARRAY_SIZE(selections); i++) {
		cleanup_with(json_decrefp) json_t *list = parse(selections[i].selection);
		cleanup_with(json_decrefp) json_t *on_host = parse(selections[i].tags);
		cleanup_with(tag_selection_done) struct tag_selection selection = { 0 };
		cleanup_with(tags_done) struct tags tags = { 0 };
		struct error err = ERROR_NONE;

		ck_assert_int_eq(tags_from_json(&tags, on_host, &err), 0);
		ck_assert_msg(tag_selection_from_json(
				      &selection, list, selections[i].is_set, &err) == 0,
			"%s: %s", selections[i].what, err.text);
		ck_assert_msg(tag_selection_matches(&selection, &tags) == selections[i].matches,
			"%s", selections[i].what);
	}
}
END_TEST

START_TEST(a_bad_filter_is_refused_with_the_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_filters); i++) {
		cleanup_with(json_decrefp) json_t *json = parse(bad_filters[i].filter);
		struct tag_filter filter = { 0 };
		struct error err = ERROR_NONE;

		ck_assert_int_eq(tag_filter_from_json(&filter, json, &err), -EBADMSG);
		ck_assert_str_eq(err.text, bad_filters[i].text);
		ck_assert_ptr_null(filter.key);
	}
}
END_TEST

START_TEST(a_bad_selection_says_where)
{
	cleanup_with(json_decrefp)
		json_t *set = parse("[[{\"Key\":\"a\"}],[{\"Key\":\"b\"},{}]]");
	cleanup_with(json_decrefp) json_t *hollow = parse("[[{\"Key\":\"a\"}],[]]");
	cleanup_with(json_decrefp) json_t *flat = parse("[{\"Key\":\"a\"}]");
	cleanup_with(json_decrefp) json_t *object = parse("{}");
	struct tag_selection selection = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(tag_selection_from_json(&selection, set, true, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "tag group 2: filter 2: it has neither Key nor Value");
	ck_assert_int_eq(tag_selection_from_json(&selection, hollow, true, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "tag group 2: it is empty and would match no host");
	ck_assert_int_eq(tag_selection_from_json(&selection, flat, true, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "tag group 1: it is not a list");
	ck_assert_int_eq(tag_selection_from_json(&selection, object, false, &err), -EBADMSG);
	ck_assert_uint_eq(selection.n_lists, 0);
}
END_TEST

START_TEST(tags_stay_in_order_and_unique)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	cleanup_with(tags_done) struct tags copy = { 0 };
	cleanup_with(json_decrefp) json_t *json = NULL;
	cleanup_with(freep) char *text = NULL;

	tags_set(&tags, "m", "1");
	tags_set(&tags, "z", "2");
	tags_set(&tags, "a", "3");
	tags_set(&tags, "m", "4");
	ck_assert(tags_remove(&tags, "z"));
	ck_assert(!tags_remove(&tags, "z"));
	tags_copy(&copy, &tags);
	tags_set(&tags, "a", "changed");
	json = tags_to_json(&copy);
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	ck_assert_str_eq(
		text, "[{\"Key\":\"a\",\"Value\":\"3\"},{\"Key\":\"m\",\"Value\":\"4\"}]");
	ck_assert_str_eq(tags_find(&tags, "a"), "changed");
	ck_assert_ptr_null(tags_find(&tags, "b"));
}
END_TEST

START_TEST(tags_of_a_wrong_form_are_refused)
{
	cleanup_with(json_decrefp)
		json_t *no_key = parse("[{\"Key\":\"a\"},{\"Value\":\"a\"}]");
	cleanup_with(json_decrefp) json_t *number = parse("[7]");
	cleanup_with(json_decrefp) json_t *object = parse("{}");
	struct tags tags = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_int_eq(tags_from_json(&tags, no_key, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "tag 2: member \"Key\" is missing");
	ck_assert_int_eq(tags_from_json(&tags, number, &err), -EBADMSG);
	ck_assert_int_eq(tags_from_json(&tags, object, &err), -EBADMSG);
	ck_assert_uint_eq(tags.n, 0);
}
END_TEST

TESTS("tags", hosts_are_selected_by_the_rules_of_lists_and_sets,
	a_bad_filter_is_refused_with_the_reason, a_bad_selection_says_where,
	tags_stay_in_order_and_unique, tags_of_a_wrong_form_are_refused)
