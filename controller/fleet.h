/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/model.h"

struct error;
struct store;

/*
 * The live state: all applications, groups, configurations, registered hosts, keys and open
 * deployments, found by name. Owns what is added. Pure memory: who changes an object puts it
 * into the store as well.
 */
struct fleet;

struct fleet *fleet_new(void); /* with the predefined configurations */
void fleet_free(struct fleet *fleet);
void fleet_freep(struct fleet **fleet);

/* Fills an empty fleet from the store, except for deployments: deployments_load() does those.
 */
int fleet_load(struct fleet *fleet, struct store *store, struct error *err);

/* Each returns NULL if there is none. Names compare exactly. */
struct application *fleet_find_application(const struct fleet *fleet, const char *name);
struct deployment_config *fleet_find_config(const struct fleet *fleet, const char *name);
struct group *fleet_find_group(
	const struct fleet *fleet, const struct application *application, const char *name);
struct group *fleet_find_group_by_id(const struct fleet *fleet, const char *id);
/* Registered, or the last one that was. */
struct host *fleet_find_host(const struct fleet *fleet, const char *name);
struct host *fleet_find_host_by_arn(const struct fleet *fleet, const char *iam_arn);
struct key *fleet_find_key(const struct fleet *fleet, const char *id);

/*
 * -EEXIST if the name or id (for hosts: name or iam_arn among the registered) is taken; then
 * the object stays the caller's. A host takes the name of a deregistered one over.
 */
int fleet_add_application(struct fleet *fleet, struct application *application);
int fleet_add_config(struct fleet *fleet, struct deployment_config *config);
int fleet_add_group(struct fleet *fleet, struct group *group);
int fleet_add_host(struct fleet *fleet, struct host *host);
int fleet_add_key(struct fleet *fleet, struct key *key);

int fleet_rename_application(
	struct fleet *fleet, struct application *application, const char *name);
int fleet_rename_group(struct fleet *fleet, struct group *group, const char *name);
/* The configuration that the group uses from now on; it may be unknown. */
void fleet_set_group_config(struct fleet *fleet, struct group *group, const char *config_name);

/* Frees it. An application must have no group left. */
void fleet_remove_application(struct fleet *fleet, struct application *application);
void fleet_remove_config(struct fleet *fleet, struct deployment_config *config);
void fleet_remove_group(struct fleet *fleet, struct group *group);
void fleet_remove_key(struct fleet *fleet, struct key *key);
/*
 * The host stays, under its name, until another takes it; its iam_arn is free at once. Once its
 * name is taken it is freed as soon as nothing holds on to it: no open deployment, no parked
 * call, heard_ms 0.
 */
void fleet_deregister_host(struct fleet *fleet, struct host *host, uint64_t now_ms);

/*
 * One that bore the name before the host that has it now: of it the store holds no more than
 * its part in deployments. It is found by nobody, and freed like any other whose name is taken.
 */
struct host *fleet_add_former_host(struct fleet *fleet, const char *name);

/* The registered hosts; all groups; all keys. By name, keys by id; the callback must not add or
 * remove. */
void fleet_each_host(const struct fleet *fleet,
	void (*on_host)(void *context, struct host *host), void *context);
void fleet_each_group(const struct fleet *fleet,
	void (*on_group)(void *context, struct group *group), void *context);
void fleet_each_key(const struct fleet *fleet, void (*on_key)(void *context, struct key *key),
	void *context);

/* The registered hosts that a group selects, sorted by name, for the caller to free. */
size_t fleet_select(
	const struct fleet *fleet, const struct group *group, struct host ***ret_hosts);

uint32_t fleet_n_hosts(const struct fleet *fleet); /* registered */
