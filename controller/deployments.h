/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "controller/model.h"

struct deployments;
struct error;
struct fleet;
struct settings;
struct store;

/*
 * The open deployments: each a rollout (rollout.h) with its hosts, its timer and its rows in
 * the store. What the rollout decides becomes changes in the store and commands for hosts; what
 * hosts report becomes its inputs.
 */
struct deployment {
	struct deployment_record record;
	struct group *group; /* NULL once deleted */
	struct rollout rollout;
	struct target *targets;          /* of the rollout */
	struct deployment_target *hosts; /* in the same order */
	struct deployments *owner;
	struct loop_timer timer;
	struct deployment *next;

	/* Of commands.c: its order as signed for AWS's agents, kept since all of them get the
	 * same; NULL until one asks. Freed with the deployment. */
	char *signed_order;
	uint64_t signed_by; /* which keys (sign.h) */
};

/* A host's part. A command is outstanding while its target is TARGET_SENT or TARGET_RUNNING. */
struct deployment_target {
	struct deployment *deployment;
	uint32_t position;
	struct host *host;
	/* Of the event under way: what was handed out, in order. Added and stored by
	 * commands.c; none again once the command of another event is offered. */
	struct delivery *deliveries;
	size_t n_deliveries;
	struct deployment_target *next_of_host;
};

/* Who is told that a host has a command to fetch, or has one no more. */
struct deployments_listener {
	void (*on_command)(struct deployments_listener *listener, struct host *host);
	void (*on_withdrawn)(
		struct deployments_listener *listener, struct deployment_target *target);
};

struct deployments *deployments_new(struct loop *loop, struct fleet *fleet, struct store *store,
	const struct settings *settings, struct deployments_listener *listener);
void deployments_free(struct deployments *deployments);

/* Takes up what the store holds of open deployments; the fleet is loaded. */
int deployments_load(struct deployments *deployments, struct error *err);

/* An open one, or NULL. */
struct deployment *deployments_find(const struct deployments *deployments, const char *id);

/* Everything that CreateDeployment fixes; checked by the caller. Borrowed. */
struct deployment_request {
	struct group *group;
	const struct deployment_config *config;
	const char *revision; /* JSON */
	const char *description;
	const char *creator;
	const char *created_by;
	const char *auto_rollback;
	const char *alarm_override; /* or NULL */
	const char *file_exists;
	const char *messages; /* JSON, a list: what the group asks for and does not get */
	bool ignore_application_stop_failures;
	bool only_outdated;
	bool restart;
};

/*
 * Makes a deployment, selects its hosts and starts it. -EBUSY with *ret the one that is under
 * way in the group. *ret is borrowed.
 */
int deployments_create(struct deployments *deployments,
	const struct deployment_request *request, uint64_t now_ms, struct deployment **ret);

void deployments_stop(struct deployments *deployments, struct deployment *deployment,
	enum stop_rollback rollback, uint64_t now_ms);

/* The group or its application is deleted: its deployment ends Stopped with `error_code`. */
void deployments_group_deleted(struct deployments *deployments, struct group *group,
	const char *error_code, uint64_t now_ms);

/* ---- from the command service */

/* The command that the host should get next, or be given again: TARGET_SENT; NULL if none. */
struct deployment_target *deployments_command_for(
	const struct deployments *deployments, const struct host *host);
enum target_event deployment_target_event(const struct deployment_target *target);

/* The host took it up: the event is under way. Harmless if it is already. */
void deployments_event_started(struct deployments *deployments,
	struct deployment_target *target, bool is_noop, uint64_t now_ms);

/* It ended by itself; `record` has the result and what the host says of it. */
void deployments_event_ended(struct deployments *deployments, struct deployment_target *target,
	const struct event_record *record, uint64_t now_ms);

/* ---- from presence.h */

void deployments_host_gone(struct deployments *deployments, struct host *host, uint64_t now_ms);
void deployments_host_back(struct deployments *deployments, struct host *host, uint64_t now_ms);
