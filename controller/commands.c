/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/protocol.h"
#include "controller/call.h"
#include "controller/clock.h"
#include "controller/delivery.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/order.h"
#include "controller/polls.h"
#include "controller/presence.h"
#include "controller/report.h"
#include "controller/settings.h"
#include "controller/specification.h"

struct commands {
	struct fleet *fleet;
	struct store *store;
	const struct settings *settings;
	struct deployments *deployments;
	struct presence *presence;
	struct polls polls;
	struct orders orders;
	struct deployments_listener listener;
	struct host *completing; /* its answer may carry the next command: not woken now */
};

/* ---- who asks */

static void refuse_stranger(struct call *call)
{
	const struct key *key = call->who.key;

	if (key && key->user_arn[0])
		call_fail(call, "ClientException",
			"%s is not registered as a host (any more): register it with `aws "
			"deploy "
			"register-on-premises-instance --instance-name NAME --iam-user-arn %s`",
			key->user_arn, key->user_arn);
	else
		call_fail_status(call, 403, "AccessDeniedException",
			"%s is for the agents of hosts: call it with the key of a registered "
			"host",
			call->operation);
}

/* Only a version that is a number says that the agent is ours. */
static bool is_ours(const struct call *call)
{
	const char *version = call->extensions;
	size_t n = version ? strspn(version, "0123456789") : 0;

	return n >= 1 && n <= 3 && !version[n] && version[0] != '0';
}

/* The host that calls, or NULL, after which the call is over. */
static struct host *identify(struct call *call)
{
	const struct key *key = call->who.key;
	struct host *host = call->who.host;

	if (!host && key && key->user_arn[0])
		host = fleet_find_host_by_arn(call_fleet(call), key->user_arn);
	if (!host || host->deregistered_ms > 0) {
		refuse_stranger(call);
		return NULL;
	}
	return host;
}

static void heard(const struct call *call, struct host *host)
{
	presence_heard(call_commands(call)->presence, host, is_ours(call), call->now_ms);
}

/* A string that must be there, or NULL, after which the call is over. */
static const char *get_text(struct call *call, const char *member)
{
	struct error err = ERROR_NONE;
	const char *text = NULL;

	if (json_get_string(call->input, member, &text, &err) < 0)
		call_fail(call, "ClientException", "%s: %s", call->operation, err.text);
	return text;
}

/* Where the request names a host too, it must be the one whose key it bears. */
static struct host *identify_named(struct call *call)
{
	struct host *host = identify(call);
	const char *name = host ? get_text(call, "HostIdentifier") : NULL;

	if (!name)
		return NULL;
	if (strcmp(name, host->iam_arn) != 0) {
		call_fail_status(call, 403, "AccessDeniedException",
			"the request is signed with the key of %s, but its HostIdentifier is "
			"%.300s: give each host the key and the iam_user_arn of its own",
			host->iam_arn, name);
		return NULL;
	}
	return host;
}

/* ---- handing out */

static struct deployment_target *command_due(
	const struct commands *commands, const struct host *host, uint64_t now_ms)
{
	uint64_t due_ms = 0;
	struct deployment_target *target = delivery_next(commands->deployments, host, &due_ms);

	return target && due_ms <= now_ms ? target : NULL;
}

static json_t *hand_out(
	struct commands *commands, struct deployment_target *target, uint64_t now_ms)
{
	const char *deployment_id = target->deployment->record.id;
	const char *event = target_event_name(deployment_target_event(target));
	char execution[EXECUTION_ID_LENGTH + 1];
	const struct delivery *delivery;

	specification_execution_id(commands->settings, deployment_id, execution);
	if (target->n_deliveries > 0)
		log_info("deployment %s: host %s has not acknowledged %s, which it is given "
			 "again",
			deployment_id, target->host->name, event);
	delivery = delivery_add(target, commands->store, now_ms);
	return json_pack("{s:{s:s, s:s, s:s, s:s}}", "HostCommand", "HostCommandIdentifier",
		delivery->id, "HostIdentifier", target->host->iam_arn, "DeploymentExecutionId",
		execution, "CommandName", event);
}

/* A parked poll is answered if there is something for it. */
static void wake(struct commands *commands, struct host *host, uint64_t now_ms)
{
	struct deployment_target *target = NULL;

	if (host->parked && host != commands->completing)
		target = command_due(commands, host, now_ms);
	if (target)
		call_answer(polls_take(&commands->polls, host, now_ms),
			hand_out(commands, target, now_ms));
}

static void on_command(struct deployments_listener *listener, struct host *host)
{
	struct commands *commands = container_of(listener, struct commands, listener);

	wake(commands, host, core_clock_now_ms(commands->polls.clock));
}

/* No agent can be told yet: a late acknowledgement or result finds its delivery gone. */
static void on_withdrawn(
	struct deployments_listener *listener, struct deployment_target *target)
{
	(void)listener;
	(void)target;
}

static void on_due(struct polls *polls, struct host *host, uint64_t now_ms)
{
	wake(container_of(polls, struct commands, polls), host, now_ms);
}

/* ---- PollHostCommand */

/* AWS's 1.8 takes 80 s of silence for a failure, and then stays away for a while. */
enum { AWS_POLL_MS = 70 * 1000 };

static void park(struct commands *commands, struct call *call, struct host *host)
{
	uint64_t wait_ms = commands->settings->long_poll_ms;
	uint64_t due_ms = UINT64_MAX;

	(void)delivery_next(commands->deployments, host, &due_ms);
	if (!host->is_ours && wait_ms > AWS_POLL_MS)
		wait_ms = AWS_POLL_MS;
	if (wait_ms == 0)
		call_answer(call, NULL);
	else
		polls_park(&commands->polls, host, call, call->now_ms + wait_ms, due_ms);
}

static void poll_host_command(struct call *call)
{
	struct commands *commands = call_commands(call);
	struct host *host = identify_named(call);
	struct deployment_target *target;

	if (!host)
		return;
	/* Who asks anew has given up the one before; a command must not go there. */
	if (host->parked)
		call_answer(polls_take(&commands->polls, host, call->now_ms), NULL);
	heard(call, host);
	target = command_due(commands, host, call->now_ms);
	if (target)
		call_answer(call, hand_out(commands, target, call->now_ms));
	else
		park(commands, call, host);
}

/* ---- GetDeploymentSpecification */

static struct deployment_target *find_target(const struct host *host, const char *deployment_id)
{
	struct deployment_target *target = host->open;

	while (target && strcmp(target->deployment->record.id, deployment_id) != 0)
		target = target->next_of_host;
	return target;
}

static bool is_outstanding(const struct deployment_target *target)
{
	enum target_state state = target->deployment->targets[target->position].state;

	return state == TARGET_SENT || state == TARGET_RUNNING;
}

/* Of no deployment that ended: what was signed once more could be run once more. */
static struct deployment_target *get_target(struct call *call, const struct host *host)
{
	const char *execution = get_text(call, "DeploymentExecutionId");
	char id[DEPLOYMENT_ID_LENGTH + 1];
	struct error err = ERROR_NONE;
	struct deployment_target *target;

	if (!execution)
		return NULL;
	if (specification_parse_execution_id(execution, id, sizeof(id), &err) < 0) {
		call_fail(call, "ClientException", "%s", err.text);
		return NULL;
	}
	target = find_target(host, id);
	if (target && (!is_ours(call) || is_outstanding(target)))
		return target;
	call_fail(call, "ClientException",
		"deployment %s has nothing to do on %s: it has ended, or it did not select "
		"this host",
		id, host->name);
	return NULL;
}

static void fail_order(struct call *call, const struct deployment_target *target, int r,
	const struct error *err)
{
	log_warning("deployment %s: host %s gets no specification: %s",
		target->deployment->record.id, target->host->name, err->text);
	if (r == -EINVAL)
		call_fail(call, "ClientException", "%s", err->text);
	else
		call_fail_status(call, 500, "ServerException", "%s", err->text);
}

static void answer_order(struct call *call, const char *format, const char *payload)
{
	call_answer(call, json_pack("{s:s, s:{s:{s:s, s:s}}}", "DeploymentSystem", "CodeDeploy",
				  "DeploymentSpecification", "GenericEnvelope", "Format",
				  format, "Payload", payload));
}

static void get_deployment_specification(struct call *call)
{
	struct orders *orders = &call_commands(call)->orders;
	struct host *host = identify_named(call);
	struct deployment_target *target;
	cleanup_with(freep) char *own = NULL;
	const char *shared = NULL;
	struct error err = ERROR_NONE;
	int r;

	if (!host)
		return;
	heard(call, host);
	target = get_target(call, host);
	if (!target)
		return;
	if (is_ours(call))
		r = order_for_ours(orders, target, call->now_ms, &own, &err);
	else
		r = order_for_aws(orders, target, call->now_ms, &shared, &err);
	if (r < 0)
		fail_order(call, target, r, &err);
	else
		answer_order(call, own ? PROTOCOL_FORMAT_OURS : PROTOCOL_FORMAT_AWS,
			own ? own : shared);
}

/* ---- PutHostCommandAcknowledgement */

static void answer_status(struct call *call, const char *status)
{
	call_answer(call, json_pack("{s:s}", "CommandStatus", status));
}

static void put_host_command_acknowledgement(struct call *call)
{
	struct commands *commands = call_commands(call);
	struct host *host = identify(call);
	const char *id = host ? get_text(call, "HostCommandIdentifier") : NULL;
	struct deployment_target *target;
	struct delivery *delivery;
	const struct delivery *command;

	if (!id)
		return;
	heard(call, host);
	delivery = delivery_find(host, id, &target);
	command = delivery ? delivery_of_command(target) : NULL;
	if (!delivery) {
		answer_status(call, "Failed"); /* given up, or over */
	} else if (!command) {
		delivery_acknowledge(target, delivery,
			report_is_noop(json_object_get(call->input, "Diagnostics")),
			commands->store);
		deployments_event_started(commands->deployments, target, call->now_ms);
		answer_status(call, "InProgress");
	} else {
		/* The same once more since our answer was lost, or another delivery. */
		answer_status(call, command == delivery ? "InProgress" : "Succeeded");
	}
}

/* ---- PutHostCommandComplete */

static int get_status(struct call *call, enum event_status *ret)
{
	const char *status = get_text(call, "CommandStatus");

	if (!status)
		return -EINVAL;
	if (strcmp(status, "Succeeded") == 0) {
		*ret = EVENT_STATUS_SUCCEEDED;
	} else if (strcmp(status, "Failed") == 0) {
		*ret = EVENT_STATUS_FAILED;
	} else {
		call_fail(call, "ClientException",
			"CommandStatus is \"%.40s\": a command completes as Succeeded or "
			"Failed",
			status);
		return -EINVAL;
	}
	return 0;
}

/* The target may be gone afterwards, with its deployment. */
static void end_event(struct commands *commands, const struct call *call,
	struct deployment_target *target, enum event_status status)
{
	struct event_record record = { .event = deployment_target_event(target),
		.status = status };

	report_read(json_object_get(call->input, "Diagnostics"),
		status == EVENT_STATUS_SUCCEEDED, &record);
	deployments_event_ended(commands->deployments, target, &record, call->now_ms);
	event_record_done(&record);
}

/* One of ours gets the next command with the answer; one of AWS's may have a poll parked. */
static void answer_complete(struct commands *commands, struct call *call, struct host *host)
{
	struct deployment_target *target = NULL;
	uint64_t now_ms = call->now_ms; /* an answered call may be gone */

	if (is_ours(call))
		target = command_due(commands, host, now_ms);
	call_answer(call, target ? hand_out(commands, target, now_ms) : NULL);
	if (!target)
		wake(commands, host, now_ms);
}

static void put_host_command_complete(struct call *call)
{
	struct commands *commands = call_commands(call);
	struct host *host = identify(call);
	const char *id = host ? get_text(call, "HostCommandIdentifier") : NULL;
	struct deployment_target *target;
	const struct delivery *delivery;
	const struct delivery *command;
	enum event_status status;

	if (!id || get_status(call, &status) < 0)
		return;
	commands->completing = host;
	heard(call, host);
	delivery = delivery_find(host, id, &target);
	command = delivery ? delivery_of_command(target) : NULL;
	/*
	 * A second result finds no delivery, since the first one ended the event. That of a
	 * delivery which is not the command says only that the agent could not begin it. One
	 * that was never acknowledged counts: AWS's 1.8 fails so before it does anything.
	 */
	if (delivery && (!command || command == delivery))
		end_event(commands, call, target, status);
	commands->completing = NULL;
	answer_complete(commands, call, host);
}

/* ---- PostHostCommandUpdate */

static void post_host_command_update(struct call *call)
{
	struct host *host = identify(call);

	if (!host || !get_text(call, "HostCommandIdentifier"))
		return;
	heard(call, host);
	call_answer(call, NULL);
}

const struct operation command_operations[] = {
	{ "PollHostCommand", poll_host_command, false },
	{ "GetDeploymentSpecification", get_deployment_specification, false },
	{ "PutHostCommandAcknowledgement", put_host_command_acknowledgement, false },
	{ "PutHostCommandComplete", put_host_command_complete, false },
	{ "PostHostCommandUpdate", post_host_command_update, false },
	{ NULL, NULL, false },
};

/* ---- the service */

struct commands *commands_new(struct loop *loop, struct fleet *fleet, struct store *store,
	const struct settings *settings, const struct core_clock *clock, struct signer *signer)
{
	struct commands *commands = xcalloc(1, sizeof(*commands));

	commands->fleet = fleet;
	commands->store = store;
	commands->settings = settings;
	commands->polls = (struct polls){ .loop = loop, .clock = clock, .on_due = on_due };
	commands->orders = (struct orders){
		.signer = signer, .store = store, .settings = settings
	};
	commands->listener = (struct deployments_listener){ .on_command = on_command,
		.on_withdrawn = on_withdrawn };
	return commands;
}

struct deployments_listener *commands_listener(struct commands *commands)
{
	return &commands->listener;
}

void commands_open(struct commands *commands, struct deployments *deployments)
{
	struct polls *polls = &commands->polls;

	commands->deployments = deployments;
	commands->orders.deployments = deployments;
	commands->presence = presence_new(
		polls->loop, polls->clock, &commands->settings->presence, deployments);
	polls->presence = commands->presence;
	presence_open(commands->presence, commands->fleet);
}

void commands_free(struct commands *commands)
{
	if (!commands)
		return;
	polls_done(&commands->polls);
	presence_free(commands->presence);
	free(commands);
}

void commands_freep(struct commands **commands)
{
	commands_free(*commands);
}

void commands_host_deregistered(struct commands *commands, struct host *host, uint64_t now_ms)
{
	struct call *call;

	if (!commands)
		return;
	call = polls_take(&commands->polls, host, now_ms);
	if (call)
		call_fail(call, "ClientException",
			"host %s was deregistered: stop its agent, or register it again with "
			"`aws deploy register-on-premises-instance`",
			host->name);
	presence_forget(commands->presence, host, now_ms);
}
