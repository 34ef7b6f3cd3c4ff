/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/rollout_event.h"
#include "controller/rollout_health.h"

/*
 * One deployment over its hosts: what happened goes in, what is to be done comes out.
 *
 * Pure: no clock, no I/O, no globals; the same inputs at the same times give the same actions.
 * Times are milliseconds of any one clock that survives a restart, never 0.
 *
 * What is sent is a state, not a message: a command is outstanding exactly as long as its
 * target is TARGET_SENT or TARGET_RUNNING. Whoever stores a rollout stores the members marked
 * "stored", all changes and actions of one rollout_apply() together; after a restart it fills
 * them in, calls rollout_open() and goes on. No input is lost or repeated by that, and a late
 * or doubled one changes nothing.
 *
 * Hosts are refilled one by one as results arrive, never in waves.
 *
 *   CREATED --start--> ROLLING --all attempted--> SUCCEEDED
 *                      |   |--too many failed---> DRAINING --nothing runs--> FAILED
 *                      |   `--stop--------------> STOPPING --nothing runs--> STOPPED
 *                      `--refused, all failed---> FAILED
 *
 * Paused by a person, or stranded because many hosts vanished at once, a rollout begins no new
 * host; hosts under way go on to their end. Whatever happens, it is over at its deadline.
 */
enum rollout_phase {
	PHASE_CREATED,
	PHASE_ROLLING,
	PHASE_DRAINING, /* the minimum is reached: hosts under way go on to their end */
	PHASE_STOPPING, /* events under way go on to their end */
	PHASE_SUCCEEDED,
	PHASE_FAILED,
	PHASE_STOPPED,
};

/* Why a rollout or a target is as it is: one at a time, with owner and remedy (rollout_why.h).
 */
enum rollout_reason {
	REASON_NONE,

	/* It waits. */
	REASON_NOT_BEGUN,
	REASON_HOSTS_UNDER_WAY,
	REASON_TURN,
	REASON_PAUSED,
	REASON_STRANDED,
	REASON_HELD,
	REASON_DRAINING,
	REASON_STOPPING,
	REASON_COMMAND_NOT_TAKEN,
	REASON_EVENT_UNDER_WAY,
	REASON_TRAFFIC_SHIFTS,
	REASON_HOST_AWAY,

	/* A deployment ended. */
	REASON_HEALTH_CONSTRAINTS,
	REASON_HEALTH_CONSTRAINTS_INVALID,
	REASON_NO_INSTANCES,
	REASON_NO_HOST_PRESENT,
	REASON_TIMEOUT,
	REASON_MANUAL_STOP,

	/* A target failed or was skipped; also REASON_HEALTH_CONSTRAINTS and its kin above. */
	REASON_EVENT_FAILED,
	REASON_AGENT_SILENT,
	REASON_EVENT_TIMED_OUT,
	REASON_TRAFFIC_TIMED_OUT,
	REASON_HOST_GONE,
};
enum { N_ROLLOUT_REASONS = REASON_HOST_GONE + 1 };

enum unreachable_hosts {
	UNREACHABLE_FAIL, /* as AWS: a host that is away is attempted, and fails */
	/*
	 * Not counted and not begun while away, nor counted as failed when lost half-way or
	 * when its agent takes no command; begun when back in time.
	 */
	UNREACHABLE_SKIP,
};

struct rollout_config {
	struct minimum_healthy minimum;
	enum rollout_lifecycle lifecycle;
	enum unreachable_hosts unreachable;
	bool ignore_application_stop_failures;
	bool only_outdated; /* updateOutdatedInstancesOnly: no targets at all is a success */
	bool rollback_on_failure;
	bool rollback_on_stop;
	bool is_rollback;       /* starts no other; may always have one host under way */
	bool rollback_like_aws; /* rolls back every host, and counts those that are gone */
	/* Hosts of the group that are left alone and count as healthy ones. */
	uint32_t n_bystanders;

	/*
	 * More than this share of the targets, and at least two, gone within the window: taken
	 * for a fault of the network. 0 turns it off.
	 */
	uint32_t vanish_percent;
	uint64_t vanish_window_ms;

	uint64_t start_timeout_ms;      /* a command sent until its event begins */
	uint64_t event_timeout_ms;      /* an event of a host that is present */
	uint64_t gone_timeout_ms;       /* an event of a host that is gone */
	uint64_t traffic_timeout_ms;    /* BlockTraffic, AllowTraffic */
	uint64_t deployment_timeout_ms; /* from creation */

	uint64_t seed; /* of the order within a class */
};

/* One at a time, in place, time-outs: 4 min, 61 min, 5 min, 1 h, 12 h; vanish 25 % in 3 min. */
struct rollout_config rollout_config_default(void);

enum revision_health { REVISION_UNKNOWN, REVISION_OLD, REVISION_CURRENT };

/* What a host brings along, and what it takes away (rollout_after()). */
struct host_history {
	bool healthy; /* its last deployment succeeded */
	enum revision_health revision;
};

enum target_state {
	TARGET_PENDING,
	TARGET_SENT,    /* the command of its event waits to be taken by the host */
	TARGET_RUNNING, /* the event is under way */
	TARGET_SUCCEEDED,
	TARGET_FAILED,
	TARGET_SKIPPED,
};
enum { N_TARGET_STATES = TARGET_SKIPPED + 1 };

/* The API's status of an event. */
enum event_status {
	EVENT_STATUS_PENDING,
	EVENT_STATUS_IN_PROGRESS,
	EVENT_STATUS_SUCCEEDED,
	EVENT_STATUS_FAILED,
	EVENT_STATUS_SKIPPED,
};

struct target {
	/* Stored. Before the start, set by the caller: */
	struct host_history history;
	bool gone;
	bool held; /* by a person, or by another deployment under way there */
	uint64_t gone_since_ms;
	/* Stored. Zero at the start: */
	enum target_state state;
	enum rollout_reason reason;      /* of the end */
	uint8_t step;                    /* in the lifecycle */
	uint8_t events[N_TARGET_EVENTS]; /* enum event_status, by step */
	bool touched;                    /* an event began here: a rollback has work to do */
	bool vanished;                   /* one of those that stranded the rollout */
	uint64_t since_ms; /* when the command was last offered, the event began, it ended */

	/* Derived. */
	uint64_t deadline_ms;
	uint32_t rank;
	uint32_t heap_at; /* 1 more than its place; 0: no deadline */
	/* Among those that vanished lately: 1 more than the target's number; 0: none. */
	uint32_t vanished_before;
	uint32_t vanished_after;
	bool is_late; /* it is among them */
};

enum stop_rollback { STOP_ROLLBACK_AS_CONFIGURED, STOP_ROLLBACK, STOP_NO_ROLLBACK };

struct rollout {
	/* Stored. */
	struct rollout_config config;
	enum rollout_phase phase;
	enum rollout_reason reason; /* of a verdict, from DRAINING or STOPPING on */
	bool paused;
	bool stranded;
	bool halted; /* no further event begins on any host */
	enum stop_rollback stop_rollback;
	uint64_t created_ms;
	uint64_t grace_ms;      /* last time the clocks of hosts began anew */
	struct target *targets; /* the caller's, in an order that never changes */
	uint32_t n_targets;

	/* Derived by rollout_open(). */
	uint32_t *order; /* targets by rank */
	uint32_t cursor; /* no target of a lower rank is ready */
	uint32_t *heap;
	uint32_t heap_n;
	uint32_t n_state[N_TARGET_STATES];
	uint32_t n_ready;  /* pending, and nothing but their turn is missing */
	uint32_t n_absent; /* not counted: pending and away, where that is skipped */
	uint32_t n_lost; /* not counted: failed because gone or silent, where that is skipped */
	uint32_t n_vanished;
	uint32_t n_touched;
	/* Those that are gone since not longer than the window, the longest first. */
	uint32_t first_late; /* 1 more than its number; 0: none */
	uint32_t last_late;
	uint32_t n_late;
	uint64_t told_ms; /* the deadline last told */
};

enum rollout_input_type {
	ON_START,
	ON_EVENT_STARTED,
	ON_EVENT_SUCCEEDED,
	ON_EVENT_FAILED,
	ON_EVENT_SKIPPED, /* nothing to run there; shown as Succeeded */
	ON_HOST_GONE,
	ON_HOST_BACK,
	ON_HOST_HELD,
	ON_HOST_FREE,
	ON_PAUSE,
	ON_RESUME, /* also lets a stranded rollout go on without those that are gone */
	ON_STOP,
	ON_TIMER, /* the deadline told is due; at any other time harmless */
};

struct rollout_input {
	enum rollout_input_type type;
	uint32_t target;             /* ON_EVENT_*, ON_HOST_* */
	enum target_event event;     /* ON_EVENT_* */
	enum stop_rollback rollback; /* ON_STOP */
};

enum rollout_action_type {
	ACTION_SEND,           /* offer the command of `event` to the host */
	ACTION_WITHDRAW,       /* offer it no more; tell an agent that understands to cancel */
	ACTION_SHIFT_TRAFFIC,  /* do `event` for the host; report ON_EVENT_SUCCEEDED or _FAILED
				*/
	ACTION_EVENT_STATUS,   /* the target's `event` is now `event_status` */
	ACTION_TARGET_STATE,   /* the target is now `target_state`, for `reason` */
	ACTION_PHASE,          /* the deployment is now in `phase`, for `reason` */
	ACTION_WAITS,          /* paused, stranded, or neither any more: `reason` */
	ACTION_START_ROLLBACK, /* make the deployment of rollout_rollback() */
	ACTION_DEADLINE,       /* give ON_TIMER at `deadline_ms`; 0: no more */
};

struct rollout_action {
	enum rollout_action_type type;
	uint32_t target;
	enum target_event event;
	enum event_status event_status;
	enum target_state target_state;
	enum rollout_phase phase;
	enum rollout_reason reason;
	uint64_t deadline_ms;
};

struct rollout_actions {
	struct rollout_action *items;
	size_t n;
	size_t cap;
};

void rollout_actions_done(struct rollout_actions *actions);

/* Derives what is not stored. The targets must outlive the rollout; at most UINT32_MAX - 1. */
void rollout_open(struct rollout *rollout);

/* Frees what rollout_open() made, and leaves the targets. */
void rollout_done(struct rollout *rollout);

/*
 * Takes one input and appends what is to be done to out, in order. Returns 0, or -ESTALE if the
 * input is late, doubled or of no consequence: nothing changed and nothing was appended.
 * `now_ms` never goes back. A target that does not exist is the caller's bug.
 */
int rollout_apply(struct rollout *rollout, const struct rollout_input *input, uint64_t now_ms,
	struct rollout_actions *out);

/* When ON_TIMER is due; 0 if over. */
uint64_t rollout_deadline(const struct rollout *rollout);

bool rollout_is_over(const struct rollout *rollout);

/* N, M, F, and how many hosts may be under way now; all by rollout_health.h. */
struct rollout_health {
	uint32_t n_hosts;
	uint32_t minimum;
	uint32_t n_failed;
	uint32_t n_under_way;
	uint32_t n_allowed;
};

struct rollout_health rollout_health(const struct rollout *rollout);

/* The state that follows, or -EPROTO where there is no such edge. */
enum target_turn {
	TURN_BEGIN,
	TURN_TAKEN,
	TURN_TRAFFIC, /* the next event is the controller's own, so under way at once */
	TURN_NEXT,
	TURN_LAST,
	TURN_FAIL,
	TURN_SKIP,
};
int target_next(enum target_state from, enum target_turn turn);

enum rollout_turn {
	ROLLOUT_STARTS,
	ROLLOUT_REFUSED,
	ROLLOUT_BREAKS, /* the minimum is reached */
	ROLLOUT_STOPS,
	ROLLOUT_DRAINED,     /* nothing runs and nothing is to come */
	ROLLOUT_FALLS_SHORT, /* the same, with too few healthy */
	ROLLOUT_TIMES_OUT,
};
int rollout_next(enum rollout_phase from, enum rollout_turn turn);

/* ---- around a rollout */

/* Whether a host becomes a target at all; only_outdated leaves out the current ones. */
bool rollout_selects(const struct rollout_config *config, const struct host_history *history);

/* What the ended rollout makes of a target's history. */
struct host_history rollout_after(const struct rollout *rollout, uint32_t target);

/*
 * The rollback of an ended rollout: the hosts where it began anything; the rest of the group,
 * if not away, are bystanders. ret_hosts: indices into rollout->targets, to be freed;
 * ret_targets: the new targets in the same order, to be freed. Returns their number.
 */
uint32_t rollout_rollback(const struct rollout *rollout, struct rollout_config *ret_config,
	uint32_t **ret_hosts, struct target **ret_targets);
