/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "kind.h"

#define FILE_MAX_BYTES (16 * 1024 * 1024)

struct rule {
	const json_t *json;
	int64_t times; /* per host; negative: always */
	uint8_t *used; /* by host, if times counts */
};

struct scenario {
	json_t *json;
	struct rule *rules;
	size_t n_rules;
};

/* Every member by its place; what is not here is a mistake. */
static const char *const top_members[] = { "seed", "manners", "rules", "timeline", NULL };
static const char *const manner_members[] = { "hosts", "kind", "start_ms", "wait_ms", "probe",
	"auth_policy", "lose_polls", NULL };
static const char *const rule_members[] = { "hosts", "events", "revisions", "creators", "times",
	"result", "code", "script", "message", "log", "delay_ms", "noop", "crash", "silent",
	"return_ms", "lose", "garbage", NULL };
static const char *const incident_members[] = { "hosts", "at_ms", "do", "silent", "return_ms",
	NULL };

static int check_names(const json_t *object, const char *const *names, struct error *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return error_set(err, -EINVAL, "not an object");
	json_object_foreach((json_t *)object, name, value)
	{
		size_t i = 0;

		while (names[i] && strcmp(names[i], name) != 0)
			i++;
		if (!names[i])
			return error_set(err, -EINVAL, "there is no member '%s' here", name);
	}
	return 0;
}

bool scenario_fits(const json_t *patterns, const char *text)
{
	const json_t *pattern;
	size_t i;

	if (!patterns)
		return true;
	if (json_is_string(patterns))
		return fnmatch(json_string_value(patterns), text, 0) == 0;
	json_array_foreach(patterns, i, pattern)
	{
		if (json_is_string(pattern) &&
			fnmatch(json_string_value(pattern), text, 0) == 0)
			return true;
	}
	return false;
}

/* Milliseconds: 5, 0.5 or [1, 20]. */
static int read_span(
	const json_t *object, const char *member, struct span *ret, struct error *err)
{
	const json_t *value = json_object_get(object, member);
	const json_t *from = json_is_array(value) ? json_array_get(value, 0) : value;
	const json_t *to = json_is_array(value) ? json_array_get(value, 1) : value;

	if (!value)
		return 0;
	if (!json_is_number(from) || !json_is_number(to) || json_number_value(from) < 0 ||
		json_number_value(to) < json_number_value(from))
		return error_set(err, -EINVAL, "%s is neither a time nor [from, to]", member);
	ret->from_us = (uint64_t)(json_number_value(from) * 1000);
	ret->to_us = (uint64_t)(json_number_value(to) * 1000);
	return 0;
}

/* The place of a word in a list; -1 if it is absent. */
static int read_word(const json_t *object, const char *member, const char *const *words,
	int *ret, struct error *err)
{
	const char *text = NULL;
	int r = json_find_string(object, member, &text, err);

	*ret = -1;
	if (r < 0 || !text)
		return r;
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			*ret = i;
	return *ret < 0 ? error_set(err, -EINVAL, "%s cannot be '%s'", member, text) : 0;
}

static int read_crash(const json_t *rule, struct behaviour *behaviour, struct error *err)
{
	static const char *const points[] = { "never", "before-ack", "after-ack",
		"before-complete", "after-complete", NULL };
	struct span back = { .from_us = NEVER };
	int point;
	int r = read_word(rule, "crash", points, &point, err);

	if (r == 0)
		r = json_find_bool(rule, "silent", &behaviour->is_silent, err);
	if (r == 0)
		r = read_span(rule, "return_ms", &back, err);
	if (point >= 0) {
		behaviour->crash = (enum crash)point;
		behaviour->return_us = back.from_us;
	}
	return r;
}

static int read_lost(const json_t *rule, unsigned *ret, struct error *err)
{
	static const char *const words[] = { "ack", "complete" };
	const json_t *list = json_object_get(rule, "lose");
	const json_t *word;
	size_t i;

	json_array_foreach(list, i, word)
	{
		const char *text = json_is_string(word) ? json_string_value(word) : "";
		unsigned bit = 0;

		for (unsigned k = 0; k < ARRAY_SIZE(words); k++)
			if (strcmp(words[k], text) == 0)
				bit = 1U << k;
		if (bit == 0)
			return error_set(err, -EINVAL, "lose cannot name '%s'", text);
		*ret |= bit;
	}
	return 0;
}

static int read_result(const json_t *rule, struct behaviour *behaviour, struct error *err)
{
	static const char *const results[] = { "succeed", "fail", NULL };
	int64_t code = -1;
	int result;
	int r = read_word(rule, "result", results, &result, err);

	if (result >= 0)
		behaviour->fails = result == 1;
	if (r == 0)
		r = json_find_integer(rule, "code", &code, err);
	if (code >= 0)
		behaviour->error_code = (int)code;
	if (r == 0)
		r = json_find_string(rule, "script", &behaviour->script, err);
	if (r == 0)
		r = json_find_string(rule, "message", &behaviour->message, err);
	if (r == 0)
		r = json_find_string(rule, "log", &behaviour->log, err);
	return r;
}

/* Lays one rule over what is there. */
static int read_rule(const json_t *rule, struct behaviour *behaviour, struct error *err)
{
	static const char *const garbage[] = { "bytes", "json", "form", NULL };
	const json_t *noop = json_object_get(rule, "noop");
	int word;
	int r = read_result(rule, behaviour, err);

	if (r == 0)
		r = read_span(rule, "delay_ms", &behaviour->delay, err);
	if (r == 0)
		r = read_crash(rule, behaviour, err);
	if (r == 0)
		r = read_lost(rule, &behaviour->lost, err);
	if (r == 0)
		r = read_word(rule, "garbage", garbage, &word, err);
	if (r == 0 && word >= 0)
		behaviour->garbage = garbage[word];
	if (json_is_boolean(noop))
		behaviour->noop = json_is_true(noop);
	return r;
}

static const struct behaviour ordinary = {
	.error_code = 4,
	.script = "scripts/run.sh",
	.message = "Script at specified location: scripts/run.sh failed with exit code 1",
	.log = "LifecycleEvent - event\nScript - scripts/run.sh\n[stderr]no\n",
	.noop = -1,
	.return_us = NEVER,
};

static int check_rules(struct scenario *scenario, size_t n_hosts, struct error *err)
{
	const json_t *list = json_object_get(scenario->json, "rules");

	scenario->n_rules = json_array_size(list);
	scenario->rules = xcalloc(scenario->n_rules + 1, sizeof(*scenario->rules));
	for (size_t i = 0; i < scenario->n_rules; i++) {
		struct behaviour behaviour = ordinary;
		struct rule *rule = &scenario->rules[i];
		int r;

		rule->json = json_array_get(list, i);
		rule->times = -1;
		r = check_names(rule->json, rule_members, err);
		if (r == 0)
			r = read_rule(rule->json, &behaviour, err);
		if (r == 0)
			r = json_find_integer(rule->json, "times", &rule->times, err);
		if (r == 0 && rule->times > UINT8_MAX)
			r = error_set(err, -EINVAL, "times is more than 255");
		if (r < 0)
			return error_wrap(err, "rule %zu", i + 1);
		if (rule->times >= 0)
			rule->used = xcalloc(n_hosts + 1, 1);
	}
	return 0;
}

static int read_manner(const json_t *json, struct manner *manner, struct error *err)
{
	int64_t lost_polls = manner->lost_polls;
	struct span wait = { manner->wait_us, manner->wait_us };
	const char *kind = NULL;
	int r = json_find_string(json, "kind", &kind, err);

	if (r == 0 && kind) {
		manner->kind = kind_find(kind);
		if (!manner->kind)
			r = error_set(err, -EINVAL, "there is no kind '%s' of host", kind);
	}
	if (r == 0)
		r = read_span(json, "start_ms", &manner->start, err);
	if (r == 0)
		r = read_span(json, "wait_ms", &wait, err);
	if (r == 0)
		r = json_find_bool(json, "probe", &manner->probes, err);
	if (r == 0)
		r = json_find_bool(json, "auth_policy", &manner->uses_auth_policy, err);
	if (r == 0)
		r = json_find_integer(json, "lose_polls", &lost_polls, err);
	manner->lost_polls = (unsigned)lost_polls;
	manner->wait_us = wait.from_us;
	return r;
}

static int check_lists(struct scenario *scenario, struct error *err)
{
	struct incident incident;
	struct manner manner = { 0 };
	const json_t *entry;
	size_t i;
	int r;

	json_array_foreach(json_object_get(scenario->json, "manners"), i, entry)
	{
		r = check_names(entry, manner_members, err);
		if (r == 0)
			r = read_manner(entry, &manner, err);
		if (r < 0)
			return error_wrap(err, "manner %zu", i + 1);
	}
	json_array_foreach(json_object_get(scenario->json, "timeline"), i, entry)
	{
		r = check_names(entry, incident_members, err);
		if (r == 0 && !scenario_incident(scenario, i, &incident))
			r = error_set(err, -EINVAL, "needs at_ms, and do: crash or return");
		if (r < 0)
			return error_wrap(err, "timeline entry %zu", i + 1);
	}
	return 0;
}

int scenario_new(struct scenario **ret, const char *path, size_t n_hosts, struct error *err)
{
	struct scenario *scenario = xcalloc(1, sizeof(*scenario));
	int r = 0;

	if (path)
		r = json_read_file(&scenario->json, AT_FDCWD, path, FILE_MAX_BYTES, err);
	else
		scenario->json = json_object();
	if (r == 0)
		r = check_names(scenario->json, top_members, err);
	if (r == 0)
		r = check_rules(scenario, n_hosts, err);
	if (r == 0)
		r = check_lists(scenario, err);
	if (r < 0) {
		scenario_free(scenario);
		return error_wrap(err, "scenario %s", path ? path : "");
	}
	*ret = scenario;
	return 0;
}

void scenario_free(struct scenario *scenario)
{
	if (!scenario)
		return;
	for (size_t i = 0; i < scenario->n_rules; i++)
		free(scenario->rules[i].used);
	free(scenario->rules);
	json_decref(scenario->json);
	free(scenario);
}

unsigned scenario_seed(const struct scenario *scenario)
{
	return (unsigned)json_integer_value(json_object_get(scenario->json, "seed"));
}

int scenario_manner(const struct scenario *scenario, const char *host, struct manner *ret,
	struct error *err)
{
	const json_t *entry;
	size_t i;
	int r;

	*ret = (struct manner){ .kind = kind_find("ruby"), .wait_us = 1000000, .probes = true };
	json_array_foreach(json_object_get(scenario->json, "manners"), i, entry)
	{
		if (!scenario_fits(json_object_get(entry, "hosts"), host))
			continue;
		r = read_manner(entry, ret, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool rule_applies(struct rule *rule, const struct occasion *occasion)
{
	if (!scenario_fits(json_object_get(rule->json, "hosts"), occasion->host) ||
		!scenario_fits(json_object_get(rule->json, "events"), occasion->event) ||
		!scenario_fits(json_object_get(rule->json, "revisions"), occasion->revision) ||
		!scenario_fits(json_object_get(rule->json, "creators"), occasion->creator))
		return false;
	if (rule->times < 0)
		return true;
	if (rule->used[occasion->host_index] >= rule->times)
		return false;
	rule->used[occasion->host_index]++;
	return true;
}

void scenario_behaviour(
	struct scenario *scenario, const struct occasion *occasion, struct behaviour *ret)
{
	*ret = ordinary;
	for (size_t i = 0; i < scenario->n_rules; i++)
		if (rule_applies(&scenario->rules[i], occasion))
			(void)read_rule(scenario->rules[i].json, ret, NULL); /* was checked */
}

bool scenario_incident(const struct scenario *scenario, size_t n, struct incident *ret)
{
	static const char *const deeds[] = { "crash", "return", NULL };
	const json_t *entry = json_array_get(json_object_get(scenario->json, "timeline"), n);
	struct span at = { .from_us = NEVER };
	struct span back = { .from_us = NEVER };
	bool is_silent = false;
	int deed = -1;

	if (!entry || read_span(entry, "at_ms", &at, NULL) < 0 || at.from_us == NEVER ||
		read_span(entry, "return_ms", &back, NULL) < 0 ||
		read_word(entry, "do", deeds, &deed, NULL) < 0 || deed < 0 ||
		json_find_bool(entry, "silent", &is_silent, NULL) < 0)
		return false;
	*ret = (struct incident){
		.at_us = at.from_us,
		.hosts = json_object_get(entry, "hosts"),
		.deed = (enum deed)deed,
		.is_silent = is_silent,
		.return_us = back.from_us,
	};
	return true;
}
