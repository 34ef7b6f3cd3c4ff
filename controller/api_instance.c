/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/arn.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/commands.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/page.h"
#include "controller/store.h"
#include "controller/tags.h"

/* Registered hosts, on-premises instances in the API's words, and their tags. */

enum {
	/* How many hosts one call of a filtered list looks at. */
	SCAN_LIMIT = 10000,
	FILTERS_LIMIT = 100,
};

static json_t *host_info(const struct host *host)
{
	json_t *info = json_object();

	answer_text(info, "instanceName", host->name);
	answer_text(info, host->is_session_arn ? "iamSessionArn" : "iamUserArn", host->iam_arn);
	answer_text(info, "instanceArn", host->instance_arn);
	answer_time(info, "registerTime", host->registered_ms);
	answer_time(info, "deregisterTime", host->deregistered_ms);
	/* The CLI's deregister fails without the list. */
	(void)json_object_set_new(info, "tags", tags_to_json(&host->tags));
	return info;
}

static bool is_registered(const struct host *host)
{
	return host && host->deregistered_ms == 0;
}

/* ---- registration ---- */

/* One of the two ARNs, "" being absent. */
static const char *check_arn(struct check *check, const char *member, const char *service,
	const char *kind, const char *invalid)
{
	const char *arn = check_text(check, check->call->input, member, ARN_LENGTH, invalid);
	const char *resource = NULL;

	if (!arn || *arn == '\0')
		return NULL;
	if (!arn_is_of(arn, service, &resource) || strncmp(resource, kind, strlen(kind)) != 0 ||
		resource[strlen(kind)] == '\0')
		check_fail(check, CHECK_FORM, invalid,
			"'%.200s' must have the form arn:aws:%s::ACCOUNT:%sNAME", arn, service,
			kind);
	return arn;
}

static bool fail_if_taken(
	struct call *call, const char *name, const char *arn, bool is_session_arn)
{
	const struct host *other = fleet_find_host_by_arn(call_fleet(call), arn);

	if (is_registered(fleet_find_host(call_fleet(call), name))) {
		call_fail(call, "InstanceNameAlreadyRegisteredException",
			"An instance of the name %s is registered already; "
			"deregister it first, or choose another name",
			name);
		return true;
	}
	if (other) {
		call_fail(call,
			is_session_arn ? "IamSessionArnAlreadyRegisteredException"
				       : "IamUserArnAlreadyRegisteredException",
			"%s is registered already, by instance %s; each needs one of its own",
			arn, other->name);
		return true;
	}
	return false;
}

static void register_instance(struct call *call)
{
	char suffix[HOST_SUFFIX_LENGTH + 1];
	const char *session_arn;
	const char *user_arn;
	struct check check;
	struct host *host;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &HOST_NAME);
	session_arn = check_arn(&check, "iamSessionArn", "sts", "assumed-role/",
		"InvalidIamSessionArnException");
	user_arn = check_arn(
		&check, "iamUserArn", "iam", "user/", "InvalidIamUserArnException");
	if (!session_arn && !user_arn)
		check_fail(&check, CHECK_REQUIRED, "IamArnRequiredException",
			"No ARN is given: set \"iamUserArn\" or \"iamSessionArn\"");
	if (session_arn && user_arn)
		check_fail(&check, CHECK_FORM, "MultipleIamArnsProvidedException",
			"\"iamUserArn\" and \"iamSessionArn\" are both given; give one");
	if (!check_passed(&check) ||
		fail_if_taken(call, name, user_arn ? user_arn : session_arn, !user_arn))
		return;
	host = xcalloc(1, sizeof(*host));
	identifier_make_host_suffix(suffix);
	(void)snprintf(host->name, sizeof(host->name), "%s", name);
	host->iam_arn = xstrdup(user_arn ? user_arn : session_arn);
	host->is_session_arn = !user_arn;
	host->instance_arn = arn_of_instance(call_settings(call), name, suffix);
	host->registered_ms = call->now_ms;
	(void)fleet_add_host(call_fleet(call), host);
	store_put_host(call_store(call), host);
	call_answer(call, NULL);
}

/* An unknown one is no error: what cleans up may do so twice. */
static void deregister_instance(struct call *call)
{
	struct check check;
	struct host *host;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &HOST_NAME);
	if (!check_passed(&check))
		return;
	host = fleet_find_host(call_fleet(call), name);
	if (is_registered(host)) {
		fleet_deregister_host(call_fleet(call), host, call->now_ms);
		commands_host_deregistered(call_commands(call), host, call->now_ms);
		store_put_host(call_store(call), host);
	}
	call_answer(call, NULL);
}

/* ---- reading ---- */

static void get_instance(struct call *call)
{
	const struct host *host;
	struct check check;
	const char *name;

	check_init(&check, call);
	name = check_name(&check, &HOST_NAME);
	if (!check_passed(&check))
		return;
	host = fleet_find_host(call_fleet(call), name);
	if (!host) {
		call_fail(call, "InstanceNotRegisteredException",
			"No instance is registered under the name: %s", name);
		return;
	}
	call_answer(call, json_pack("{s:o}", "instanceInfo", host_info(host)));
}

/* Unknown names are left out: the answer tells which were found. */
static void batch_get_instances(struct call *call)
{
	json_t *infos;
	const json_t *names;
	struct check check;

	check_init(&check, call);
	names = check_names(&check, &HOST_NAME, "instanceNames", BATCH_LIMIT,
		"BatchLimitExceededException");
	if (!check_passed(&check))
		return;
	infos = json_array();
	for (size_t i = 0; i < json_array_size(names); i++) {
		const struct host *host = fleet_find_host(
			call_fleet(call), json_string_value(json_array_get(names, i)));

		if (host)
			(void)json_array_append_new(infos, host_info(host));
	}
	call_answer(call, json_pack("{s:o}", "instanceInfos", infos));
}

enum { STATUS_REGISTERED, STATUS_DEREGISTERED };

/* A list on its way through the names. */
struct listing {
	struct page page;
	const struct fleet *fleet;
	struct tag_selection filters;
	int status; /* -1: both */
	size_t n_seen;
	char *last_seen;
};

static void listing_done(struct listing *listing)
{
	page_done(&listing->page);
	tag_selection_done(&listing->filters);
	free(listing->last_seen);
}

static bool listing_wants(const struct listing *listing, const char *name)
{
	const struct host *host = fleet_find_host(listing->fleet, name);

	if (!host)
		return false;
	if (listing->status >= 0 &&
		(listing->status == STATUS_REGISTERED) != is_registered(host))
		return false;
	return listing->filters.n_lists == 0 ||
	       tag_selection_matches(&listing->filters, &host->tags);
}

static void listing_add(void *context, const char *name)
{
	struct listing *listing = context;

	listing->n_seen++;
	if (listing->page.has_more)
		return;
	if (listing_wants(listing, name))
		page_add_name(&listing->page, name);
	free(listing->last_seen);
	listing->last_seen = xstrdup(name);
}

static void check_filters(struct check *check, struct tag_selection *ret)
{
	const json_t *list = check_objects(check, check->call->input, "tagFilters");
	struct error err = ERROR_NONE;

	if (json_array_size(list) > FILTERS_LIMIT)
		check_fail(check, CHECK_FORM, "InvalidTagFilterException",
			"\"tagFilters\" holds %zu filters; at most %d are allowed",
			json_array_size(list), FILTERS_LIMIT);
	else if (tag_selection_from_json(ret, list, false, &err) < 0)
		check_fail(check, CHECK_FORM, "InvalidTagFilterException", "tagFilters: %s",
			err.text);
}

static void list_instances(struct call *call)
{
	static const char *const statuses[] = { "Registered", "Deregistered", NULL };
	cleanup_with(listing_done) struct listing listing = { .fleet = call_fleet(call) };
	struct error err = ERROR_NONE;
	struct check check;
	size_t limit;
	int r;

	check_init(&check, call);
	listing.status = check_word(&check, call->input, "registrationStatus", statuses,
		"InvalidRegistrationStatusException");
	check_filters(&check, &listing.filters);
	page_begin(&listing.page, &check, "nextToken");
	if (!check_passed(&check))
		return;
	limit = listing.status < 0 && listing.filters.n_lists == 0 ? PAGE_ASK : SCAN_LIMIT;
	r = store_page_hosts(
		call_store(call), listing.page.after, limit, listing_add, &listing, &err);
	if (!listing.page.has_more && listing.n_seen == limit)
		page_cut(&listing.page, listing.last_seen);
	page_end(&listing.page, r, call, "instanceNames", NULL, &err);
}

/* ---- tags: on all the hosts, or on none ---- */

static const json_t *check_tagging(struct check *check, struct tags *ret)
{
	const json_t *names = check_names(check, &HOST_NAME, "instanceNames", BATCH_LIMIT,
		"InstanceLimitExceededException");

	check_tags(check, "tags", "InvalidTagException", ret);
	if (json_array_size(json_object_get(check->call->input, "tags")) == 0)
		check_fail(check, CHECK_REQUIRED, "TagRequiredException",
			"No tag is given: \"tags\" needs at least one");
	return names;
}

/* The hosts of these names, for the caller to free; NULL, and the call failed, if one is none.
 */
static struct host **find_hosts(struct call *call, const json_t *names)
{
	size_t n = json_array_size(names);
	cleanup_with(freep) struct host **hosts = xcalloc(n, sizeof(struct host *));

	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		hosts[i] = fleet_find_host(call_fleet(call), name);
		if (is_registered(hosts[i]))
			continue;
		call_fail(call, "InstanceNotRegisteredException",
			"No instance is registered under the name: %s; no tag was changed",
			name);
		return NULL;
	}
	return take(&hosts);
}

static size_t n_tags_with(const struct host *host, const struct tags *more)
{
	size_t n = host->tags.n;

	for (size_t i = 0; i < more->n; i++)
		n += !tags_find(&host->tags, more->items[i].key);
	return n;
}

static void add_tags(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	cleanup_with(freep) struct host **hosts = NULL;
	const json_t *names;
	struct check check;
	size_t n;

	check_init(&check, call);
	names = check_tagging(&check, &tags);
	if (!check_passed(&check))
		return;
	hosts = find_hosts(call, names);
	if (!hosts)
		return;
	n = json_array_size(names);
	for (size_t i = 0; i < n; i++) {
		if (n_tags_with(hosts[i], &tags) <= TAGS_LIMIT)
			continue;
		call_fail(call, "TagLimitExceededException",
			"Instance %s would have %zu tags; at most %d are allowed. "
			"No tag was changed",
			hosts[i]->name, n_tags_with(hosts[i], &tags), TAGS_LIMIT);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < tags.n; j++)
			tags_set(&hosts[i]->tags, tags.items[j].key, tags.items[j].value);
		store_put_host(call_store(call), hosts[i]);
		deployments_host_changed(call_deployments(call), hosts[i]);
	}
	call_answer(call, NULL);
}

/* A tag given with a value is taken off only where it has that value. */
static void remove_tag(struct host *host, const json_t *tag)
{
	const char *key = json_string_value(json_object_get(tag, "Key"));
	const char *value = json_string_value(json_object_get(tag, "Value"));
	const char *has = tags_find(&host->tags, key);

	if (has && (!value || strcmp(value, has) == 0))
		(void)tags_remove(&host->tags, key);
}

static void remove_tags(struct call *call)
{
	cleanup_with(tags_done) struct tags tags = { 0 };
	cleanup_with(freep) struct host **hosts = NULL;
	const json_t *names;
	const json_t *list;
	struct check check;

	check_init(&check, call);
	names = check_tagging(&check, &tags);
	if (!check_passed(&check))
		return;
	hosts = find_hosts(call, names);
	if (!hosts)
		return;
	list = json_object_get(call->input, "tags");
	for (size_t i = 0; i < json_array_size(names); i++) {
		for (size_t j = 0; j < json_array_size(list); j++)
			remove_tag(hosts[i], json_array_get(list, j));
		store_put_host(call_store(call), hosts[i]);
	}
	call_answer(call, NULL);
}

const struct operation instance_operations[] = {
	{ "RegisterOnPremisesInstance", register_instance, true },
	{ "GetOnPremisesInstance", get_instance, false },
	{ "ListOnPremisesInstances", list_instances, false },
	{ "BatchGetOnPremisesInstances", batch_get_instances, false },
	{ "DeregisterOnPremisesInstance", deregister_instance, true },
	{ "AddTagsToOnPremisesInstances", add_tags, true },
	{ "RemoveTagsFromOnPremisesInstances", remove_tags, true },
	{ NULL },
};
