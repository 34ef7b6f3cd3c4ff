/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "call.h"
#include "reactor.h"
#include "scenario.h"

struct command;
struct fleet;
struct ssl_session_st;

/* One simulated host: its loop of polls, and the commands that run beside it. */
enum host_state { HOST_OFF, HOST_PROBING, HOST_POLLING, HOST_LOST };

/* A command that a crash left unfinished, or that is remembered as done. */
struct trace {
	struct trace *next;
	char *command;
	char *outcome; /* its completion's body, for kinds that remember; else NULL */
};

struct host {
	struct fleet *fleet;
	size_t index;
	char *name;
	char *arn;
	char *access_key;
	char *secret;
	struct in_addr source;
	struct manner manner;
	enum host_state state;
	struct ssl_session_st *session;
	struct link *links; /* open connections, busy and idle */
	struct call poll;
	uint64_t poll_began_us;
	struct reactor_timer wake; /* to poll again, or to return */
	unsigned n_failures;       /* of polls, in a row */
	unsigned n_lost_polls;
	struct command *commands;
	struct trace *unfinished; /* newest first */
	struct trace *finished;
	struct call report; /* of what a crash left unfinished */
	bool has_bundle;    /* an Install succeeded once */
	uint64_t pause_us;  /* after being told to slow down */
	struct order {
		char *execution, *deployment, *revision, *creator;
		int64_t sequence; /* the newest ever */
	} order;                  /* the latest; kinds of ours fetch it once a deployment */
};

void host_start(struct host *host);
/* The host is gone at once. is_silent: as by a power cut, its connections stay open. It comes
 * back after return_us unless that is NEVER. */
void host_crash(struct host *host, bool is_silent, uint64_t return_us);
void host_return(struct host *host);
void host_done(struct host *host);

/* A command of it ended: kinds of ours do one thing at a time and then ask for the next. */
void host_command_over(struct host *host);

/* For the record; command may be NULL. */
void host_note(
	struct host *host, const struct command *command, const char *what, const char *detail);
