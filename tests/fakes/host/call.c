/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "connection.h"
#include "fleet.h"
#include "host.h"
#include "kind.h"
#include "request.h"

#define READ_WITHIN_US 80000000
#define FIRST_PAUSE_US 300000
#define LONGEST_PAUSE_US 30000000

struct link {
	struct connection connection;
	struct host *host;
	struct call *call; /* NULL: idle, or nobody waits for the answer */
	struct reactor_timer idle;
	struct link *next;
};

static const char *const names[] = {
	[OPERATION_POLL] = "PollHostCommand",
	[OPERATION_SPECIFICATION] = "GetDeploymentSpecification",
	[OPERATION_ACKNOWLEDGE] = "PutHostCommandAcknowledgement",
	[OPERATION_COMPLETE] = "PutHostCommandComplete",
};

const char *operation_name(enum operation operation)
{
	return names[operation];
}

/* ---- connections of a host */

static void link_free(struct link *link)
{
	struct link **at = &link->host->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	reactor_timer_stop(link->host->fleet->reactor, &link->idle);
	connection_done(&link->connection);
	free(link);
}

static void on_idle_too_long(struct reactor_timer *timer)
{
	link_free(container_of(timer, struct link, idle));
}

static void link_rest(struct link *link)
{
	reactor_timer_set(link->host->fleet->reactor, &link->idle,
		(uint64_t)link->host->manner.kind->idle_s * 1000000, on_idle_too_long);
}

static void on_answer(struct connection *connection, const struct answer *answer);
static void on_failure(struct connection *connection, const char *why, bool was_silent);

static void on_closed(struct connection *connection)
{
	link_free(container_of(connection, struct link, connection));
}

static const struct connection_handler handler = {
	.on_answer = on_answer,
	.on_failure = on_failure,
	.on_closed = on_closed,
};

static struct link *link_new(struct host *host)
{
	struct link *link = xcalloc(1, sizeof(*link));

	link->host = host;
	connection_init(&link->connection, &host->fleet->endpoint, &handler, host->source,
		&host->session);
	link->next = host->links;
	host->links = link;
	return link;
}

static struct link *link_find(struct host *host)
{
	for (struct link *link = host->links; link; link = link->next)
		if (link->connection.state == CONNECTION_IDLE && !link->call) {
			reactor_timer_stop(host->fleet->reactor, &link->idle);
			return link;
		}
	return link_new(host);
}

void call_disconnect(struct host *host, bool is_silent)
{
	if (!is_silent) {
		while (host->links)
			link_free(host->links);
		return;
	}
	for (struct link *link = host->links; link; link = link->next) {
		reactor_timer_stop(host->fleet->reactor, &link->idle);
		connection_silence(&link->connection);
	}
}

/* ---- one try */

static void call_finish(struct call *call, const struct call_result *result)
{
	struct fleet *fleet = call->host->fleet;

	if (!result->why && !call->is_probe)
		durations_add(&fleet->durations[call->operation],
			reactor_now_us(fleet->reactor) - call->sent_us);
	free(call->body);
	call->body = NULL;
	call->on_done(call, result);
}

static void call_fail(struct call *call, unsigned status, const char *why)
{
	struct call_result result = { .status = status, .why = why };

	call_finish(call, &result);
}

static void call_try(struct call *call)
{
	struct host *host = call->host;
	struct fleet *fleet = host->fleet;
	cleanup_with(freep) char *target = NULL;
	cleanup_with(buf_done) struct buf bytes = { 0 };
	bool secure = host->manner.uses_auth_policy;
	struct request request = {
		.service = secure ? "codedeploy-commands-secure" : "codedeploy-commands",
		.region = fleet->options->region,
		.user_agent = host->manner.kind->user_agent,
		.version = host->manner.kind->version,
		.agent = host->manner.kind->is_ours ? "1" : NULL,
		.access_key = host->access_key,
		.secret = host->secret,
		.body = call->body,
		.n_body = strlen(call->body),
	};
	struct error err = ERROR_NONE;

	target = xasprintf("%s.%s",
		secure ? "CodeDeployCommandService" : "CodeDeployCommandService_v20141006",
		operation_name(call->operation));
	request.target = target;
	if (request_write(&bytes, &request, &fleet->endpoint, &err) < 0) {
		fprintf(stderr, "fake-host: %s: cannot sign: %s\n", host->name, err.text);
		abort(); /* our own request: nothing from outside is in it */
	}
	call->tries++;
	call->link = link_find(host);
	call->link->call = call;
	connection_send(&call->link->connection, &bytes, READ_WITHIN_US);
}

static void on_pause_over(struct reactor_timer *timer)
{
	call_try(container_of(timer, struct call, pause));
}

static void call_try_later(struct call *call, uint64_t after_us)
{
	reactor_timer_set(call->host->fleet->reactor, &call->pause, after_us, on_pause_over);
}

/* Agent 1.8's SDK: 0.3, 0.6, 1.2 s. */
static bool call_repeats(struct call *call)
{
	uint64_t pause_us = FIRST_PAUSE_US;

	if (call->tries >= call->host->manner.kind->tries)
		return false;
	for (unsigned i = 1; i < call->tries && pause_us < LONGEST_PAUSE_US; i++)
		pause_us *= 2;
	call_try_later(call, pause_us);
	return true;
}

/* Agent 2's gate: 1 s, doubling up to 30 s, and up to a quarter more by chance. */
static bool call_slows_down(struct call *call)
{
	struct host *host = call->host;
	struct span more = { 0, host->pause_us / 4 };

	if (!host->manner.kind->reconnects)
		return call_repeats(call);
	if (++call->throttled >= host->manner.kind->throttled_tries)
		return false;
	host->pause_us = host->pause_us ? host->pause_us * 2 : 1000000;
	if (host->pause_us > LONGEST_PAUSE_US)
		host->pause_us = LONGEST_PAUSE_US;
	call_try_later(call, host->pause_us + fleet_draw_us(host->fleet, &more));
	return true;
}

static bool is_throttling(unsigned status, const char *code)
{
	static const char *const codes[] = { "ThrottlingException", "TooManyRequestsException",
		"Throttling", "RequestThrottled", "RequestThrottledException",
		"RequestLimitExceeded", "SlowDown" };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strcmp(codes[i], code) == 0)
			return true;
	return status == 429;
}

static void call_refused(struct call *call, unsigned status, const json_t *body)
{
	const char *code = json_string_value(json_object_get(body, "__type"));
	const char *message = json_string_value(json_object_get(body, "message"));
	const char *hash = code ? strrchr(code, '#') : NULL;
	char why[600];

	code = hash ? hash + 1 : code ? code : "";
	(void)snprintf(
		why, sizeof(why), "HTTP %u %s: %s", status, code, message ? message : "");
	call->host->fleet->counts.refused++;
	host_note(call->host, NULL, "refused", why);
	if (is_throttling(status, code) ? call_slows_down(call)
					: status >= 500 && call_repeats(call))
		return;
	call_fail(call, status, why);
}

static void call_lost(struct call *call, const char *why)
{
	host_note(call->host, NULL, "network", why);
	if (!call_repeats(call))
		call_fail(call, 0, why);
}

static void call_answered(struct call *call, const struct answer *answer)
{
	cleanup_with(json_decrefp) json_t *body = NULL;
	struct call_result result = { .status = answer->status };
	struct error err = ERROR_NONE;
	bool is_good = answer->status < 300;

	if (call->is_probe) {
		call_finish(call, &result);
		return;
	}
	if (answer->n_body == 0)
		body = json_object();
	else if (json_parse_object(&body, answer->body, answer->n_body, &err) < 0 && is_good) {
		call_fail(call, answer->status, err.text);
		return;
	}
	if (!is_good) {
		call_refused(call, answer->status, body);
		return;
	}
	call->host->pause_us = 0;
	result.body = body;
	call_finish(call, &result);
}

static void on_answer(struct connection *connection, const struct answer *answer)
{
	struct link *link = container_of(connection, struct link, connection);
	struct call *call = link->call;

	link->call = NULL;
	if (call)
		call->link = NULL;
	if (answer->is_last || !call || call->loses_answer)
		link_free(link);
	else
		link_rest(link);
	if (!call)
		return;
	if (call->loses_answer) {
		call->loses_answer = false;
		call_lost(call, "the answer was lost, as the scenario wants it");
		return;
	}
	call_answered(call, answer);
}

static void on_failure(struct connection *connection, const char *why, bool was_silent)
{
	struct link *link = container_of(connection, struct link, connection);
	struct call *call = link->call;
	char reason[300];

	(void)snprintf(reason, sizeof(reason), "%s", why); /* it may be the connection's own */
	link_free(link);
	if (!call)
		return;
	call->link = NULL;
	if (was_silent && call->host->manner.kind->reconnects)
		call_try_later(call, 0);
	else
		call_lost(call, reason);
}

/* ---- */

void call_start(struct call *call, struct host *host, enum operation operation, json_t *body,
	void (*on_done)(struct call *call, const struct call_result *result))
{
	bool loses_answer = call->loses_answer;

	*call = (struct call){
		.host = host,
		.operation = operation,
		.body = json_dumps(body, JSON_COMPACT),
		.loses_answer = loses_answer,
		.sent_us = reactor_now_us(host->fleet->reactor),
		.on_done = on_done,
	};
	json_decref(body);
	call_try(call);
}

void call_stop(struct call *call)
{
	if (!call->host)
		return;
	reactor_timer_stop(call->host->fleet->reactor, &call->pause);
	if (call->link)
		call->link->call = NULL;
	free(call->body);
	*call = (struct call){ 0 };
}

void call_probe(struct call *call, struct host *host,
	void (*on_done)(struct call *call, const struct call_result *result))
{
	cleanup_with(buf_done) struct buf bytes = { 0 };

	*call = (struct call){
		.host = host,
		.is_probe = true,
		.sent_us = reactor_now_us(host->fleet->reactor),
		.tries = host->manner.kind->tries, /* never repeated */
		.on_done = on_done,
	};
	request_write_probe(&bytes, &host->fleet->endpoint);
	call->link = link_new(host);
	call->link->call = call;
	connection_send(&call->link->connection, &bytes, READ_WITHIN_US);
}

void call_garbage(struct host *host, const char *form)
{
	cleanup_with(buf_done) struct buf bytes = { 0 };
	const char *authority = host->fleet->endpoint.authority;

	if (strcmp(form, "bytes") == 0) {
		for (int i = 0; i < 300; i++)
			buf_putc(&bytes, (char)(i * 7 + 1));
	} else if (strcmp(form, "json") == 0) {
		buf_printf(&bytes,
			"POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: "
			"application/x-amz-json-1.1\r\nX-Amz-Target: "
			"CodeDeployCommandService_v20141006.PollHostCommand\r\n"
			"Content-Length: 14\r\n\r\n{\"HostIdentif\"",
			authority);
	} else {
		buf_printf(&bytes, "POST / HTTP/1.1\r\nHost : %s\r\nContent-Length: -1\r\n\r\n",
			authority);
	}
	connection_send(&link_new(host)->connection, &bytes, READ_WITHIN_US);
}
