/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "controller/model.h"

struct core_clock;
struct deployments;
struct error;
struct fleet;
struct settings;
struct store;

/*
 * The open deployments: each a rollout (rollout.h) with its hosts, its timer and its rows in
 * the store. What the rollout decides becomes changes in the store and commands for hosts; what
 * hosts report becomes its inputs.
 *
 * Any function here that takes `now_ms`, and a timer, may end deployments, and make others
 * (rollbacks). One that ended is freed before the call returns, with all its targets: look
 * targets up anew by deployments_command_for(). On a host one deployment runs at a time, unless
 * the settings say otherwise; the others wait until it is through with that host.
 *
 * A timer puts its changes into the store as a request does; the core commits after each turn
 * of the loop.
 */
struct deployment {
	struct deployment_record record;
	struct group *group; /* NULL once deleted */
	struct rollout rollout;
	struct target *targets;          /* of the rollout */
	struct deployment_target *hosts; /* in the same order */
	struct deployments *owner;
	struct deployment *next;

	struct loop_timer timer;
	uint64_t timer_ms; /* when it is due; 0: not started */

	/* Of the call under way: what is still to be done (deployments_settle()). */
	bool is_touched;
	bool is_changed; /* its own row */
	bool wants_rollback;
	uint32_t *changed; /* targets */
	size_t n_changed;
	size_t cap_changed;
	struct deployment *next_touched;

	/* Of order.c: its order as signed for AWS's agents, kept since all of them get the
	 * same; NULL until one asks. Freed with the deployment. */
	char *signed_order;
	uint64_t signed_by;                            /* which keys (sign.h) */
	char signed_archive[DEPLOYMENT_ID_LENGTH + 1]; /* that it names; "" */
};

/* A host's part. A command is outstanding while its target is TARGET_SENT or TARGET_RUNNING. */
struct deployment_target {
	struct deployment *deployment;
	uint32_t position;
	bool is_changed;
	bool stored_vanished; /* as its row has it */
	struct host *host;    /* registered, or so at the start */
	/* Of the event under way: what was handed out, in order. Added and stored by
	 * delivery.c; none again once the command of another event is offered, or none. */
	struct delivery *deliveries;
	size_t n_deliveries;
	uint64_t event_started_ms; /* 0: not taken yet */
	uint64_t updated_ms;
	struct deployment_target *next_of_host;
};

/* Who is told that a host has a command to fetch, or has one no more. */
struct deployments_listener {
	/* At the end of a call, when all is settled. There may be none any more. */
	void (*on_command)(struct deployments_listener *listener, struct host *host);
	/* Within one: the target is borrowed, and nothing of this header may be called. */
	void (*on_withdrawn)(
		struct deployments_listener *listener, struct deployment_target *target);
};

/* All are borrowed; `listener` may be NULL. */
struct deployments *deployments_new(struct loop *loop, struct fleet *fleet, struct store *store,
	const struct settings *settings, const struct core_clock *clock,
	struct deployments_listener *listener);
void deployments_free(struct deployments *deployments);
void deployments_freep(struct deployments **deployments);

/*
 * Takes up what the store holds of open deployments; the fleet is loaded. The clocks of hosts
 * begin anew, and nobody is told of commands: hosts ask.
 */
int deployments_load(struct deployments *deployments, uint64_t now_ms, struct error *err);

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
	const char *auto_rollback; /* JSON, as shown: the deployment's own or the group's */
	struct auto_rollback roll_back; /* the same */
	const char *alarm_override;     /* JSON or NULL */
	const char *file_exists;
	const char *messages; /* JSON, a list: what the group asks for and does not get */
	bool ignore_application_stop_failures;
	bool only_outdated;
	bool restart;
	/* These hosts of the group alone, by name; NULL: all of them. The rest count as
	 * healthy. */
	struct host *const *hosts;
	size_t n_hosts;
};

/* Whether a deployment is under way that another has to wait for: group->active. */
bool deployments_is_busy(const struct group *group);

/*
 * Makes a deployment, selects its hosts and starts it; it may have ended when this returns. One
 * to late joiners makes way for it: it is stopped. -EBUSY if deployments_is_busy(). Else 0, or
 * a negative errno with err filled if the store could not be read: nothing was changed then.
 */
int deployments_create(struct deployments *deployments,
	const struct deployment_request *request, uint64_t now_ms,
	char ret_id[static DEPLOYMENT_ID_LENGTH + 1], struct error *err);

/* -ESTALE if it is stopping already. */
int deployments_stop(struct deployments *deployments, struct deployment *deployment,
	enum stop_rollback rollback, uint64_t now_ms);

/*
 * Paused, it begins no further host; those under way go on to their end. Resumed, it also goes
 * on without hosts that vanished and stranded it. -ESTALE if it is so already, or is about to
 * end.
 */
int deployments_pause(
	struct deployments *deployments, struct deployment *deployment, uint64_t now_ms);
int deployments_resume(
	struct deployments *deployments, struct deployment *deployment, uint64_t now_ms);

/*
 * The group or its application is about to be deleted: its deployment, if there is one, ends
 * Stopped with `error_code` (DEPLOYMENT_GROUP_MISSING, APPLICATION_MISSING) as soon as the
 * events under way are over, and knows the group no more.
 */
void deployments_group_deleted(struct deployments *deployments, struct group *group,
	const char *error_code, uint64_t now_ms);

/*
 * A host, or a group, selects or is selected by other tags from now on: hosts that match a
 * group after its last deployment receive its revision by a deployment of their own. It begins
 * a second later, so that many hosts make one.
 */
void deployments_host_changed(struct deployments *deployments, struct host *host);
void deployments_group_changed(struct deployments *deployments, struct group *group);

/* ---- from the command service */

/* The command that the host should get next, or be given again: TARGET_SENT; NULL if none. */
struct deployment_target *deployments_command_for(
	const struct deployments *deployments, const struct host *host);
enum target_event deployment_target_event(const struct deployment_target *target);

/* The host took it up: the event is under way. Harmless if it is already. */
void deployments_event_started(
	struct deployments *deployments, struct deployment_target *target, uint64_t now_ms);

/*
 * It ended by itself; `record` (borrowed) has the event, what the host says of it, and for a
 * status Succeeded, Failed, or Skipped if there was nothing to run, which is shown as
 * Succeeded. Its times are set here. Of another event than the one under way: no effect.
 */
void deployments_event_ended(struct deployments *deployments, struct deployment_target *target,
	const struct event_record *record, uint64_t now_ms);

/*
 * For a deployment in mode RESTART: the one whose archive the host may use again, if it has
 * one; 1 and its id, or 0.
 */
int deployments_archive_of(struct deployments *deployments,
	const struct deployment_target *target, char ret_id[static DEPLOYMENT_ID_LENGTH + 1]);

/* ---- from presence.h; harmless if it is known already */

void deployments_host_gone(struct deployments *deployments, struct host *host, uint64_t now_ms);
void deployments_host_back(struct deployments *deployments, struct host *host, uint64_t now_ms);
