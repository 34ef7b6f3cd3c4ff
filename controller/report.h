/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

struct event_record;

/*
 * What a host says of an event that ended: the member "Diagnostics" of its request, an envelope
 * around one more JSON text. Agents send it cut, too long, with bytes of a script's output that
 * belong to no encoding; whatever they send, the event has ended, so reading it never fails.
 * How much of it there can be is bounded by the request's body.
 */
enum {
	REPORT_LIMIT_SCRIPT_BYTES = 1024,
	REPORT_LIMIT_MESSAGE_BYTES = 4096,
	REPORT_LIMIT_LOG_BYTES = 4096, /* the newest of it is kept */
};

/*
 * Fills error_code, script_name, message and log_tail (for event_record_done()); texts are
 * UTF-8 cut between characters. `succeeded`: what the request says, which counts for more than
 * the code. `diagnostics` may be NULL or anything.
 */
void report_read(const json_t *diagnostics, bool succeeded, struct event_record *ret);

/*
 * What a host says when it takes a command up: whether it has nothing to run for it. False if
 * it does not say.
 */
bool report_is_noop(const json_t *diagnostics);

/* The API's name (LifecycleErrorCode) of an agent's code; -1 and the like are UnknownError. */
const char *report_error_name(int code);
