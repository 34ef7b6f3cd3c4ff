/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "fleet.h"
#include "host.h"
#include "kind.h"

#define UNKNOWN_ERROR 5

static void fetch_specification(struct command *command);
static void on_acknowledged(struct call *call, const struct call_result *result);
static void on_completed(struct call *call, const struct call_result *result);
static void complete(struct command *command);

void command_free(struct command *command)
{
	struct host *host = command->host;
	struct command **at = &host->commands;

	while (*at != command)
		at = &(*at)->next;
	*at = command->next;
	reactor_timer_stop(host->fleet->reactor, &command->timer);
	call_stop(&command->call);
	free(command->id);
	free(command->execution);
	free(command->event);
	free(command->deployment);
	free(command->revision);
	free(command->why);
	free(command);
	host_command_over(host);
}

json_t *command_diagnostics(
	int error_code, const char *script, const char *message, const char *log)
{
	cleanup_with(json_decrefp)
		json_t *payload = json_pack("{s:i, s:s, s:s, s:s}", "error_code", error_code,
			"script_name", script, "message", message, "log", log);
	cleanup_with(freep) char *text = json_dumps(payload, 0);

	return json_pack("{s:s, s:s}", "Format", "JSON", "Payload", text);
}

/* ---- crashes */

static bool crashes(struct command *command, enum crash point)
{
	struct host *host = command->host;

	if (command->behaviour.crash != point)
		return false;
	command->behaviour.crash = CRASH_NOT;
	host_crash(host, command->behaviour.is_silent, command->behaviour.return_us);
	return true;
}

/* ---- the end */

static void remember(struct command *command, bool succeeded)
{
	struct host *host = command->host;
	struct trace *trace;

	if (!host->manner.kind->remembers)
		return;
	trace = xcalloc(1, sizeof(*trace));
	trace->command = xstrdup(command->id);
	trace->outcome = xstrdup(succeeded ? "Succeeded" : "Failed");
	trace->next = host->finished;
	host->finished = trace;
}

static bool is_failure(const struct command *command)
{
	return command->why || (command->behaviour.fails && !command->is_refused);
}

static json_t *diagnostics_of(const struct command *command)
{
	const struct behaviour *behaviour = &command->behaviour;
	const struct kind *kind = command->host->manner.kind;
	char note[120];

	if (command->why)
		return command_diagnostics(UNKNOWN_ERROR, "", command->why, "");
	if (is_failure(command) && command->fails_again)
		return command_diagnostics(UNKNOWN_ERROR, "", behaviour->message, "");
	if (is_failure(command))
		return command_diagnostics(behaviour->error_code, behaviour->script,
			behaviour->message, behaviour->log);
	(void)snprintf(note, sizeof(note), "%s%s%s", kind->success,
		command->is_refused && !strchr(kind->success, ' ') ? ": " : "",
		command->is_refused ? "CompletedNoopCommand" : "");
	return command_diagnostics(0, "", note, "");
}

static void complete(struct command *command)
{
	command->state = COMMAND_COMPLETION;
	if (crashes(command, CRASH_BEFORE_COMPLETION))
		return;
	command->call.loses_answer = command->behaviour.lost & LOST_COMPLETION;
	command->behaviour.lost &= ~(unsigned)LOST_COMPLETION;
	call_start(&command->call, command->host, OPERATION_COMPLETE,
		json_pack("{s:s, s:o, s:s}", "CommandStatus",
			is_failure(command) ? "Failed" : "Succeeded", "Diagnostics",
			diagnostics_of(command), "HostCommandIdentifier", command->id),
		on_completed);
}

/* answer: to its completion; for ours it may have the next command. */
static void finish(struct command *command, const json_t *answer)
{
	struct host *host = command->host;
	struct fleet *fleet = host->fleet;
	const json_t *next = json_object_get(answer, "HostCommand");

	if (is_failure(command))
		fleet->counts.failed++;
	else
		fleet->counts.succeeded++;
	command_free(command);
	if (!json_is_object(next))
		return;
	if (!host->manner.kind->is_ours) {
		host_note(host, NULL, "malformed", "a completion's answer has a command");
		return;
	}
	reactor_timer_stop(fleet->reactor, &host->wake);
	command_deliver(host, next);
	host_command_over(host); /* should it not have been taken up */
}

static void on_completed(struct call *call, const struct call_result *result)
{
	struct command *command = container_of(call, struct command, call);
	const struct kind *kind = command->host->manner.kind;

	if (result->why && !is_failure(command) && kind->reports_failures_twice) {
		/* A success that could not be said becomes a failure, said twice. */
		host_note(command->host, command, "not-reported", result->why);
		command->why = xstrdup(result->why);
		complete(command);
		return;
	}
	host_note(command->host, command, result->why ? "not-reported" : "completed",
		result->why           ? result->why
		: is_failure(command) ? "Failed"
				      : "Succeeded");
	if (crashes(command, CRASH_AFTER_COMPLETION))
		return;
	if (is_failure(command) && kind->reports_failures_twice && !command->fails_again) {
		command->fails_again = true;
		complete(command);
		return;
	}
	finish(command, result->body);
}

/* ---- the event */

static void on_ran(struct reactor_timer *timer)
{
	struct command *command = container_of(timer, struct command, timer);

	host_note(command->host, command, "ran", is_failure(command) ? "Failed" : "Succeeded");
	if (strcmp(command->event, "Install") == 0 && !is_failure(command))
		command->host->has_bundle = true;
	remember(command, !is_failure(command));
	complete(command);
}

static void run(struct command *command)
{
	struct fleet *fleet = command->host->fleet;

	command->state = COMMAND_RUNNING;
	if (crashes(command, CRASH_AFTER_ACKNOWLEDGEMENT))
		return;
	host_note(command->host, command, "started", NULL);
	reactor_timer_set(fleet->reactor, &command->timer,
		fleet_draw_us(fleet, &command->behaviour.delay), on_ran);
}

void command_resume(struct command *command)
{
	if (command->state == COMMAND_RUNNING)
		reactor_timer_set(command->host->fleet->reactor, &command->timer, 0, on_ran);
	else
		complete(command);
}

/* ---- specification and acknowledgement */

/* Before the acknowledgement: agent 1.8 reports it, once; agent 2 writes it to its log. */
static void fail_early(struct command *command, const char *why)
{
	host_note(command->host, command, "early-failure", why);
	if (!command->host->manner.kind->reports_early_failures) {
		command_free(command);
		return;
	}
	command->why = xstrdup(why);
	command->fails_again = true;
	complete(command);
}

static void acknowledge(struct command *command)
{
	const char *noop = command->is_noop ? "{\"IsCommandNoop\":true}"
					    : "{\"IsCommandNoop\":false}";

	if (crashes(command, CRASH_BEFORE_ACKNOWLEDGEMENT))
		return;
	if (command->behaviour.garbage)
		call_garbage(command->host, command->behaviour.garbage);
	command->state = COMMAND_ACKNOWLEDGEMENT;
	command->call.loses_answer = command->behaviour.lost & LOST_ACKNOWLEDGEMENT;
	command->behaviour.lost &= ~(unsigned)LOST_ACKNOWLEDGEMENT;
	call_start(&command->call, command->host, OPERATION_ACKNOWLEDGE,
		json_pack("{s:{s:s, s:s}, s:s}", "Diagnostics", "Format", "JSON", "Payload",
			noop, "HostCommandIdentifier", command->id),
		on_acknowledged);
}

static void on_acknowledged(struct call *call, const struct call_result *result)
{
	struct command *command = container_of(call, struct command, call);
	const char *status;

	if (result->why) {
		fail_early(command, result->why);
		return;
	}
	status = json_string_value(json_object_get(result->body, "CommandStatus"));
	host_note(command->host, command, "acknowledged", status ? status : "");
	if (status && strcmp(status, "Succeeded") == 0) {
		command_free(command); /* somebody else has it, or it is over: no word */
	} else if (status && strcmp(status, "Failed") == 0) {
		command->is_refused = true;
		command->state = COMMAND_SPECIFICATION;
		fetch_specification(command);
	} else {
		run(command);
	}
}

/* Agent 1.8 looks for a script of the event in the bundle that it would use. */
static bool is_noop(const struct command *command)
{
	const struct host *host = command->host;

	if (strcmp(command->event, "DownloadBundle") == 0 ||
		strcmp(command->event, "Install") == 0)
		return false;
	if (command->behaviour.noop >= 0)
		return command->behaviour.noop == 1;
	return host->manner.kind->knows_noop && !host->has_bundle &&
	       strcmp(command->event, "ApplicationStop") == 0;
}

static void decide(struct command *command, const struct order *order)
{
	struct host *host = command->host;
	struct occasion occasion = {
		.host = host->name,
		.host_index = host->index,
		.event = command->event,
		.revision = order->revision,
		.creator = order->creator,
	};

	command->deployment = xstrdup(order->deployment);
	command->revision = xstrdup(order->revision);
	scenario_behaviour(host->fleet->scenario, &occasion, &command->behaviour);
	command->is_noop = is_noop(command);
	host_note(host, command, "specified", command->is_noop ? "noop" : NULL);
	acknowledge(command);
}

static void replace(char **text, const char *by)
{
	free(*text);
	*text = xstrdup(by);
}

/* An order of ours must be newer than any before; one that is not was recorded and played
 * again. */
static bool keep_order(struct command *command, const struct specification *specification)
{
	const json_t *ours = json_object_get(specification->content, "Drover");
	int64_t sequence = json_integer_value(json_object_get(ours, "Sequence"));
	struct order *order = &command->host->order;

	if (specification->is_ours && sequence <= order->sequence)
		return false;
	order->sequence = sequence;
	replace(&order->execution, command->execution);
	replace(&order->deployment, specification->deployment);
	replace(&order->revision, specification->revision);
	replace(&order->creator, specification->creator);
	return true;
}

static bool may_believe(struct command *command, const struct specification *specification)
{
	if (specification->is_signed)
		return true;
	command->host->fleet->counts.unsigned_specifications++;
	return !command->host->manner.kind->checks_signature;
}

static void on_specification(struct call *call, const struct call_result *result)
{
	struct command *command = container_of(call, struct command, call);
	struct host *host = command->host;
	const struct specification_reader reader = {
		.host_identifier = host->arn,
		.execution = command->execution,
		.event = command->event,
		.is_ours = host->manner.kind->is_ours,
	};
	const struct specification *specification;
	struct error err = ERROR_NONE;

	if (command->is_refused) {
		/* The controller has given up; a command without a script is settled anyway. */
		if (command->is_noop)
			complete(command);
		else
			command_free(command);
	} else if (result->why) {
		fail_early(command, result->why);
	} else if (specification_read(&host->fleet->specifications, result->body, &reader,
			   &specification, &err) < 0) {
		fail_early(command, err.text);
	} else if (!may_believe(command, specification)) {
		fail_early(command, "the specification's signature is wrong");
	} else if (!keep_order(command, specification)) {
		fail_early(command, "the order is not newer than the one before");
	} else {
		decide(command, &host->order);
	}
}

static void fetch_specification(struct command *command)
{
	call_start(&command->call, command->host, OPERATION_SPECIFICATION,
		json_pack("{s:s, s:s}", "DeploymentExecutionId", command->execution,
			"HostIdentifier", command->host->arn),
		on_specification);
}

/* ---- delivery */

static bool is_known(struct host *host, const char *id)
{
	if (!host->manner.kind->skips_running)
		return false;
	for (struct command *command = host->commands; command; command = command->next)
		if (strcmp(command->id, id) == 0)
			return true;
	return false;
}

static bool is_well_formed(struct host *host, const json_t *delivered, struct error *err)
{
	static const char *const members[] = { "HostCommandIdentifier", "HostIdentifier",
		"DeploymentExecutionId", "CommandName" };
	const char *value;

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (json_get_string(delivered, members[i], &value, err) < 0)
			return false;
	value = json_string_value(json_object_get(delivered, "HostIdentifier"));
	if (!strstr(host->arn, value))
		return error_set(err, -1, "the command is for %s", value), false;
	return true;
}

/* A command that ran before its completion got through: the same is said again. */
static bool report_again(struct host *host, struct command *command)
{
	for (struct trace *trace = host->finished; trace; trace = trace->next) {
		if (strcmp(trace->command, command->id) != 0)
			continue;
		host_note(host, command, "remembered", trace->outcome);
		command->behaviour.message = "the command had failed";
		command->behaviour.script = command->behaviour.log = "";
		command->behaviour.error_code = UNKNOWN_ERROR;
		command->behaviour.fails = strcmp(trace->outcome, "Failed") == 0;
		complete(command);
		return true;
	}
	return false;
}

void command_deliver(struct host *host, const json_t *delivered)
{
	struct error err = ERROR_NONE;
	struct command *command;

	host->fleet->counts.commands++;
	if (!is_well_formed(host, delivered, &err)) {
		host_note(host, NULL, "malformed", err.text);
		return;
	}
	command = xcalloc(1, sizeof(*command));
	command->host = host;
	command->id = xstrdup(
		json_string_value(json_object_get(delivered, "HostCommandIdentifier")));
	command->execution = xstrdup(
		json_string_value(json_object_get(delivered, "DeploymentExecutionId")));
	command->event = xstrdup(json_string_value(json_object_get(delivered, "CommandName")));
	if (is_known(host, command->id)) {
		host->fleet->counts.redelivered++;
		host_note(host, command, "skipped", "it is running");
		command->next = host->commands;
		host->commands = command;
		command_free(command);
		return;
	}
	command->next = host->commands;
	host->commands = command;
	host_note(host, command, "delivered", NULL);
	if (report_again(host, command))
		return;
	if (host->manner.kind->is_ours && host->order.execution &&
		strcmp(host->order.execution, command->execution) == 0)
		decide(command, &host->order);
	else
		fetch_specification(command);
}
