/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct root;

/*
 * What was deployed to a group on this host, oldest first:
 * deployment-instructions/<group>-history.json. The reference keeps no such thing; from its
 * pointers alone nobody can tell which revision ever worked. Replaced atomically and synced, so
 * that after a crash a record says RECORD_RUNNING, which the next command turns into
 * RECORD_INTERRUPTED.
 */
enum record_state { RECORD_RUNNING, RECORD_SUCCEEDED, RECORD_FAILED, RECORD_INTERRUPTED };

struct record {
	char *deployment;
	char *location; /* of the revision, as its user knows it */
	char *from;     /* the deployment whose kept archive was used, or NULL */
	char *appspec;  /* name of the appspec if it was given, or NULL */
	char *user;     /* who asked for it */
	char *event;    /* the one that runs or that failed, or NULL */
	char *script;   /* the one that failed, or NULL */
	char *message;  /* of a failure, or NULL */
	bool rollback;
	enum record_state state;
	int64_t started_ms;
	int64_t ended_ms;     /* 0 while running */
	int64_t source_bytes; /* size and time of an archive, to know it again; 0 for
				 directories */
	int64_t source_mtime_ns;
};

struct history {
	char *group;       /* id */
	char *name;        /* of the group, as people call it */
	char *application; /* or NULL if nobody said */
	struct record *records;
	size_t n;
	size_t cap;
};

/* Older records go once there are more, unless their deployment is still kept on disk. */
enum { HISTORY_LIMIT_RECORDS = 100, HISTORY_LIMIT_BYTES = 4 * 1024 * 1024 };

const char *record_state_name(enum record_state state);

/*
 * Reads the history of a group; none is an empty one. A file that is not a history is
 * -EBADMSG, with err saying where it is.
 */
int history_load(
	struct history *history, const struct root *root, const char *group, struct error *err);

/* The same from n bytes of text. On failure *history is untouched. */
int history_parse(struct history *history, const char *group, const char *text, size_t n,
	struct error *err);
int history_save(struct history *history, const struct root *root, struct error *err);
void history_done(struct history *history);

/*
 * Puts an unreadable history aside under a name of its own, so that the group can be worked
 * with and nothing is lost. *ret_name is that name, the caller's to free.
 */
int history_set_aside(
	const struct root *root, const char *group, char **ret_name, struct error *err);

/* A new last record, RECORD_RUNNING; valid until the next one is added. */
struct record *history_add(struct history *history, const char *deployment);
struct record *history_find(const struct history *history, const char *deployment);

/* The newest record that succeeded to its end, or NULL. */
const struct record *history_newest_good(const struct history *history);

/* The record that says running, or NULL: with the group's lock held, one that was cut off. */
struct record *history_running(const struct history *history);

void record_done(struct record *record);

/* Replaces a string of a record by a copy of text, which may be NULL. */
void record_set(char **member, const char *text);
