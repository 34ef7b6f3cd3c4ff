/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/order.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "controller/deployments.h"
#include "controller/model.h"
#include "controller/sign.h"
#include "controller/specification.h"
#include "controller/store.h"

/* ---- which archive */

static bool is_same_json(const char *a, const char *b)
{
	cleanup_with(json_decrefp) json_t *left = NULL;
	cleanup_with(json_decrefp) json_t *right = NULL;

	return a && b && json_parse_object(&left, a, strlen(a), NULL) == 0 &&
	       json_parse_object(&right, b, strlen(b), NULL) == 0 && json_equal(left, right);
}

/*
 * An agent that is told to use an archive again compares nothing: it would run whatever is
 * there. So it is told only where that is the revision of this deployment.
 */
static const char *find_archive(const struct orders *orders,
	const struct deployment_target *target, char ret[static DEPLOYMENT_ID_LENGTH + 1])
{
	const struct deployment *deployment = target->deployment;

	ret[0] = '\0';
	if (deployment->record.restart && deployment->group &&
		deployment->targets[target->position].history.revision == REVISION_CURRENT &&
		is_same_json(deployment->record.revision, deployment->group->target_revision))
		(void)deployments_archive_of(orders->deployments, target, ret);
	return ret[0] ? ret : NULL;
}

/* ---- for AWS's */

static bool is_cached(
	const struct orders *orders, const struct deployment *deployment, const char *archive)
{
	return deployment->signed_order &&
	       deployment->signed_by == signer_generation(orders->signer) &&
	       strcmp(deployment->signed_archive, archive ? archive : "") == 0;
}

int order_for_aws(struct orders *orders, struct deployment_target *target, const char **ret,
	struct error *err)
{
	struct deployment *deployment = target->deployment;
	cleanup_with(json_decrefp) json_t *specification = NULL;
	cleanup_with(freep) char *text = NULL;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	const char *archive = find_archive(orders, target, id);
	char *pem;
	int r;

	if (!is_cached(orders, deployment, archive)) {
		r = specification_make(&specification, deployment, archive, err);
		if (r < 0)
			return r;
		text = json_dumps(specification, JSON_COMPACT);
		r = signer_sign_for_aws(orders->signer, text, strlen(text), &pem, err);
		if (r < 0)
			return r;
		free(deployment->signed_order);
		deployment->signed_order = pem;
		deployment->signed_by = signer_generation(orders->signer);
		memcpy(deployment->signed_archive, id, sizeof(id));
	}
	*ret = deployment->signed_order;
	return 0;
}

/* ---- for ours */

static const char sequence_name[] = "order_sequence";

/* What cannot be read counts as nothing: the time is greater in any case. */
static uint64_t read_sequence(const struct orders *orders)
{
	cleanup_with(freep) char *text = store_get_value(orders->store, sequence_name);

	return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t next_sequence(struct orders *orders, uint64_t now_ms)
{
	char text[24];

	if (orders->sequence == 0)
		orders->sequence = read_sequence(orders);
	orders->sequence = orders->sequence < now_ms ? now_ms : orders->sequence + 1;
	(void)snprintf(text, sizeof(text), "%" PRIu64, orders->sequence);
	store_put_value(orders->store, sequence_name, text);
	return orders->sequence;
}

static void bind(struct orders *orders, json_t *specification,
	const struct deployment_target *target, uint64_t now_ms)
{
	const struct rollout *rollout = &target->deployment->rollout;
	char order[EXECUTION_ID_LENGTH + 1];

	specification_execution_id(orders->settings, target->deployment->record.id, order);
	specification_bind(specification,
		&(struct specification_binding){ .host_identifier = target->host->iam_arn,
			.order = order,
			.sequence = next_sequence(orders, now_ms),
			.issued_ms = now_ms,
			.not_after_ms = rollout->created_ms +
					rollout->config.deployment_timeout_ms,
			.lifecycle = rollout->config.lifecycle });
}

int order_for_ours(struct orders *orders, struct deployment_target *target, uint64_t now_ms,
	char **ret, struct error *err)
{
	cleanup_with(json_decrefp) json_t *specification = NULL;
	cleanup_with(freep) char *text = NULL;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	int r;

	r = specification_make(
		&specification, target->deployment, find_archive(orders, target, id), err);
	if (r < 0)
		return r;
	bind(orders, specification, target, now_ms);
	text = json_dumps(specification, JSON_COMPACT);
	return signer_sign_for_ours(orders->signer, text, strlen(text), ret, err);
}
