/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/deployments.h"

/*
 * What the sources of the open deployments share among themselves.
 *
 * Inputs of the rollouts are applied one by one; each leaves behind what it touched:
 * deployments with rows to put, hosts that are free for another deployment, hosts to be told of
 * a command. deployments_settle() works that off, once, at the end of every call from outside:
 * so no rollout is entered while its actions are being carried out.
 */
struct host_list {
	struct host **items;
	size_t n;
	size_t cap;
};

struct deployments {
	struct loop *loop;
	struct fleet *fleet;
	struct store *store;
	const struct settings *settings;
	const struct core_clock *clock;
	struct deployments_listener *listener;
	struct deployment *first;
	uint64_t now_ms; /* the latest that anybody has told */

	/* Hosts and groups are marked; deployment_late.c looks at some of them at a time. */
	struct loop_timer late_timer;
	bool late_is_due;

	/* Of the call under way; empty between calls. */
	struct deployment *touched;
	struct host_list freed;
	struct host_list told;
};

/* ---- deployments.c */

/* Puts it among the open ones, and its targets among those of their hosts. */
void deployment_link(struct deployment *deployment);
void deployment_unlink(struct deployment *deployment);
void deployment_free(struct deployment *deployment);
void deployment_freep(struct deployment **deployment);

void deployment_touch(struct deployment *deployment);
/* Its own row, or that of a target, is to be put into the store. */
void deployment_changed(struct deployment *deployment);
void deployment_target_changed(struct deployment *deployment, uint32_t position);
void host_list_add(struct host_list *list, struct host *host);

/* Gives it n targets, which are taken over, with their hosts. */
void deployment_set_targets(struct deployment *deployment, struct target *targets,
	struct host *const *hosts, uint32_t n);

/* Puts its row into the store, with the counters and the rollout as they are. */
void deployment_put(struct deployment *deployment);

/* The time of a call from outside: never before that of an earlier one. */
uint64_t deployments_advance(struct deployments *deployments, uint64_t now_ms);

/*
 * One input; `record`, if not NULL, is what the host says of the event. Returns 0, or -ESTALE
 * if it was of no consequence. deployments_settle() must follow.
 */
int deployment_apply(struct deployment *deployment, const struct rollout_input *input,
	const struct event_record *record, uint64_t now_ms);
void deployments_settle(struct deployments *deployments, uint64_t now_ms);

/* What is logged next is about it: the journal finds the lines by its id. NULL: no more. */
void deployment_log_of(const struct deployment *deployment);

/* ---- deployment_actions.c */

/* Carries out what one input brought about. */
void deployment_act(struct deployment *deployment, const struct rollout_actions *actions,
	const struct event_record *record, uint64_t now_ms);
void deployment_set_timer(struct deployment *deployment, uint64_t deadline_ms, uint64_t now_ms);
/* Whether another deployment is under way on the target's host, so that this one must wait. */
bool deployment_target_is_held(const struct deployment_target *target);

/* ---- deployment_create.c */

/* A deployment of the group with an id, names and time, and nothing else; not linked. */
struct deployment *deployment_new(
	struct deployments *owner, struct group *group, uint64_t now_ms);

/* Puts all of it into the store and starts it. */
void deployment_begin(struct deployment *deployment, uint64_t now_ms);

/* ---- deployment_end.c */

/* The rollout is over: writes down what came of it, begins the rollback, frees it. */
void deployment_end(struct deployment *deployment, uint64_t now_ms);

/* ---- deployment_rollback.c */

/*
 * Makes and begins the rollback of an ended deployment that is linked no more, or says in its
 * record why there is none.
 */
void deployment_roll_back(struct deployment *ended, uint64_t now_ms);

/* ---- deployment_late.c */

/* The creator of deployments to late joiners. */
#define AUTO_UPDATE "CodeDeployAutoUpdate"

/* After a load: any group may have hosts that came when nobody looked. */
void deployments_look_for_late(struct deployments *deployments);
