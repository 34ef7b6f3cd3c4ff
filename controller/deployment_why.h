/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "controller/rollout_why.h"

struct deployments;
struct error;

/* The one reason why a deployment, or a host in one, waits, failed or was skipped. */
struct deployment_why {
	const char *reason; /* "HOST_GONE"; "NONE" if all is well */
	const char *owner;  /* who has to do something: "NOBODY", "CONTROLLER", "HOST",
			       "OPERATOR", "NETWORK" */
	struct buf
		text; /* a sentence with names and numbers, no full stop; "" if all is well */
	const char *remedy;   /* what to do about it, likewise */
	const char *event;    /* a host's: the lifecycle event that it is about; else NULL */
	uint64_t deadline_ms; /* when it ends by itself at the latest; 0 if over */
};

void deployment_why_done(struct deployment_why *why);

/*
 * Of a deployment, open or ended, or of its part on a host if host_name is not NULL. Returns 1,
 * 0 if there is no such deployment or host in it, or a negative errno.
 */
int deployment_why(struct deployments *deployments, const char *deployment_id,
	const char *host_name, struct deployment_why *ret, struct error *err);

/* {"reason", "owner", "text", "remedy", "event", "deadline"}, for the caller to release. */
json_t *deployment_why_to_json(const struct deployment_why *why);
