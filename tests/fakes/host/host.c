/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <math.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "command.h"
#include "fleet.h"
#include "kind.h"

#define RESTARTED 7
#define MOST_RUNNING 16 /* threads of AWS's agents */
#define LONGEST_BACKOFF 10

static void poll_later(struct host *host, uint64_t after_us);

void host_note(
	struct host *host, const struct command *command, const char *what, const char *detail)
{
	struct record_line line = { .host = host->name, .what = what, .detail = detail };

	if (command) {
		line.event = command->event;
		line.deployment = command->deployment;
		line.command = command->id;
		line.revision = command->revision;
	}
	record_write(&host->fleet->record, &line);
}

/* ---- polls */

/* floor(1.2675^n * 90 / 1.2675^10) seconds, less what the poll itself took, rounded up. */
static uint64_t backoff_us(const struct host *host)
{
	uint64_t took_us = reactor_now_us(host->fleet->reactor) - host->poll_began_us;
	uint64_t took_s = (took_us + 999999) / 1000000;
	uint64_t pause_s = (uint64_t)(pow(1.2675, host->n_failures) * 90 /
				      pow(1.2675, LONGEST_BACKOFF));

	return pause_s > took_s ? (pause_s - took_s) * 1000000 : 0;
}

static unsigned count_running(const struct host *host)
{
	unsigned n = 0;

	for (const struct command *command = host->commands; command; command = command->next)
		n++;
	return n;
}

static void on_polled(struct call *call, const struct call_result *result)
{
	struct host *host = container_of(call, struct host, poll);
	const json_t *delivered;
	uint64_t pause_us = host->manner.wait_us;

	host->fleet->counts.polls++;
	if (result->why) {
		if (host->n_failures < LONGEST_BACKOFF)
			host->n_failures++;
		host_note(host, NULL, "poll-failed", result->why);
		poll_later(host, pause_us + backoff_us(host));
		return;
	}
	host->n_failures = 0;
	delivered = json_object_get(result->body, "HostCommand");
	if (!json_is_object(delivered)) {
		poll_later(host, pause_us);
		return;
	}
	if (host->n_lost_polls < host->manner.lost_polls) {
		host->n_lost_polls++;
		host_note(host, NULL, "poll-lost",
			json_string_value(json_object_get(delivered, "HostCommandIdentifier")));
		poll_later(host, pause_us);
		return;
	}
	if (host->manner.kind->is_ours) {
		command_deliver(host, delivered);
		if (!host->commands && host->state == HOST_POLLING)
			poll_later(host, pause_us);
		return;
	}
	if (host->manner.kind->polls_after_command && count_running(host) < MOST_RUNNING)
		pause_us = 0;
	poll_later(host, pause_us);
	command_deliver(host, delivered); /* may crash the host, which ends the pause */
}

static void poll_now(struct host *host)
{
	host->poll_began_us = reactor_now_us(host->fleet->reactor);
	call_start(&host->poll, host, OPERATION_POLL,
		json_pack("{s:s}", "HostIdentifier", host->arn), on_polled);
}

static void on_wake(struct reactor_timer *timer)
{
	poll_now(container_of(timer, struct host, wake));
}

static void poll_later(struct host *host, uint64_t after_us)
{
	reactor_timer_set(host->fleet->reactor, &host->wake, after_us, on_wake);
}

void host_command_over(struct host *host)
{
	if (host->manner.kind->is_ours && host->state == HOST_POLLING && !host->commands)
		poll_later(host, 0);
}

/* ---- start: probe, what a crash left, then polls */

static void trace_free(struct trace *trace)
{
	free(trace->command);
	free(trace->outcome);
	free(trace);
}

static void report_unfinished(struct host *host);
static void on_start(struct reactor_timer *timer);

static void on_reported(struct call *call, const struct call_result *result)
{
	struct host *host = container_of(call, struct host, report);
	struct trace *trace = host->unfinished;

	host_note(
		host, NULL, result->why ? "not-reported" : "restart-reported", trace->command);
	host->unfinished = trace->next;
	trace_free(trace);
	report_unfinished(host);
}

/* Before the first poll, whatever ran when the agent died is reported as failed. */
static void report_unfinished(struct host *host)
{
	host->state = HOST_POLLING;
	if (!host->unfinished) {
		if (!host->commands || !host->manner.kind->is_ours)
			poll_now(host);
		return;
	}
	call_start(&host->report, host, OPERATION_COMPLETE,
		json_pack("{s:s, s:o, s:s}", "CommandStatus", "Failed", "Diagnostics",
			command_diagnostics(RESTARTED, "",
				"Failed: Failing in-progress lifecycle event after an agent "
				"restart.",
				""),
			"HostCommandIdentifier", host->unfinished->command),
		on_reported);
}

static void on_probed(struct call *call, const struct call_result *result)
{
	struct host *host = container_of(call, struct host, poll);

	if (result->status == 0) {
		host_note(host, NULL, "probe-failed", result->why);
		reactor_timer_set(host->fleet->reactor, &host->wake, 5000000, on_start);
		return;
	}
	report_unfinished(host);
}

static void on_start(struct reactor_timer *timer)
{
	struct host *host = container_of(timer, struct host, wake);

	if (host->manner.probes && host->manner.kind->probes) {
		host->state = HOST_PROBING;
		call_probe(&host->poll, host, on_probed);
		return;
	}
	report_unfinished(host);
}

void host_start(struct host *host)
{
	reactor_timer_set(host->fleet->reactor, &host->wake,
		fleet_draw_us(host->fleet, &host->manner.start), on_start);
}

/* ---- crash and return */

static void leave_trace(struct host *host, const struct command *command)
{
	struct trace *trace;

	if (host->unfinished && host->manner.kind->tracks_one)
		return;
	trace = xcalloc(1, sizeof(*trace));
	trace->command = xstrdup(command->id);
	trace->next = host->unfinished;
	host->unfinished = trace;
}

/* AWS's agents forget what was not acknowledged and will report the rest as failed; one that
 * remembers keeps what it began. */
static void drop_commands(struct host *host)
{
	struct command *command = host->commands;

	while (command) {
		struct command *next = command->next;

		call_stop(&command->call);
		reactor_timer_stop(host->fleet->reactor, &command->timer);
		if (command->state < COMMAND_RUNNING) {
			command_free(command);
		} else if (!host->manner.kind->remembers) {
			leave_trace(host, command);
			command_free(command);
		}
		command = next;
	}
}

static void on_return(struct reactor_timer *timer)
{
	host_return(container_of(timer, struct host, wake));
}

void host_crash(struct host *host, bool is_silent, uint64_t return_us)
{
	host->fleet->counts.crashes++;
	host_note(host, NULL, "crashed", is_silent ? "silently" : NULL);
	host->state = HOST_LOST;
	call_stop(&host->poll);
	call_stop(&host->report);
	drop_commands(host);
	call_disconnect(host, is_silent);
	reactor_timer_stop(host->fleet->reactor, &host->wake);
	if (return_us != NEVER)
		reactor_timer_set(host->fleet->reactor, &host->wake, return_us, on_return);
}

void host_return(struct host *host)
{
	struct command *command = host->commands;

	if (host->state != HOST_LOST)
		return;
	host_note(host, NULL, "returned", NULL);
	call_disconnect(host, false);
	host->n_failures = 0;
	on_start(&host->wake);
	while (command) {
		struct command *next = command->next;

		command_resume(command);
		command = next;
	}
}

void host_done(struct host *host)
{
	host->state = HOST_OFF;
	reactor_timer_stop(host->fleet->reactor, &host->wake);
	call_stop(&host->poll);
	call_stop(&host->report);
	while (host->commands)
		command_free(host->commands);
	call_disconnect(host, false);
	SSL_SESSION_free(host->session);
	for (struct trace *trace; (trace = host->unfinished);) {
		host->unfinished = trace->next;
		trace_free(trace);
	}
	for (struct trace *trace; (trace = host->finished);) {
		host->finished = trace->next;
		trace_free(trace);
	}
	free(host->order.execution);
	free(host->order.deployment);
	free(host->order.revision);
	free(host->order.creator);
	free(host->name);
	free(host->arn);
	free(host->access_key);
	free(host->secret);
}
