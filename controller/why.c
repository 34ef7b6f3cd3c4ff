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
#include "controller/deployment_why.h"
#include "controller/deployments.h"
#include "controller/desk.h"
#include "controller/fleet.h"
#include "controller/settings.h"

enum {
	LEAST_FREE_BYTES = 256 * 1024 * 1024,
	EXPIRES_SOON_MS = 14 * 24 * 3600 * 1000, /* two weeks */
};

/* What is not about a deployment: no event, and nothing to wait for. */
struct reason {
	const char *reason;
	const char *owner;
	const char *text;
	const char *remedy;
};

static const struct reason WELL = { "NONE", "NOBODY", "", "" };

static void answer_reason(struct call *call, const struct reason *reason, uint64_t deadline_ms)
{
	struct deployment_why why = { .reason = reason->reason,
		.owner = reason->owner,
		.remedy = reason->remedy,
		.deadline_ms = deadline_ms };

	buf_puts(&why.text, reason->text);
	call_answer(call, deployment_why_to_json(&why));
	deployment_why_done(&why);
}

/* host_name: NULL for the deployment itself. */
static void answer_deployment(struct call *call, const char *id, const char *host_name)
{
	struct error err = ERROR_NONE;
	struct deployment_why why;
	json_t *answer;
	int r = deployment_why(call_deployments(call), id, host_name, &why, &err);

	if (r < 0) {
		check_internal(call, &err);
		return;
	}
	if (r == 0 && host_name) {
		call_fail(call, "DeploymentTargetDoesNotExistException",
			"There is no deployment %s, or host %s has no part in it", id,
			host_name);
		return;
	}
	if (r == 0) {
		call_fail(call, "DeploymentDoesNotExistException",
			"The deployment %s could not be found", id);
		return;
	}
	answer = deployment_why_to_json(&why);
	if (host_name)
		answer_text(answer, "deploymentId", id);
	deployment_why_done(&why);
	call_answer(call, answer);
}

/* ---- a host */

static void answer_idle(struct call *call, const struct host *host)
{
	static const struct reason deregistered = { "HOST_DEREGISTERED", "OPERATOR",
		"the host was deregistered", "register it again if it shall be deployed to" };
	static const struct reason unheard = { "HOST_AWAY", "OPERATOR",
		"the host was not heard from since the controller started",
		"see that the host is on, its agent runs, and it reaches the controller" };
	static const struct reason away = { "HOST_AWAY", "OPERATOR",
		"the host has not been heard from lately",
		"see that the host is on, its agent runs, and it reaches the controller" };

	if (host->deregistered_ms)
		answer_reason(call, &deregistered, 0);
	else if (host->is_present)
		answer_reason(call, &WELL, 0);
	else
		answer_reason(call, host->heard_ms ? &away : &unheard, 0);
}

static void answer_host(struct call *call, const char *name)
{
	struct host *host = fleet_find_host(call_fleet(call), name);

	if (!host)
		call_fail(call, "InstanceNotRegisteredException",
			"No on-premises instance found for name: %s", name);
	else if (host->open)
		answer_deployment(call, host->open->deployment->record.id, name);
	else
		answer_idle(call, host);
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
	static const struct reason disk = { "DISK_SHORT", "OPERATOR",
		"the disk of the controller's directory is almost full: soon nothing can be "
		"changed",
		"free space on it, or make it larger" };
	static const struct reason writes = { "WRITES_FAILED", "OPERATOR",
		"the database could not be written to since the controller started",
		"see the controller's journal for the reason; it goes on by itself once "
		"writing works" };
	static const struct reason expiry = { "CERTIFICATE_EXPIRES", "OPERATOR",
		"a certificate runs out soon, or has; Status shows which",
		"put a new one in its place and reload droverd" };
	const struct desk *desk = call->parts->desk;
	uint64_t expires_ms = first_expiry_ms(call_settings(call));

	if (is_disk_short(call_settings(call)))
		answer_reason(call, &disk, 0);
	else if (desk && desk->turn.n_failures > 0)
		answer_reason(call, &writes, 0);
	else if (expires_ms < time_now_ms() + EXPIRES_SOON_MS)
		answer_reason(call, &expiry, expires_ms);
	else
		answer_reason(call, &WELL, 0);
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
	if (id)
		answer_deployment(call, id, name);
	else if (name)
		answer_host(call, name);
	else
		answer_controller(call);
}
