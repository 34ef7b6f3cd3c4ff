/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

/*
 * One row a member: whoever adds a member to the stored ones adds a row here. What a row names
 * must stay readable for ever, since a deployment may be open while the controller is upgraded.
 */
enum kind { KIND_BOOL, KIND_U32, KIND_U64 };

static const struct member {
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t limit; /* the highest value that means anything */
} members[] = {
/* clang-format off */
#define MEMBER(name, kind, member, limit) { name, kind, offsetof(struct rollout, member), limit }
	MEMBER("MinimumType",        KIND_U32,  config.minimum.type,           MINIMUM_MOST_CONCURRENCY),
	MEMBER("MinimumValue",       KIND_U32,  config.minimum.value,          UINT32_MAX),
	MEMBER("MinimumPredefined",  KIND_BOOL, config.minimum.predefined,     1),
	MEMBER("Lifecycle",          KIND_U32,  config.lifecycle,              LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER),
	MEMBER("Unreachable",        KIND_U32,  config.unreachable,            UNREACHABLE_SKIP),
	MEMBER("IgnoreStopFailures", KIND_BOOL, config.ignore_application_stop_failures, 1),
	MEMBER("OnlyOutdated",       KIND_BOOL, config.only_outdated,          1),
	MEMBER("RollbackOnFailure",  KIND_BOOL, config.rollback_on_failure,    1),
	MEMBER("RollbackOnStop",     KIND_BOOL, config.rollback_on_stop,       1),
	MEMBER("IsRollback",         KIND_BOOL, config.is_rollback,            1),
	MEMBER("RollbackLikeAws",    KIND_BOOL, config.rollback_like_aws,      1),
	MEMBER("Bystanders",         KIND_U32,  config.n_bystanders,           UINT32_MAX),
	MEMBER("VanishPercent",      KIND_U32,  config.vanish_percent,         UINT32_MAX),
	MEMBER("VanishWindow",       KIND_U64,  config.vanish_window_ms,       INT64_MAX),
	MEMBER("StartTimeout",       KIND_U64,  config.start_timeout_ms,       INT64_MAX),
	MEMBER("EventTimeout",       KIND_U64,  config.event_timeout_ms,       INT64_MAX),
	MEMBER("GoneTimeout",        KIND_U64,  config.gone_timeout_ms,        INT64_MAX),
	MEMBER("TrafficTimeout",     KIND_U64,  config.traffic_timeout_ms,     INT64_MAX),
	MEMBER("DeploymentTimeout",  KIND_U64,  config.deployment_timeout_ms,  INT64_MAX),
	MEMBER("Seed",               KIND_U64,  config.seed,                   INT64_MAX),
	MEMBER("Phase",              KIND_U32,  phase,                         PHASE_STOPPED),
	MEMBER("Reason",             KIND_U32,  reason,                        N_ROLLOUT_REASONS - 1),
	MEMBER("Paused",             KIND_BOOL, paused,                        1),
	MEMBER("Stranded",           KIND_BOOL, stranded,                      1),
	MEMBER("Halted",             KIND_BOOL, halted,                        1),
	MEMBER("StopRollback",       KIND_U32,  stop_rollback,                 STOP_NO_ROLLBACK),
	MEMBER("Created",            KIND_U64,  created_ms,                    INT64_MAX),
	MEMBER("Grace",              KIND_U64,  grace_ms,                      INT64_MAX),
	/* clang-format on */
};

/* The members differ in type, not in size, from what their kind says: enums are 32 bits. */
_Static_assert(sizeof(enum rollout_phase) == sizeof(uint32_t), "enums are read as uint32_t");

static uint64_t value_of(const struct rollout *rollout, const struct member *member)
{
	const char *at = (const char *)rollout + member->offset;
	uint32_t word;
	uint64_t value;
	bool truth;

	switch (member->kind) {
	case KIND_BOOL:
		memcpy(&truth, at, sizeof(truth));
		return truth;
	case KIND_U32:
		memcpy(&word, at, sizeof(word));
		return word;
	case KIND_U64:
		memcpy(&value, at, sizeof(value));
		return value;
	}
	__builtin_unreachable();
}

static void set_value(struct rollout *rollout, const struct member *member, uint64_t value)
{
	char *at = (char *)rollout + member->offset;
	uint32_t word = (uint32_t)value;
	bool truth = value != 0;

	switch (member->kind) {
	case KIND_BOOL:
		memcpy(at, &truth, sizeof(truth));
		return;
	case KIND_U32:
		memcpy(at, &word, sizeof(word));
		return;
	case KIND_U64:
		memcpy(at, &value, sizeof(value));
		return;
	}
	__builtin_unreachable();
}

char *rollout_write(const struct rollout *rollout)
{
	cleanup_with(json_decrefp) json_t *json = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		uint64_t value = value_of(rollout, &members[i]);

		if (value > 0)
			(void)json_object_set_new(
				json, members[i].name, json_integer((json_int_t)value));
	}
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
}

static int read_member(struct rollout *rollout, const json_t *json, const struct member *member,
	struct error *err)
{
	int64_t value = 0;
	int r = json_find_integer(json, member->name, &value, err);

	if (r < 0)
		return error_recode(err, -EBADMSG);
	if (value < 0 || (uint64_t)value > member->limit)
		return error_set(err, -EBADMSG, "'%s' is %" PRIi64 ", which means nothing",
			member->name, value);
	set_value(rollout, member, (uint64_t)value);
	return 0;
}

int rollout_read(struct rollout *ret, const char *text, struct error *err)
{
	cleanup_with(json_decrefp) json_t *json = NULL;
	int r = json_parse_object(&json, text, strlen(text), err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(members); i++)
		r = read_member(ret, json, &members[i], err);
	return r < 0 ? error_wrap(err, "the stored state of the rollout") : 0;
}
