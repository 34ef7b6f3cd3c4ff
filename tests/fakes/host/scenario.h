/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct kind;

/*
 * What the hosts are told to do, read from JSON; README.md has the format. Texts are borrowed
 * from the scenario, which outlives its users: a newer one is laid over it, not put in its
 * place.
 */
#define NEVER UINT64_MAX

struct span {
	uint64_t from_us, to_us; /* drawn between them, both included */
};

/* How a host behaves throughout. */
struct manner {
	const struct kind *kind;
	struct span start;     /* after the program's own start */
	uint64_t wait_us;      /* between two polls */
	bool probes;           /* if its kind does */
	bool uses_auth_policy; /* the other target prefix and signing name */
	unsigned lost_polls;   /* answers with a command that do not arrive */
};

enum crash {
	CRASH_NOT,
	CRASH_BEFORE_ACKNOWLEDGEMENT,
	CRASH_AFTER_ACKNOWLEDGEMENT,
	CRASH_BEFORE_COMPLETION,
	CRASH_AFTER_COMPLETION,
};

enum lost { LOST_ACKNOWLEDGEMENT = 1, LOST_COMPLETION = 2 };

/* What becomes of one command on one host. */
struct behaviour {
	bool fails;
	int error_code;
	const char *script, *message, *log;
	struct span delay;
	int noop; /* 1, 0, or -1: as the agent finds it */
	enum crash crash;
	bool is_silent;     /* the crash is a power cut: no connection is closed */
	uint64_t return_us; /* after the crash, or NEVER */
	unsigned lost;      /* enum lost: answers that do not arrive, once each */
	const char *
		garbage; /* sent beside the acknowledgement: "bytes", "json", "form"; or NULL */
};

enum deed { DEED_CRASH, DEED_RETURN };

/* Something that happens to hosts at a time instead of in a command. */
struct incident {
	uint64_t at_us; /* after the start, or after the scenario was read anew */
	const json_t *hosts;
	enum deed deed;
	bool is_silent;
	uint64_t return_us;
};

struct scenario;

/* n_hosts: places for counting how often a rule was used. path NULL: nothing but defaults. */
int scenario_new(struct scenario **ret, const char *path, size_t n_hosts, struct error *err);
void scenario_free(struct scenario *scenario);

unsigned scenario_seed(const struct scenario *scenario);
int scenario_manner(const struct scenario *scenario, const char *host, struct manner *ret,
	struct error *err);

struct occasion {
	const char *host;
	size_t host_index;
	const char *event, *revision, *creator;
};
/* Applies all rules that fit, later ones over earlier, and counts those with "times". */
void scenario_behaviour(
	struct scenario *scenario, const struct occasion *occasion, struct behaviour *ret);

/* The n-th incident, or false. */
bool scenario_incident(const struct scenario *scenario, size_t n, struct incident *ret);
/* Whether a pattern, or one of a list of patterns, fits; NULL fits all. */
bool scenario_fits(const json_t *patterns, const char *text);
