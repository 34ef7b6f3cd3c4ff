/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/why.h"

#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/check.h"
#include "controller/credential.h"
#include "controller/deployments.h"
#include "controller/desk.h"
#include "controller/fleet.h"
#include "controller/rollout_event.h"
#include "controller/rollout_text.h"
#include "controller/rollout_why.h"
#include "controller/settings.h"
#include "controller/store.h"

enum {
	LEAST_FREE_BYTES = 256 * 1024 * 1024,
	EXPIRES_SOON_MS = 14 * 24 * 3600 * 1000, /* two weeks */
};

static const char *const owners[] = {
	[OWNER_NOBODY] = "nobody",
	[OWNER_CONTROLLER] = "controller",
	[OWNER_HOST] = "host",
	[OWNER_OPERATOR] = "operator",
	[OWNER_NETWORK] = "network",
};

static json_t *describe(const char *state, const struct rollout_why *why)
{
	json_t *answer = json_object();

	answer_text(answer, "state", state);
	answer_text(answer, "reason", why->text);
	answer_text(answer, "owner", owners[why->owner]);
	answer_text(answer, "remedy", why->remedy);
	answer_text(answer, "errorCode", why->error_code);
	answer_time(answer, "deadline", why->deadline_ms);
	return answer;
}

static json_t *describe_target(const struct rollout *rollout, uint32_t position)
{
	static const char *const states[] = {
		[TARGET_PENDING] = "Pending",
		[TARGET_SENT] = "InProgress",
		[TARGET_RUNNING] = "InProgress",
		[TARGET_SUCCEEDED] = "Succeeded",
		[TARGET_FAILED] = "Failed",
		[TARGET_SKIPPED] = "Skipped",
	};
	struct rollout_why why = rollout_why_target(rollout, position);
	enum target_state state = rollout->targets[position].state;
	json_t *answer = describe(states[state], &why);

	if (state == TARGET_SENT || state == TARGET_RUNNING || state == TARGET_FAILED)
		answer_text(answer, "lifecycleEvent", target_event_name(why.event));
	return answer;
}

/* ---- one that is over: its rows have what the live state had */

/* 1, or 0 after the call was failed. */
static int find_record(struct call *call, const char *id, struct deployment_record *ret)
{
	struct error err = ERROR_NONE;
	int r = store_find_deployment(call_store(call), id, ret, &err);

	if (r == 0)
		call_fail(call, "DeploymentDoesNotExistException",
			"The deployment %s could not be found", id);
	if (r < 0)
		check_internal(call, &err);
	return r > 0;
}

static int read_rollout(struct call *call, const char *id, struct rollout *rollout,
	struct deployment_record *record)
{
	struct error err = ERROR_NONE;

	*rollout = (struct rollout){ 0 };
	if (!find_record(call, id, record))
		return 0;
	if (rollout_read(rollout, record->rollout, &err) == 0)
		return 1;
	deployment_record_done(record);
	check_internal(call, &err);
	return 0;
}

static void answer_ended(struct call *call, const char *id)
{
	struct deployment_record record = { 0 };
	struct rollout rollout;
	struct rollout_why why;
	json_t *answer;

	if (!read_rollout(call, id, &rollout, &record))
		return;
	why = rollout_why(&rollout);
	answer = describe(record.status, &why);
	answer_text(answer, "errorMessage", record.error_message);
	answer_text(answer, "rollbackMessage", record.rollback_message);
	deployment_record_done(&record);
	call_answer(call, answer);
}

static void answer_ended_target(struct call *call, const char *id, const char *host_name)
{
	struct deployment_record record = { 0 };
	struct error err = ERROR_NONE;
	struct target_record target;
	struct rollout rollout;
	int r;

	if (!read_rollout(call, id, &rollout, &record))
		return;
	r = store_find_target(call_store(call), id, host_name, &target, &err);
	if (r > 0) {
		rollout.targets = &target.target;
		rollout.n_targets = 1;
		call_answer(call, describe_target(&rollout, 0));
	} else if (r == 0) {
		call_fail(call, "DeploymentTargetDoesNotExistException",
			"Host %s has no part in deployment %s", host_name, id);
	} else {
		check_internal(call, &err);
	}
	deployment_record_done(&record);
}

/* ---- one that is open */

static void answer_deployment(struct call *call, const char *id)
{
	struct deployment *open = deployments_find(call_deployments(call), id);
	struct rollout_why why;

	if (!open) {
		answer_ended(call, id);
		return;
	}
	why = rollout_why(&open->rollout);
	call_answer(call, describe(open->record.status, &why));
}

static void answer_target(struct call *call, const char *id, const char *host_name)
{
	struct deployment *open = deployments_find(call_deployments(call), id);
	struct host *host = fleet_find_host(call_fleet(call), host_name);

	if (!open) {
		answer_ended_target(call, id, host_name);
		return;
	}
	for (const struct deployment_target *at = host ? host->open : NULL; at;
		at = at->next_of_host)
		if (at->deployment == open) {
			call_answer(call, describe_target(&open->rollout, at->position));
			return;
		}
	call_fail(call, "DeploymentTargetDoesNotExistException",
		"Host %s has no part in deployment %s", host_name, id);
}

/* ---- a host */

static void answer_idle(struct call *call, const struct host *host)
{
	struct rollout_why why = { .owner = OWNER_NOBODY, .text = "", .remedy = "" };
	const char *state = "Idle";

	if (host->deregistered_ms) {
		state = "Deregistered";
		why.text = "the host was deregistered";
	} else if (!host->is_present) {
		state = "Away";
		why.owner = OWNER_OPERATOR;
		why.text = host->heard_ms ? "the host has not been heard from lately"
					  : "the host was never heard from since the "
					    "controller started";
		why.remedy = "look whether it is on, whether its agent runs, and whether it "
			     "reaches the controller";
	}
	call_answer(call, describe(state, &why));
}

static void answer_host(struct call *call, const char *name)
{
	struct host *host = fleet_find_host(call_fleet(call), name);
	json_t *answer;

	if (!host) {
		call_fail(call, "InstanceNotRegisteredException",
			"No on-premises instance found for name: %s", name);
		return;
	}
	if (!host->open) {
		answer_idle(call, host);
		return;
	}
	answer = describe_target(&host->open->deployment->rollout, host->open->position);
	answer_text(answer, "deploymentId", host->open->deployment->record.id);
	call_answer(call, answer);
}

/* ---- the controller */

static bool is_disk_short(const struct settings *settings)
{
	struct statvfs info;

	return statvfs(settings->directory, &info) == 0 &&
	       (uint64_t)info.f_bavail * info.f_frsize < LEAST_FREE_BYTES;
}

static uint64_t first_expiry_ms(const struct settings *settings)
{
	const char *const paths[] = { settings->ca_certificate, settings->server_certificate,
		settings->signing_certificate, settings->aws_signing_certificate };
	uint64_t first_ms = UINT64_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct credential credential = { 0 };
		uint64_t at_ms = 0;

		if (credential_load_certificates(&credential, paths[i], NULL) == 0)
			at_ms = credential_expires_ms(&credential);
		credential_done(&credential);
		if (at_ms > 0 && at_ms < first_ms)
			first_ms = at_ms;
	}
	return first_ms;
}

/* The worst first. */
static void answer_controller(struct call *call)
{
	const struct settings *settings = call_settings(call);
	uint64_t expires_ms = first_expiry_ms(settings);
	struct rollout_why why = { .owner = OWNER_NOBODY, .text = "", .remedy = "" };
	const char *state = "Well";

	if (is_disk_short(settings)) {
		state = "DiskShort";
		why.owner = OWNER_OPERATOR;
		why.text = "the disk of the controller's directory is almost full: soon "
			   "nothing can be changed";
		why.remedy = "free space on it, or make it larger";
	} else if (call->parts->desk && call->parts->desk->turn.n_failures > 0) {
		state = "WritesFailed";
		why.owner = OWNER_OPERATOR;
		why.text = "the database could not be written to since the controller started";
		why.remedy = "see the controller's journal for the reason; it goes on by "
			     "itself once writing works";
	} else if (expires_ms < time_now_ms() + EXPIRES_SOON_MS) {
		state = "CertificateExpires";
		why.owner = OWNER_OPERATOR;
		why.text = "a certificate runs out soon, or has (Status shows which)";
		why.remedy = "put a new one in its place and reload droverd";
		why.deadline_ms = expires_ms;
	}
	call_answer(call, describe(state, &why));
}

void why_answer(struct call *call)
{
	const char *id = NULL;
	struct check check;
	const char *name;

	check_init(&check, call);
	if (check_has(call->input, "deploymentId"))
		id = check_deployment_id(&check);
	name = check_name_member(&check, &HOST_NAME, "instanceName");
	if (!check_passed(&check))
		return;
	if (id && name)
		answer_target(call, id, name);
	else if (id)
		answer_deployment(call, id);
	else if (name)
		answer_host(call, name);
	else
		answer_controller(call);
}
