/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "call.h"
#include "reactor.h"
#include "scenario.h"

struct host;

/*
 * One command on one host from its delivery to the last word about it: specification,
 * acknowledgement, the event itself, completion.
 */
enum command_state {
	COMMAND_SPECIFICATION,
	COMMAND_ACKNOWLEDGEMENT,
	COMMAND_RUNNING,
	COMMAND_COMPLETION,
};

struct command {
	struct host *host;
	struct command *next;
	enum command_state state;
	char *id, *execution, *event;
	char *deployment, *revision; /* known once the specification is there */
	struct behaviour behaviour;
	bool is_noop;
	bool is_refused;  /* the acknowledgement's answer was Failed */
	bool fails_again; /* the second report of a failure is under way or over */
	char *why;        /* of a failure that is not the scenario's */
	struct call call;
	struct reactor_timer timer;
};

/* Takes a delivered HostCommand up; one that an agent would not take is only noted. */
void command_deliver(struct host *host, const json_t *delivered);
/* What was running when the host went down and outlives that goes on. */
void command_resume(struct command *command);
void command_free(struct command *command);

/* Diagnostics as agents send them. */
json_t *command_diagnostics(
	int error_code, const char *script, const char *message, const char *log);
