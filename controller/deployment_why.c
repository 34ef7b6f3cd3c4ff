/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/deployment_why.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/deployments_internal.h"
#include "controller/rollout_text.h"
#include "controller/store.h"

static const char *const REASONS[N_ROLLOUT_REASONS] = {
	[REASON_NONE] = "NONE",
	[REASON_NOT_BEGUN] = "NOT_BEGUN",
	[REASON_HOSTS_UNDER_WAY] = "HOSTS_UNDER_WAY",
	[REASON_TURN] = "TURN",
	[REASON_PAUSED] = "PAUSED",
	[REASON_STRANDED] = "STRANDED",
	[REASON_HELD] = "HELD",
	[REASON_DRAINING] = "DRAINING",
	[REASON_STOPPING] = "STOPPING",
	[REASON_COMMAND_NOT_TAKEN] = "COMMAND_NOT_TAKEN",
	[REASON_EVENT_UNDER_WAY] = "EVENT_UNDER_WAY",
	[REASON_TRAFFIC_SHIFTS] = "TRAFFIC_SHIFTS",
	[REASON_HOST_AWAY] = "HOST_AWAY",
	[REASON_HEALTH_CONSTRAINTS] = "HEALTH_CONSTRAINTS",
	[REASON_HEALTH_CONSTRAINTS_INVALID] = "HEALTH_CONSTRAINTS_INVALID",
	[REASON_NO_INSTANCES] = "NO_INSTANCES",
	[REASON_NO_HOST_PRESENT] = "NO_HOST_PRESENT",
	[REASON_TIMEOUT] = "TIMEOUT",
	[REASON_MANUAL_STOP] = "MANUAL_STOP",
	[REASON_EVENT_FAILED] = "EVENT_FAILED",
	[REASON_AGENT_SILENT] = "AGENT_SILENT",
	[REASON_EVENT_TIMED_OUT] = "EVENT_TIMED_OUT",
	[REASON_TRAFFIC_TIMED_OUT] = "TRAFFIC_TIMED_OUT",
	[REASON_HOST_GONE] = "HOST_GONE",
};

static const char *owner_name(enum rollout_owner owner)
{
	switch (owner) {
	case OWNER_NOBODY:
		return "NOBODY";
	case OWNER_CONTROLLER:
		return "CONTROLLER";
	case OWNER_HOST:
		return "HOST";
	case OWNER_OPERATOR:
		return "OPERATOR";
	case OWNER_NETWORK:
		return "NETWORK";
	}
	__builtin_unreachable();
}

void deployment_why_done(struct deployment_why *why)
{
	buf_done(&why->text);
}

static struct deployment_why from_rollout(const struct rollout_why *why)
{
	struct deployment_why ret = { .reason = REASONS[why->reason],
		.owner = owner_name(why->owner),
		.remedy = why->remedy,
		.deadline_ms = why->deadline_ms };

	buf_puts(&ret.text, why->text);
	return ret;
}

/* ---- of the deployment itself */

static struct deployment_why of_open(const struct deployment *deployment)
{
	const struct rollout_health health = rollout_health(&deployment->rollout);
	const struct rollout_why why = rollout_why(&deployment->rollout);
	struct deployment_why ret = from_rollout(&why);

	buf_printf(&ret.text,
		": %u of %u hosts under way, %u succeeded, %u failed, at least %u must stay "
		"healthy",
		health.n_under_way, deployment->rollout.n_targets,
		deployment->rollout.n_state[TARGET_SUCCEEDED],
		deployment->rollout.n_state[TARGET_FAILED], health.minimum);
	return ret;
}

static int of_ended(
	const struct deployment_record *record, struct deployment_why *ret, struct error *err)
{
	struct rollout rollout = { 0 };
	struct rollout_why why;
	int r = rollout_read(&rollout, record->rollout, err);

	if (r < 0)
		return r;
	why = rollout_why(&rollout);
	*ret = from_rollout(&why);
	if (record->error_message) {
		buf_clear(&ret->text);
		buf_puts(&ret->text, record->error_message);
	}
	return 1;
}

/* ---- of a host in it */

struct diagnosis {
	enum target_event event;
	struct buf *text;
};

/* What the host said of the event that failed. */
static void add_diagnosis(void *context, const struct event_record *record)
{
	const struct diagnosis *diagnosis = context;

	if (record->event != diagnosis->event || record->status != EVENT_STATUS_FAILED)
		return;
	if (record->script_name && *record->script_name)
		buf_printf(diagnosis->text, ": %s", record->script_name);
	if (record->message && *record->message)
		buf_printf(diagnosis->text, ": %s", record->message);
}

static int add_details(struct deployments *deployments, const char *deployment_id,
	uint32_t position, const struct rollout_why *why, struct deployment_why *ret,
	struct error *err)
{
	struct diagnosis diagnosis = { why->event, &ret->text };

	ret->event = target_event_name(why->event);
	if (why->reason != REASON_EVENT_FAILED)
		return 1;
	if (store_read_events(deployments->store, deployment_id, position, add_diagnosis,
		    &diagnosis, err) < 0) {
		deployment_why_done(ret);
		return err ? err->code : -EIO;
	}
	return 1;
}

/* Which deployment has the host now, if that is why this one waits. */
static void add_holder(const struct deployment_target *target, struct buf *text)
{
	for (const struct deployment_target *other = target->host->open; other;
		other = other->next_of_host) {
		enum target_state state = other->deployment->targets[other->position].state;

		if (other != target && (state == TARGET_SENT || state == TARGET_RUNNING))
			buf_printf(text, " (deployment %s of %s/%s)",
				other->deployment->record.id,
				other->deployment->record.application_name,
				other->deployment->record.group_name);
	}
}

static int of_open_host(struct deployments *deployments, struct deployment *deployment,
	uint32_t position, struct deployment_why *ret, struct error *err)
{
	const struct rollout_why why = rollout_why_target(&deployment->rollout, position);

	*ret = from_rollout(&why);
	if (why.reason == REASON_HELD)
		add_holder(&deployment->hosts[position], &ret->text);
	return add_details(deployments, deployment->record.id, position, &why, ret, err);
}

static int of_ended_host(struct deployments *deployments,
	const struct deployment_record *record, const struct target_record *target,
	struct deployment_why *ret, struct error *err)
{
	struct target alone = target->target;
	struct rollout rollout = { 0 };
	struct rollout_why why;
	int r = rollout_read(&rollout, record->rollout, err);

	if (r < 0)
		return r;
	rollout.targets = &alone;
	rollout.n_targets = 1;
	why = rollout_why_target(&rollout, 0);
	*ret = from_rollout(&why);
	return add_details(deployments, record->id, target->position, &why, ret, err);
}

int deployment_why(struct deployments *deployments, const char *deployment_id,
	const char *host_name, struct deployment_why *ret, struct error *err)
{
	struct deployment *open = deployments_find(deployments, deployment_id);
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	struct target_record target = { 0 };
	int r = 1;

	if (host_name)
		r = store_find_target(
			deployments->store, deployment_id, host_name, &target, err);
	if (r <= 0)
		return r;
	if (open && host_name)
		return of_open_host(deployments, open, target.position, ret, err);
	if (open) {
		*ret = of_open(open);
		return 1;
	}
	r = store_find_deployment(deployments->store, deployment_id, &record, err);
	if (r <= 0)
		return r;
	return host_name ? of_ended_host(deployments, &record, &target, ret, err)
			 : of_ended(&record, ret, err);
}

json_t *deployment_why_to_json(const struct deployment_why *why)
{
	json_t *json = json_object();

	answer_text(json, "reason", why->reason);
	answer_text(json, "owner", why->owner);
	answer_text(json, "text", why->text.data);
	answer_text(json, "remedy", why->remedy);
	answer_text(json, "event", why->event);
	answer_time(json, "deadline", why->deadline_ms);
	return json;
}
