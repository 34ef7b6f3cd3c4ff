/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct deployment_target;
struct deployments;
struct error;
struct settings;
struct signer;
struct store;

/*
 * Orders: specifications (specification.h) as signed for agents (sign.h). Zero and fill in the
 * first members to begin; there is nothing to release.
 */
struct orders {
	struct signer *signer;
	struct store *store;
	const struct settings *settings;
	struct deployments *deployments;

	uint64_t sequence;  /* of the last order for an agent of ours; 0: not read yet */
	uint64_t warned_ms; /* when the log last said that a certificate runs out */
};

/*
 * For AWS's agents: one for all hosts of a deployment, signed once. *ret is borrowed until the
 * next call. -EINVAL if no agent could fetch the revision, else a failure of ours.
 */
int order_for_aws(struct orders *orders, struct deployment_target *target, uint64_t now_ms,
	const char **ret, struct error *err);

/*
 * For an agent of ours: one for this host alone. Every one has a greater sequence than those
 * before, also those of a controller whose database was lost or put back: never below the time.
 * *ret is the caller's to free.
 */
int order_for_ours(struct orders *orders, struct deployment_target *target, uint64_t now_ms,
	char **ret, struct error *err);
