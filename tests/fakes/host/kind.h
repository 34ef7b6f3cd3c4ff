/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * The agents that are imitated, and where they differ: one row each. The wire is the same for
 * all; what is seen from the controller is when they repeat themselves and what they leave out.
 */
struct kind {
	const char *name;
	const char *version; /* X-Amz-Codedeploy-Agent-Version */
	const char *user_agent;
	bool probes;                 /* GET / on a connection of its own at the start */
	unsigned tries;              /* of one call after errors of the server or the network */
	unsigned throttled_tries;    /* of one call that was told to slow down */
	bool reconnects;             /* unseen, when a kept connection turns out to be closed */
	unsigned idle_s;             /* how long an idle connection is kept */
	bool reports_failures_twice; /* the second time without the script's data */
	bool reports_early_failures; /* of what happens before the acknowledgement */
	bool polls_after_command;    /* at once; otherwise after the usual pause */
	bool skips_running;          /* a command delivered again while it runs */
	bool checks_signature;       /* of the specification */
	bool tracks_one;             /* after a crash only the newest command is reported */
	bool knows_noop;             /* says what has no script; otherwise nothing is a noop */
	bool is_ours;                /* speaks doc/protocol.md beyond AWS's protocol */
	bool remembers;              /* finished commands are reported again, not run again */
	const char *success;         /* message of a success, before the note */
};

/* NULL if there is none of that name. */
const struct kind *kind_find(const char *name);
