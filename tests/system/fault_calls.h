/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The system calls that a fault can strike: what changes a file system, what makes it durable,
 * and (when asked for) what reads it, and what is sent over sockets.
 */
enum call_traits {
	CALL_CHANGES = 1,
	CALL_SYNCS = 2,
	CALL_READS = 4,
	CALL_ALLOCATES = 8, /* may need space: what a full disk refuses */
	CALL_SENDS = 16,    /* says something to another process */
};

struct call;

/* One call about to be made by a stopped task. */
struct call_site {
	const struct call *call;
	char path[4096];  /* as seen from our root; "" if it names none */
	char other[4096]; /* the second path of a rename or link, or "" */
};

/*
 * A seccomp program that stops the tracee (SECCOMP_RET_TRACE) at the calls with one of the
 * traits and lets everything else pass at full speed. The caller frees filter->filter.
 */
void calls_make_filter(struct sock_fprog *filter, unsigned traits);

/*
 * Decides whether this call of the task counts, and names what it works on. The filter only
 * sees numbers; here an open without O_CREAT, a write to a pipe, or anything below /proc and
 * /sys is told apart. The task must be stopped before the call.
 */
bool call_look_at(struct call_site *ret, pid_t task, uint64_t nr, const uint64_t args[static 6],
	unsigned traits);

const char *call_name(const struct call *call);
unsigned call_traits(const struct call *call);

/* Prints the table, a line a call. */
void calls_print(void);
