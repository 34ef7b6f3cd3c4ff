/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/rollout.h"

/* Who has to do something before it goes on. */
enum rollout_owner {
	OWNER_NOBODY,
	OWNER_CONTROLLER,
	OWNER_HOST,
	OWNER_OPERATOR,
	OWNER_NETWORK
};

/* The one reason why a deployment or a host waits, failed or was skipped. */
struct rollout_why {
	enum rollout_reason reason;
	enum rollout_owner owner;
	const char *text;        /* a sentence, lower case, no full stop; "" if all is well */
	const char *remedy;      /* what to do about it, likewise; "" if nothing */
	const char *error_code;  /* of a deployment's errorInformation; NULL if it has none */
	uint64_t deadline_ms;    /* when it ends by itself at the latest; 0 if over */
	enum target_event event; /* of a target that is under way or failed */
};

struct rollout_why rollout_why(const struct rollout *rollout);
struct rollout_why rollout_why_target(const struct rollout *rollout, uint32_t target);
