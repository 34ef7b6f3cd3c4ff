/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "controller/check.h"
#include "controller/model.h"
#include "controller/target_json.h"

struct call;
struct error;

/* What the operations on targets, and the older ones on instances, share. */

/*
 * The deployment whose targets are asked for; `id` is borrowed. False after the call was
 * failed.
 */
bool target_frame_of(struct call *call, const char *id, struct target_frame *ret);

/* The states named by a list of statuses; a wrong one is an InvalidInstanceStatusException. */
struct target_choice {
	uint32_t states; /* 1 << enum target_state; 0: all */
	bool is_none;    /* only states in which no host ever is */
};
void check_target_states(
	struct check *check, const json_t *statuses, struct target_choice *choice);

/* Labels are for blue/green deployments, of which there are none. */
void check_target_labels(struct check *check, const json_t *labels);

/* Answers with a page of host names in member `list`. `check` has not been asked yet. */
void answer_target_page(struct call *call, struct check *check, const char *deployment_id,
	const struct target_choice *choice, const char *list);

/* 1 and the target as JSON, 0 if the host has no part in the deployment, or a negative errno.
 */
int find_target_json(const struct target_frame *frame, const char *host_name, bool is_summary,
	json_t **ret, struct error *err);

/* api_target_instance.c */
void list_deployment_instances(struct call *call);
void get_deployment_instance(struct call *call);
void batch_get_deployment_instances(struct call *call);
