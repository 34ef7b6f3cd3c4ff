/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/fleet.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "controller/tags.h"

/*
 * An index is a balanced tree (tsearch(3)) of names that borrow their key from the object
 * they lead to; the key must not change while the name is there. Groups have their
 * application's id for scope; else the scope is "".
 */
struct named {
	const char *scope;
	const char *key;
	void *object;
};

struct fleet {
	void *applications; /* by name */
	void *configs;      /* by name */
	void *groups;       /* by application's id and name */
	void *groups_by_id;
	void *hosts; /* by name */
	void *hosts_by_arn;
	void *keys; /* by id */
	uint32_t n_hosts;

	/* Hosts whose name another has taken, and that something may still hold on to. */
	struct host **replaced;
	size_t n_replaced;
	size_t cap_replaced;
};

/* ---- an index ---- */

static int named_compare(const void *a, const void *b)
{
	const struct named *left = a;
	const struct named *right = b;
	int order = strcmp(left->scope, right->scope);

	return order ? order : strcmp(left->key, right->key);
}

static struct named *index_named(void *const *index, const char *scope, const char *key)
{
	const struct named probe = { .scope = scope, .key = key };
	struct named **found = tfind(&probe, index, named_compare);

	return found ? *found : NULL;
}

static void *index_find(void *const *index, const char *scope, const char *key)
{
	const struct named *named = index_named(index, scope, key);

	return named ? named->object : NULL;
}

static void index_add(void **index, const char *scope, const char *key, void *object)
{
	struct named *named = xcalloc(1, sizeof(*named));
	struct named **place;

	*named = (struct named){ scope, key, object };
	place = tsearch(named, index, named_compare);
	if (!place)
		abort(); /* out of memory, as xmalloc() has it */
	assert(*place == named);
}

static void index_remove(void **index, const char *scope, const char *key)
{
	struct named *named = index_named(index, scope, key);

	if (!named)
		return;
	(void)tdelete(named, index, named_compare);
	free(named);
}

/* Frees the names, and the objects if `object_free` is not NULL. */
static void index_free(void **index, void (*object_free)(void *object))
{
	while (*index) {
		struct named *named = **(struct named ***)index;

		(void)tdelete(named, index, named_compare);
		if (object_free)
			object_free(named->object);
		free(named);
	}
}

/* ---- life ---- */

/* Their ids are the same everywhere, as AWS's are. */
static void add_predefined(struct fleet *fleet, unsigned number, const char *name,
	const struct minimum_healthy *minimum)
{
	struct deployment_config *config = xcalloc(1, sizeof(*config));

	(void)snprintf(config->id, sizeof(config->id), "00000000-0000-0000-0000-%012u", number);
	(void)snprintf(config->name, sizeof(config->name), "CodeDeployDefault.%s", name);
	config->minimum = *minimum;
	(void)fleet_add_config(fleet, config);
}

struct fleet *fleet_new(void)
{
	struct fleet *fleet = xcalloc(1, sizeof(*fleet));

	add_predefined(fleet, 1, "OneAtATime", &MINIMUM_ONE_AT_A_TIME);
	add_predefined(fleet, 2, "HalfAtATime", &MINIMUM_HALF_AT_A_TIME);
	add_predefined(fleet, 3, "AllAtOnce", &MINIMUM_ALL_AT_ONCE);
	return fleet;
}

static void free_group(void *object)
{
	group_free(object);
}

static void free_host(void *object)
{
	host_free(object);
}

static void free_key(void *object)
{
	key_free(object);
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	index_free(&fleet->groups_by_id, NULL);
	index_free(&fleet->groups, free_group);
	index_free(&fleet->applications, free);
	index_free(&fleet->configs, free);
	index_free(&fleet->hosts_by_arn, NULL);
	index_free(&fleet->hosts, free_host);
	index_free(&fleet->keys, free_key);
	for (size_t i = 0; i < fleet->n_replaced; i++)
		host_free(fleet->replaced[i]);
	free(fleet->replaced);
	free(fleet);
}

void fleet_freep(struct fleet **fleet)
{
	fleet_free(*fleet);
}

/* ---- find ---- */

struct application *fleet_find_application(const struct fleet *fleet, const char *name)
{
	return index_find(&fleet->applications, "", name);
}

struct deployment_config *fleet_find_config(const struct fleet *fleet, const char *name)
{
	return index_find(&fleet->configs, "", name);
}

struct group *fleet_find_group(
	const struct fleet *fleet, const struct application *application, const char *name)
{
	return index_find(&fleet->groups, application->id, name);
}

struct group *fleet_find_group_by_id(const struct fleet *fleet, const char *id)
{
	return index_find(&fleet->groups_by_id, "", id);
}

struct host *fleet_find_host(const struct fleet *fleet, const char *name)
{
	return index_find(&fleet->hosts, "", name);
}

struct host *fleet_find_host_by_arn(const struct fleet *fleet, const char *iam_arn)
{
	return index_find(&fleet->hosts_by_arn, "", iam_arn);
}

struct key *fleet_find_key(const struct fleet *fleet, const char *id)
{
	return index_find(&fleet->keys, "", id);
}

/* ---- applications and configurations ---- */

int fleet_add_application(struct fleet *fleet, struct application *application)
{
	if (fleet_find_application(fleet, application->name))
		return -EEXIST;
	application->n_groups = 0;
	index_add(&fleet->applications, "", application->name, application);
	return 0;
}

int fleet_rename_application(
	struct fleet *fleet, struct application *application, const char *name)
{
	if (fleet_find_application(fleet, name))
		return -EEXIST;
	index_remove(&fleet->applications, "", application->name);
	(void)snprintf(application->name, sizeof(application->name), "%s", name);
	index_add(&fleet->applications, "", application->name, application);
	return 0;
}

void fleet_remove_application(struct fleet *fleet, struct application *application)
{
	assert(application->n_groups == 0);
	index_remove(&fleet->applications, "", application->name);
	free(application);
}

int fleet_add_config(struct fleet *fleet, struct deployment_config *config)
{
	if (fleet_find_config(fleet, config->name))
		return -EEXIST;
	config->n_groups = 0;
	index_add(&fleet->configs, "", config->name, config);
	return 0;
}

void fleet_remove_config(struct fleet *fleet, struct deployment_config *config)
{
	index_remove(&fleet->configs, "", config->name);
	free(config);
}

/* ---- groups ---- */

static void count_config_user(struct fleet *fleet, const struct group *group, int change)
{
	struct deployment_config *config = fleet_find_config(fleet, group->config_name);

	if (config)
		config->n_groups += (uint32_t)change;
}

int fleet_add_group(struct fleet *fleet, struct group *group)
{
	if (fleet_find_group(fleet, group->application, group->name) ||
		fleet_find_group_by_id(fleet, group->id))
		return -EEXIST;
	index_add(&fleet->groups, group->application->id, group->name, group);
	index_add(&fleet->groups_by_id, "", group->id, group);
	group->application->n_groups++;
	count_config_user(fleet, group, 1);
	return 0;
}

int fleet_rename_group(struct fleet *fleet, struct group *group, const char *name)
{
	if (fleet_find_group(fleet, group->application, name))
		return -EEXIST;
	index_remove(&fleet->groups, group->application->id, group->name);
	(void)snprintf(group->name, sizeof(group->name), "%s", name);
	index_add(&fleet->groups, group->application->id, group->name, group);
	return 0;
}

void fleet_set_group_config(struct fleet *fleet, struct group *group, const char *config_name)
{
	count_config_user(fleet, group, -1);
	(void)snprintf(group->config_name, sizeof(group->config_name), "%s", config_name);
	count_config_user(fleet, group, 1);
}

void fleet_remove_group(struct fleet *fleet, struct group *group)
{
	count_config_user(fleet, group, -1);
	group->application->n_groups--;
	index_remove(&fleet->groups, group->application->id, group->name);
	index_remove(&fleet->groups_by_id, "", group->id);
	group_free(group);
}

/* ---- hosts ---- */

static bool host_is_registered(const struct host *host)
{
	return host->deregistered_ms == 0;
}

static void free_forgotten_hosts(struct fleet *fleet)
{
	size_t n = 0;

	for (size_t i = 0; i < fleet->n_replaced; i++) {
		struct host *host = fleet->replaced[i];

		if (!host->open && !host->parked && host->heard_ms == 0)
			host_free(host);
		else
			fleet->replaced[n++] = host;
	}
	fleet->n_replaced = n;
}

static void keep_replaced(struct fleet *fleet, struct host *host)
{
	xgrow(&fleet->replaced, &fleet->cap_replaced, fleet->n_replaced);
	fleet->replaced[fleet->n_replaced++] = host;
}

static void replace_host(struct fleet *fleet, struct host *host)
{
	index_remove(&fleet->hosts, "", host->name);
	keep_replaced(fleet, host);
	free_forgotten_hosts(fleet);
}

int fleet_add_host(struct fleet *fleet, struct host *host)
{
	struct host *old = fleet_find_host(fleet, host->name);

	if (old && host_is_registered(old))
		return -EEXIST;
	if (host_is_registered(host) && fleet_find_host_by_arn(fleet, host->iam_arn))
		return -EEXIST;
	if (old)
		replace_host(fleet, old);
	index_add(&fleet->hosts, "", host->name, host);
	if (host_is_registered(host)) {
		index_add(&fleet->hosts_by_arn, "", host->iam_arn, host);
		fleet->n_hosts++;
	}
	return 0;
}

void fleet_deregister_host(struct fleet *fleet, struct host *host, uint64_t now_ms)
{
	if (!host_is_registered(host))
		return;
	index_remove(&fleet->hosts_by_arn, "", host->iam_arn);
	fleet->n_hosts--;
	host->deregistered_ms = now_ms;
}

struct host *fleet_add_former_host(struct fleet *fleet, const char *name)
{
	struct host *host = xcalloc(1, sizeof(*host));

	(void)snprintf(host->name, sizeof(host->name), "%s", name);
	host->iam_arn = xstrdup("");
	host->instance_arn = xstrdup("");
	host->deregistered_ms = 1; /* nobody asks when */
	keep_replaced(fleet, host);
	return host;
}

uint32_t fleet_n_hosts(const struct fleet *fleet)
{
	return fleet->n_hosts;
}

/* ---- keys ---- */

int fleet_add_key(struct fleet *fleet, struct key *key)
{
	if (fleet_find_key(fleet, key->id))
		return -EEXIST;
	index_add(&fleet->keys, "", key->id, key);
	return 0;
}

void fleet_remove_key(struct fleet *fleet, struct key *key)
{
	index_remove(&fleet->keys, "", key->id);
	key_free(key);
}

/* ---- all of a kind ---- */

struct host_visit {
	void (*on_host)(void *context, struct host *host);
	void *context;
};

static void visit_host(const void *node, VISIT order, void *closure)
{
	const struct named *named = *(struct named *const *)node;
	const struct host_visit *visit = closure;
	struct host *host = named->object;

	if ((order == postorder || order == leaf) && host_is_registered(host))
		visit->on_host(visit->context, host);
}

void fleet_each_host(const struct fleet *fleet,
	void (*on_host)(void *context, struct host *host), void *context)
{
	struct host_visit visit = { on_host, context };

	twalk_r(fleet->hosts, visit_host, &visit);
}

struct group_visit {
	void (*on_group)(void *context, struct group *group);
	void *context;
};

static void visit_group(const void *node, VISIT order, void *closure)
{
	const struct named *named = *(struct named *const *)node;
	const struct group_visit *visit = closure;

	if (order == postorder || order == leaf)
		visit->on_group(visit->context, named->object);
}

void fleet_each_group(const struct fleet *fleet,
	void (*on_group)(void *context, struct group *group), void *context)
{
	struct group_visit visit = { on_group, context };

	twalk_r(fleet->groups, visit_group, &visit);
}

struct key_visit {
	void (*on_key)(void *context, struct key *key);
	void *context;
};

static void visit_key(const void *node, VISIT order, void *closure)
{
	const struct named *named = *(struct named *const *)node;
	const struct key_visit *visit = closure;

	if (order == postorder || order == leaf)
		visit->on_key(visit->context, named->object);
}

void fleet_each_key(const struct fleet *fleet, void (*on_key)(void *context, struct key *key),
	void *context)
{
	struct key_visit visit = { on_key, context };

	twalk_r(fleet->keys, visit_key, &visit);
}

struct choice {
	const struct group *group;
	struct host **hosts;
	size_t n;
	size_t cap;
};

static void choose_host(void *context, struct host *host)
{
	struct choice *choice = context;

	if (!tag_selection_matches(&choice->group->on_premises, &host->tags) &&
		!tag_selection_matches(&choice->group->ec2, &host->tags))
		return;
	xgrow(&choice->hosts, &choice->cap, choice->n);
	choice->hosts[choice->n++] = host;
}

size_t fleet_select(
	const struct fleet *fleet, const struct group *group, struct host ***ret_hosts)
{
	struct choice choice = { .group = group };

	fleet_each_host(fleet, choose_host, &choice);
	*ret_hosts = choice.hosts;
	return choice.n;
}
