/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/protocol.h"
#include "base/time.h"
#include "controller/answer.h"
#include "controller/audit.h"
#include "controller/auth.h"
#include "controller/desk.h"
#include "controller/doorway.h"
#include "controller/identifier.h"
#include "controller/route.h"
#include "controller/store.h"

#define TYPE_JSON "application/x-amz-json-1.1"
#define TYPE_TEXT "text/plain; charset=utf-8"

static void request_free(struct request *request)
{
	if (request->is_parked)
		request->desk->n_parked--;
	call_done(&request->call);
	free(request);
}

static void send_bytes(
	struct request *request, int status, const char *type, const char *body, size_t n)
{
	struct header headers[] = {
		{ "Content-Type", type },
		{ "x-amzn-RequestId", request->id },
		{ "Allow", "GET, HEAD, POST" },
	};
	struct exchange_answer answer = {
		.status = (uint16_t)status,
		.closes = request->desk->is_draining,
		.headers = headers,
		.n_headers = status == 405 ? 3 : 2,
		.body = body,
		.body_bytes = n,
	};

	if (request->doorway)
		doorway_answer(request->doorway, request, &answer);
}

void request_send(struct request *request)
{
	cleanup_with(freep) char *body = NULL;

	if (request->doorway) {
		/* Only text that jansson has taken is in there, so that it can be written. */
		body = json_dumps(request->call.output, ANSWER_FLAGS);
		if (!body)
			body = xstrdup("{}");
		send_bytes(request, request->call.status, TYPE_JSON, body, strlen(body));
	}
	request_free(request);
}

static void audit(struct request *request)
{
	cleanup_with(freep) char *object = audit_object(request->call.input);

	store_put_audit(call_store(&request->call), request->call.operation, object);
}

static void on_ended(struct call *call)
{
	struct request *request = container_of(call, struct request, call);

	if (request->is_parked)
		request->desk->n_parked--;
	request->is_parked = false;
	if (request->is_audited && call->status == 200 && call->input)
		audit(request);
	turn_hold(&request->desk->turn, request);
}

static const char *find_header(const struct exchange_request *http, const char *name)
{
	for (size_t i = 0; i < http->n_headers; i++)
		if (strcasecmp(http->headers[i].name, name) == 0)
			return http->headers[i].value;
	return NULL;
}

static void fail_refused(struct request *request, const struct refusal *refusal)
{
	request->desk->n_refused++;
	log_debug("request %s from %s refused: %s: %s", request->id,
		request->connection->info.peer, refusal->type, refusal->why.text);
	call_fail_status(
		&request->call, refusal->status, refusal->type, "%s", refusal->why.text);
}

static int read_input(const struct exchange_request *http, json_t **ret, struct error *err)
{
	if (http->body_bytes > 0)
		return json_parse_object(ret, http->body, http->body_bytes, err);
	*ret = json_object();
	return 0;
}

/* call->input is set. */
static void handle(struct request *request, enum api api)
{
	const struct operation *operation = request->operation;
	struct call *call = &request->call;
	struct refusal refusal;

	if (!auth_permits(call, api, operation, &refusal)) {
		fail_refused(request, &refusal);
		return;
	}
	request->is_audited = operation->changes && api != API_COMMANDS;
	store_set_actor(call_store(call), auth_actor(&call->who), call->now_ms);
	operation->handle(call);
	store_set_actor(call_store(call), "", call->now_ms);
	if (call->state != CALL_RUNNING)
		return;
	log_error("operation %s came to no end", call->operation);
	call_fail_status(call, 500, "InternalFailure", "the controller has a fault in %s",
		call->operation);
}

static void run(struct request *request, const struct exchange_request *http, enum api api)
{
	cleanup_with(json_decrefp) json_t *input = NULL;
	struct call *call = &request->call;
	struct error err = ERROR_NONE;
	struct refusal refusal;

	call->operation = request->operation->name;
	call->now_ms = turn_now_ms(&request->desk->turn);
	if (!auth_check(&call->who, http, &request->connection->info,
		    request->doorway->is_local, api, call_fleet(call), time_now_ms(),
		    &refusal)) {
		fail_refused(request, &refusal);
		return;
	}
	if (read_input(http, &input, &err) < 0) {
		call_fail(call, "SerializationException", "%s", err.text);
		return;
	}
	call->input = input;
	call->agent_version = find_header(http, "x-amz-codedeploy-agent-version");
	call->extensions = find_header(http, PROTOCOL_AGENT_HEADER);
	handle(request, api);
	if (call->state == CALL_ENDED) {
		/* They end with this function. */
		call->input = NULL;
		call->agent_version = NULL;
		call->extensions = NULL;
	}
}

void request_begin(struct request *request, const struct exchange_request *http)
{
	struct route route;

	identifier_make_uuid(request->id);
	call_init(&request->call, request->desk->parts, on_ended);
	request->desk->n_requests++;
	route_find(&route, http);
	request->operation = route.operation;
	if (!route.operation && route.type) {
		call_fail_status(&request->call, route.status, route.type, "%s", route.text);
		return;
	}
	if (!route.operation) {
		send_bytes(request, route.status, TYPE_TEXT, route.text, strlen(route.text));
		request_free(request);
		return;
	}
	run(request, http, route.api);
	if (request->call.state != CALL_PARKED)
		return;
	request->is_parked = true;
	request->desk->n_parked++;
	if (request->desk->is_draining)
		request_release(request);
}

void request_leave(struct request *request)
{
	request->doorway = NULL;
	request->connection = NULL;
	/* One that is held leaves with its turn: what it did has been done. */
	if (request->call.state == CALL_PARKED)
		request_free(request);
}

void request_withdraw(struct request *request, const struct error *why)
{
	json_decref(request->call.output);
	request->call.output = json_object();
	request->call.status = 503;
	json_object_set_new(request->call.output, "__type", json_string("ServiceUnavailable"));
	json_object_set_new(request->call.output, "message",
		json_text(why->code == -ENOSPC
				  ? "the controller's disk is full: nothing was changed"
				  : "the controller could not write to its database: nothing "
				    "was changed"));
}

void request_release(struct request *request)
{
	if (request->call.state != CALL_PARKED)
		return;
	request->is_parked = false;
	request->desk->n_parked--;
	call_leave(&request->call);
	request->call.status = 200;
	request->call.output = json_object();
	request_send(request);
}
