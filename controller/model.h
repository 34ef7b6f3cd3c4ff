/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/rollout.h"

struct error;

/*
 * What the controller knows: plain structs, one for each noun of the API. Members marked
 * "Stored" are what store.h writes and reads; all others are derived at load. Times are
 * milliseconds since 1970 by the core's clock, 0 where there is none. Strings are owned by
 * their struct and never NULL, but where it says so; "JSON" is a text in the form in which the
 * API shows it.
 */

/* Bounds in bytes, without a NUL (names: characters of the API's alphabet). */
enum {
	UUID_LENGTH = 36,
	NAME_LENGTH = 100,
	DEPLOYMENT_ID_LENGTH = 11, /* "d-" and nine of A-Z, 0-9 */
	DESCRIPTION_LENGTH = 256,
	TAG_KEY_LENGTH = 128,
	TAG_VALUE_LENGTH = 256,
	ACCESS_KEY_LENGTH = 20,
	ARN_LENGTH = 1011,
};

struct application {
	/* Stored. */
	char id[UUID_LENGTH + 1];
	char name[NAME_LENGTH + 1];
	uint64_t created_ms;

	uint32_t n_groups;
};

/* Server's deployment configurations; the predefined three are never stored. */
struct deployment_config {
	/* Stored. */
	char id[UUID_LENGTH + 1];
	char name[NAME_LENGTH + 1];
	struct minimum_healthy minimum;
	uint64_t created_ms;

	uint32_t n_groups; /* that use it */
};

struct tag {
	char *key;
	char *value;
};

struct tags {
	struct tag *items; /* by key, none twice */
	size_t n;
};

void tags_done(struct tags *tags);

enum tag_filter_type { TAG_KEY_ONLY, TAG_VALUE_ONLY, TAG_KEY_AND_VALUE };

struct tag_filter {
	enum tag_filter_type type;
	char *key;   /* "" if there is none */
	char *value; /* "" if there is none */
};

/* Filters of which one must match. */
struct tag_filters {
	struct tag_filter *items;
	size_t n;
};

/*
 * What selects hosts: either a list (of which one filter must match) or a set (of lists, of
 * each of which one must). Empty: selects nothing.
 */
struct tag_selection {
	struct tag_filters *lists; /* one for a plain list */
	size_t n_lists;
	bool is_set;
};

void tag_selection_done(struct tag_selection *selection);
bool tag_selection_matches(const struct tag_selection *selection, const struct tags *tags);

struct auto_rollback {
	bool enabled;
	bool on_failure;
	bool on_alarm;
	bool on_stop;
};

struct group {
	/* Stored. */
	char id[UUID_LENGTH + 1];
	struct application *application;
	char name[NAME_LENGTH + 1];
	char config_name[NAME_LENGTH + 1];
	uint64_t created_ms;
	/* What was asked for, JSON: the members of DeploymentGroupInfo that a client sets. What
	 * follows below is taken from it. */
	char *settings;
	/* Of the last deployment that succeeded, and of the last there was; "" if none. */
	char last_successful[DEPLOYMENT_ID_LENGTH + 1];
	char last_attempted[DEPLOYMENT_ID_LENGTH + 1];
	char *target_revision; /* JSON, a RevisionLocation; NULL before the first success */

	struct tag_selection on_premises;
	struct tag_selection ec2; /* chooses among the same hosts */
	struct auto_rollback auto_rollback;
	struct deployment *active; /* NULL if none is open */
	bool may_have_late;        /* hosts that came after its last deployment */
};

/* Takes on_premises, ec2 and auto_rollback from `settings`; on failure they stay as they were.
 */
int group_read_settings(struct group *group, struct error *err);
void group_free(struct group *group);

/* A registered host. */
struct host {
	/* Stored. */
	char name[NAME_LENGTH + 1];
	char *iam_arn; /* its HostIdentifier on the wire; free again once deregistered */
	bool is_session_arn;
	char *instance_arn;
	uint64_t registered_ms;
	uint64_t deregistered_ms;
	struct tags tags;

	/* Of this run of the controller (presence.h). */
	uint64_t heard_ms; /* 0: not yet */
	bool is_ours;      /* an agent of ours: its silence counts sooner */
	bool is_present;
	struct call *parked; /* its poll that waits for a command; NULL if none */
	struct host *older;  /* list by heard_ms */
	struct host *newer;
	struct deployment_target *open; /* its part in open deployments, a list */
	bool may_be_late; /* some group may select it that did not when it was last deployed */
};

void host_free(struct host *host);

/* What a host brings into the next deployment of a group. */
struct host_record {
	/* Stored; by host name and group id. */
	struct host_history history;
	char deployment_id[DEPLOYMENT_ID_LENGTH + 1]; /* that installed what it has; "" */
	/* Before the host's registration: of another one that bore its name. */
	uint64_t written_ms;
};

enum key_role { KEY_ADMINISTRATOR, KEY_DEPLOYER, KEY_READER, KEY_HOST };

/* An access key of SigV4. */
struct key {
	/* Stored. */
	char id[ACCESS_KEY_LENGTH + 1];
	char name[NAME_LENGTH + 1];
	enum key_role role;
	char *user_arn;     /* of a host: its iam_arn; "" for people */
	char *applications; /* JSON, a list of names that a deployer is bound to; "[]": all */
	char *secret;
	bool disabled;
	uint64_t created_ms;

	/* A signing key derived lately. */
	char derived_for[256]; /* date/region/service; "" if none */
	uint8_t derived[32];
};

void key_free(struct key *key); /* and wipes its secret */

/* A deployment as the API shows it. Rows of ended ones are read when asked for. */
struct deployment_record {
	/* Stored. */
	char id[DEPLOYMENT_ID_LENGTH + 1];
	char application_name[NAME_LENGTH + 1];
	char group_id[UUID_LENGTH + 1];
	char group_name[NAME_LENGTH + 1];
	char config_name[NAME_LENGTH + 1];
	char *revision;          /* JSON, a RevisionLocation */
	char *previous_revision; /* NULL: none */
	char *description;
	char creator[32]; /* "user", "codeDeployRollback", ... */
	char *created_by; /* key id or "" for the controller */
	uint64_t created_ms;
	uint64_t started_ms;
	uint64_t completed_ms;
	char status[16];  /* "Created", "InProgress", "Succeeded", "Failed", "Stopped" */
	char *error_code; /* NULL: none */
	char *error_message;
	uint32_t overview[6]; /* Pending, InProgress, Succeeded, Failed, Skipped, Ready */
	bool ignore_application_stop_failures;
	bool only_outdated;
	bool restart; /* deploymentMode RESTART */
	char file_exists[16];
	char *auto_rollback;  /* JSON, in force: the deployment's own or the group's */
	char *alarm_override; /* JSON or NULL */
	char *messages;       /* JSON, a list of strings: deploymentStatusMessages */
	char rolled_back_by[DEPLOYMENT_ID_LENGTH + 1];
	char rollback_of[DEPLOYMENT_ID_LENGTH + 1];
	char *rollback_message; /* NULL: none */
	char *rollout;          /* JSON: struct rollout_config and the stored members of struct
				   rollout, so that an open one goes on after a restart */
};

void deployment_record_done(struct deployment_record *record);

/* One lifecycle event of a target. */
struct event_record {
	enum target_event event;
	enum event_status status;
	uint64_t started_ms;
	uint64_t ended_ms;
	int error_code;    /* the agent's, 0-7; -1: none reported */
	char *script_name; /* NULL: none reported */
	char *message;
	char *log_tail;
};

void event_record_done(struct event_record *record);

/*
 * A delivery of a command, named by its HostCommandIdentifier: the first acknowledged is the
 * command.
 */
struct delivery {
	char id[UUID_LENGTH + 1];
	uint64_t offered_ms;
	bool is_acknowledged;
	bool is_noop;
};

/* A host's part in a deployment. */
struct target_record {
	/* Stored, by deployment id and position. */
	uint32_t position; /* in struct rollout's targets */
	char host_name[NAME_LENGTH + 1];
	struct target target; /* what rollout.h marks as stored */
	uint64_t updated_ms;
};

/* A revision that was registered, or deployed, of an application. */
struct revision_record {
	/* Stored; by application and location. */
	char application_id[UUID_LENGTH + 1];
	char *location; /* JSON, canonical: sorted members, no blanks; the key */
	char *description;
	uint64_t registered_ms;
	uint64_t first_used_ms;
	uint64_t last_used_ms;
};
void revision_record_done(struct revision_record *record);
