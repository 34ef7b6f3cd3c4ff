/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/call.h"

#include <assert.h>
#include <stdarg.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

enum { STATUS_OK = 200, STATUS_BAD_REQUEST = 400 };

void call_init(struct call *call, struct parts *parts, void (*on_ended)(struct call *call))
{
	*call = (struct call){ .parts = parts, .on_ended = on_ended };
}

static void end(struct call *call, int status, json_t *output)
{
	assert(call->state != CALL_ENDED);
	call->state = CALL_ENDED;
	call->on_gone = NULL;
	call->owner = NULL;
	call->status = status;
	call->output = output;
	call->on_ended(call);
}

void call_answer(struct call *call, json_t *output)
{
	end(call, STATUS_OK, output ? output : json_object());
}

static void fail(struct call *call, int status, const char *type, const char *format,
	va_list ap) __attribute__((format(printf, 4, 0)));

static void fail(
	struct call *call, int status, const char *type, const char *format, va_list ap)
{
	cleanup_with(freep) char *message = xvasprintf(format, ap);
	json_t *output = json_object();

	/* What the sentence repeats of a client's words may be no UTF-8. */
	json_object_set_new(output, "__type", json_string(type));
	json_object_set_new(output, "message", json_text(message));
	end(call, status, output);
}

void call_fail(struct call *call, const char *type, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail(call, STATUS_BAD_REQUEST, type, format, ap);
	va_end(ap);
}

void call_fail_status(struct call *call, int status, const char *type, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fail(call, status, type, format, ap);
	va_end(ap);
}

void call_park(struct call *call, void (*on_gone)(struct call *call), void *owner)
{
	assert(call->state == CALL_RUNNING);
	call->state = CALL_PARKED;
	call->on_gone = on_gone;
	call->owner = owner;
	/* A key can be deleted meanwhile; the rest lives in the request's memory, which ends
	 * with the turn. */
	call->who.key = NULL;
	call->input = NULL;
	call->agent_version = NULL;
	call->extensions = NULL;
}

void call_leave(struct call *call)
{
	void (*on_gone)(struct call * call) = call->on_gone;

	call->state = CALL_ENDED;
	call->on_gone = NULL;
	if (on_gone)
		on_gone(call);
	call->owner = NULL;
}

void call_done(struct call *call)
{
	if (!call)
		return;
	if (call->state == CALL_PARKED)
		call_leave(call);
	json_decref(call->output);
	call->output = NULL;
}

struct fleet *call_fleet(const struct call *call)
{
	return call->parts->fleet;
}

struct store *call_store(const struct call *call)
{
	return call->parts->store;
}

const struct settings *call_settings(const struct call *call)
{
	return call->parts->settings;
}

struct deployments *call_deployments(const struct call *call)
{
	return call->parts->deployments;
}

struct commands *call_commands(const struct call *call)
{
	return call->parts->commands;
}
