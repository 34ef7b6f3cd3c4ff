/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_why.h"

#include "controller/rollout_internal.h"

static const struct row {
	enum rollout_owner owner;
	const char *error_code;
	const char *text;
	const char *remedy;
} rows[N_ROLLOUT_REASONS] = {
	/* clang-format off */
	[REASON_NONE] = { OWNER_NOBODY, NULL, "", "" },
	[REASON_NOT_BEGUN] = { OWNER_CONTROLLER, NULL, "it was created and has not started", "" },
	[REASON_HOSTS_UNDER_WAY] = { OWNER_HOST, NULL, "hosts are under way", "" },
	[REASON_TURN] = { OWNER_CONTROLLER, NULL,
		"as many hosts are under way as the minimum of healthy hosts allows", "" },
	[REASON_PAUSED] = { OWNER_OPERATOR, NULL, "the deployment is paused", "resume or stop it" },
	[REASON_STRANDED] = { OWNER_NETWORK, NULL, "many hosts vanished at once",
		"it goes on when they are back; resume it to go on without them, or stop it" },
	[REASON_HELD] = { OWNER_OPERATOR, NULL,
		"the host is held, or busy with another deployment", "release it, or wait for the other one" },
	[REASON_DRAINING] = { OWNER_HOST, "HEALTH_CONSTRAINTS",
		"too many hosts failed; those under way go on to their end", "stop it to end them earlier" },
	[REASON_STOPPING] = { OWNER_HOST, NULL, "it was stopped; events under way go on to their end", "" },
	[REASON_COMMAND_NOT_TAKEN] = { OWNER_HOST, NULL, "the agent has not taken the command yet",
		"see that the agent runs and reaches the controller" },
	[REASON_EVENT_UNDER_WAY] = { OWNER_HOST, NULL, "the event is under way", "" },
	[REASON_TRAFFIC_SHIFTS] = { OWNER_CONTROLLER, NULL, "the load balancer shifts traffic", "" },
	[REASON_HOST_AWAY] = { OWNER_HOST, NULL, "the host is gone",
		"bring it back, or take it out of the group" },
	[REASON_HEALTH_CONSTRAINTS] = { OWNER_OPERATOR, "HEALTH_CONSTRAINTS",
		"too many hosts failed to keep the minimum of healthy hosts", "see why the first host failed" },
	[REASON_HEALTH_CONSTRAINTS_INVALID] = { OWNER_OPERATOR, "HEALTH_CONSTRAINTS_INVALID",
		"the minimum of healthy hosts leaves none to deploy to", "lower the minimum, or add hosts" },
	[REASON_NO_INSTANCES] = { OWNER_OPERATOR, "NO_INSTANCES",
		"the deployment group selects no host", "compare the group's tags with the hosts'" },
	[REASON_NO_HOST_PRESENT] = { OWNER_HOST, "AGENT_ISSUE", "none of its hosts is present",
		"see that the agents run and reach the controller, then deploy again" },
	[REASON_TIMEOUT] = { OWNER_OPERATOR, "TIMEOUT", "the deployment's time was over",
		"see which host held it up, then deploy again" },
	[REASON_MANUAL_STOP] = { OWNER_OPERATOR, "MANUAL_STOP", "the deployment was stopped",
		"deploy again to unite the hosts" },
	[REASON_EVENT_FAILED] = { OWNER_OPERATOR, NULL, "the event failed on the host",
		"read the event's diagnostics and the host's log" },
	[REASON_AGENT_SILENT] = { OWNER_HOST, NULL, "the agent did not take the command in time",
		"see that the agent runs and can do its work" },
	[REASON_EVENT_TIMED_OUT] = { OWNER_HOST, NULL, "the agent did not report the event's end in time",
		"see what hangs on the host" },
	[REASON_TRAFFIC_TIMED_OUT] = { OWNER_OPERATOR, NULL, "the load balancer did not shift traffic in time",
		"see the load balancer's health checks of the host" },
	[REASON_HOST_GONE] = { OWNER_HOST, NULL, "the host was gone",
		"bring it back and deploy again, or take it out of the group" },
	/* clang-format on */
};

static struct rollout_why why(enum rollout_reason reason)
{
	const struct row *row = &rows[reason];

	return (struct rollout_why){ .reason = reason,
		.owner = row->owner,
		.text = row->text,
		.remedy = row->remedy,
		.error_code = row->error_code };
}

static enum rollout_reason rolling_reason(const struct rollout *rollout)
{
	if (rollout->stranded)
		return REASON_STRANDED;
	if (rollout->paused)
		return REASON_PAUSED;
	if (rollout_health(rollout).n_under_way == 0)
		return REASON_HELD;
	return REASON_HOSTS_UNDER_WAY;
}

static enum rollout_reason reason_of(const struct rollout *rollout)
{
	switch (rollout->phase) {
	case PHASE_CREATED:
		return rollout->paused ? REASON_PAUSED : REASON_NOT_BEGUN;
	case PHASE_ROLLING:
		return rolling_reason(rollout);
	case PHASE_DRAINING:
		return REASON_DRAINING;
	case PHASE_STOPPING:
		return REASON_STOPPING;
	case PHASE_SUCCEEDED:
	case PHASE_FAILED:
	case PHASE_STOPPED:
		return rollout->reason;
	}
	__builtin_unreachable();
}

struct rollout_why rollout_why(const struct rollout *rollout)
{
	struct rollout_why ret = why(reason_of(rollout));

	ret.deadline_ms = rollout_deadline(rollout);
	return ret;
}

static enum rollout_reason pending_reason(
	const struct rollout *rollout, const struct target *target)
{
	if (rollout->phase == PHASE_CREATED)
		return REASON_NOT_BEGUN;
	if (target->held)
		return REASON_HELD;
	if (target->gone && rollout->config.unreachable == UNREACHABLE_SKIP)
		return REASON_HOST_AWAY;
	if (rollout->stranded)
		return REASON_STRANDED;
	return rollout->paused ? REASON_PAUSED : REASON_TURN;
}

static enum rollout_reason target_reason(
	const struct rollout *rollout, const struct target *target)
{
	switch (target->state) {
	case TARGET_PENDING:
		return pending_reason(rollout, target);
	case TARGET_SENT:
		return target->gone ? REASON_HOST_AWAY : REASON_COMMAND_NOT_TAKEN;
	case TARGET_RUNNING:
		if (target_event_is_traffic(target_event_of(rollout, target)))
			return REASON_TRAFFIC_SHIFTS;
		return target->gone ? REASON_HOST_AWAY : REASON_EVENT_UNDER_WAY;
	case TARGET_SUCCEEDED:
	case TARGET_FAILED:
	case TARGET_SKIPPED:
		return target->reason;
	}
	__builtin_unreachable();
}

struct rollout_why rollout_why_target(const struct rollout *rollout, uint32_t target)
{
	const struct target *of = &rollout->targets[target];
	struct rollout_why ret = why(target_reason(rollout, of));

	ret.event = target_event_of(rollout, of);
	if (of->state < TARGET_SUCCEEDED)
		ret.deadline_ms = of->deadline_ms ? of->deadline_ms : rollout_end_ms(rollout);
	return ret;
}
