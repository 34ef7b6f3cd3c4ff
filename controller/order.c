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
#include "base/log.h"
#include "base/protocol.h"
#include "base/time.h"
#include "controller/deployments.h"
#include "controller/model.h"
#include "controller/settings.h"
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

/* ---- certificates */

enum { SOON_DAYS = 30 };

static const uint64_t day_ms = 24 * 3600 * UINT64_C(1000);

/* Agents of ours refuse an order of a certificate that has run out: said in time, once a day.
 */
static void watch_certificates(struct orders *orders, uint64_t now_ms)
{
	uint64_t expires_ms = signer_expires_ms(orders->signer);
	char when[21];

	if (expires_ms > now_ms + SOON_DAYS * day_ms ||
		(orders->warned_ms > 0 && now_ms < orders->warned_ms + day_ms))
		return;
	orders->warned_ms = now_ms;
	time_format_utc(expires_ms, when);
	log_warning("a certificate that signs orders %s on %s: put new ones in place of %s and "
		    "%s, with their keys, and reload",
		expires_ms <= now_ms ? "ran out" : "runs out", when,
		orders->settings->signing_certificate,
		orders->settings->aws_signing_certificate);
}

/* ---- for AWS's */

static bool is_cached(
	const struct orders *orders, const struct deployment *deployment, const char *archive)
{
	return deployment->signed_order &&
	       deployment->signed_by == signer_generation(orders->signer) &&
	       strcmp(deployment->signed_archive, archive ? archive : "") == 0;
}

int order_for_aws(struct orders *orders, struct deployment_target *target, uint64_t now_ms,
	const char **ret, struct error *err)
{
	struct deployment *deployment = target->deployment;
	cleanup_with(json_decrefp) json_t *specification = NULL;
	cleanup_with(freep) char *text = NULL;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	const char *archive = find_archive(orders, target, id);
	char *pem;
	int r;

	if (!is_cached(orders, deployment, archive)) {
		watch_certificates(orders, now_ms);
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

static void bind_to_host(struct orders *orders, json_t *specification,
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
	cleanup_with(freep) char *pem = NULL;
	char id[DEPLOYMENT_ID_LENGTH + 1];
	int r;

	r = specification_make(
		&specification, target->deployment, find_archive(orders, target, id), err);
	if (r < 0)
		return r;
	watch_certificates(orders, now_ms);
	bind_to_host(orders, specification, target, now_ms);
	text = json_dumps(specification, JSON_COMPACT);
	r = signer_sign_for_ours(orders->signer, text, strlen(text), &pem, err);
	if (r < 0)
		return r;
	if (strlen(pem) > PROTOCOL_LIMIT_ORDER_BYTES)
		return error_set(err, -EFBIG,
			"the order is %zu bytes long and agents take %d: give the revision a "
			"shorter location, or the certificate a shorter chain",
			strlen(pem), PROTOCOL_LIMIT_ORDER_BYTES);
	*ret = take(&pem);
	return 0;
}
