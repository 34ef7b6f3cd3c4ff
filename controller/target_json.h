/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "controller/model.h"

struct error;
struct settings;
struct store;

/* Hosts' parts in deployments as the API shows them. */

/* What all targets of one deployment share. */
struct target_frame {
	struct store *store;
	const struct settings *settings;
	const char *deployment_id;
	enum rollout_lifecycle lifecycle;
};

/* "Pending", "InProgress", "Succeeded", "Failed", "Skipped". */
const char *target_state_name(enum target_state state);

/*
 * A mask of 1 << enum target_state for such a name; 0 for the API's other two, Unknown and
 * Ready, in which no host ever is here; -ENOENT for any other word.
 */
int target_states_of(const char *name);

/* An InstanceTarget, or with `is_summary` an InstanceSummary; NULL with err filled if the store
 * could not be read. For the caller to release. */
json_t *target_to_json(const struct target_frame *frame, const struct target_record *record,
	bool is_summary, struct error *err);
