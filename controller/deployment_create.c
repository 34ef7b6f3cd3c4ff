/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/deployments_internal.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/settings.h"
#include "controller/store.h"

/* ---- which revision a host has */

/* An earlier deployment that brought some host what it has; of many hosts it is the same. */
struct origin {
	char id[DEPLOYMENT_ID_LENGTH + 1];
	bool is_groups; /* it brought the revision of the group's last success */
	bool is_asked;  /* it brought the revision that is to be deployed now */
};

struct selecting {
	struct deployments *owner;
	const struct deployment_request *request;
	struct rollout_config *config;
	struct target *targets;
	struct host **hosts;
	uint32_t n;
	struct origin *origins;
	size_t n_origins;
	size_t cap_origins;
};

static int read_origin(struct selecting *selecting, const char *id, struct error *err)
{
	cleanup_with(deployment_record_done) struct deployment_record record = { 0 };
	const char *target_revision = selecting->request->group->target_revision;
	struct origin *origin;
	int r = store_find_deployment(selecting->owner->store, id, &record, err);

	if (r < 0)
		return r;
	xgrow(&selecting->origins, &selecting->cap_origins, selecting->n_origins);
	origin = &selecting->origins[selecting->n_origins++];
	*origin = (struct origin){ 0 };
	(void)snprintf(origin->id, sizeof(origin->id), "%s", id);
	if (r > 0) {
		origin->is_groups = target_revision &&
				    strcmp(record.revision, target_revision) == 0;
		origin->is_asked = strcmp(record.revision, selecting->request->revision) == 0;
	}
	return 0;
}

/* *ret is good until the next call. */
static int find_origin(struct selecting *selecting, const char *id, const struct origin **ret,
	struct error *err)
{
	int r;

	for (size_t i = selecting->n_origins; i-- > 0;) {
		if (strcmp(selecting->origins[i].id, id) == 0) {
			*ret = &selecting->origins[i];
			return 0;
		}
	}
	r = read_origin(selecting, id, err);
	if (r < 0)
		return r;
	*ret = &selecting->origins[selecting->n_origins - 1];
	return 0;
}

/*
 * `ret_asked`: the host has what is to be deployed, whole. What counts as current is what the
 * group's last success brought: a host that was away since then has an old revision, whatever
 * was true when it was last written down.
 */
static int read_history(struct selecting *selecting, const struct host *host,
	struct host_history *ret, bool *ret_asked, struct error *err)
{
	struct host_record record = { 0 };
	const struct origin *origin;
	int r = store_find_host_record(selecting->owner->store, host->name,
		selecting->request->group->id, &record, err);

	*ret = (struct host_history){ 0 };
	*ret_asked = false;
	if (r <= 0 || record.written_ms < host->registered_ms)
		return r < 0 ? r : 0;
	*ret = record.history;
	if (record.deployment_id[0] == '\0')
		return 0;
	r = find_origin(selecting, record.deployment_id, &origin, err);
	if (r < 0)
		return r;
	if (ret->revision == REVISION_CURRENT && !origin->is_groups)
		ret->revision = REVISION_OLD;
	*ret_asked = ret->healthy && origin->is_asked;
	return 0;
}

/* ---- selection */

static int select_host(struct selecting *selecting, struct host *host, struct error *err)
{
	struct host_history history;
	bool has_it;
	int r = read_history(selecting, host, &history, &has_it, err);

	if (r < 0)
		return r;
	if (!rollout_selects(
		    selecting->config, &(struct host_history){ history.healthy,
					       has_it ? REVISION_CURRENT : REVISION_OLD })) {
		selecting->config->n_bystanders++;
		return 0;
	}
	selecting->targets[selecting->n] = (struct target){ .history = history,
		.gone = !host->is_present };
	selecting->hosts[selecting->n++] = host;
	return 0;
}

static size_t find_hosts(struct selecting *selecting)
{
	const struct deployment_request *request = selecting->request;
	size_t n = fleet_select(selecting->owner->fleet, request->group, &selecting->hosts);

	if (!request->hosts)
		return n;
	free(selecting->hosts);
	selecting->hosts = xcalloc(request->n_hosts + 1, sizeof(*selecting->hosts));
	memcpy(selecting->hosts, request->hosts, request->n_hosts * sizeof(*selecting->hosts));
	if (n > request->n_hosts)
		selecting->config->n_bystanders = (uint32_t)(n - request->n_hosts);
	return request->n_hosts;
}

/* Leaves the hosts that become targets in `selecting`. */
static int select_hosts(struct selecting *selecting, struct error *err)
{
	size_t n = find_hosts(selecting);
	int r = 0;

	selecting->targets = xcalloc(n + 1, sizeof(*selecting->targets));
	/* In place: no host is written before it was read. */
	for (size_t i = 0; i < n && r >= 0; i++)
		r = select_host(selecting, selecting->hosts[i], err);
	return r;
}

static void selecting_done(struct selecting *selecting)
{
	free(selecting->targets);
	free(selecting->hosts);
	free(selecting->origins);
}

/* ---- the deployment */

static uint64_t make_seed(void)
{
	uint64_t seed = 0;

	/* Any order will do; 63 bits, so that JSON can hold it. */
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		return 0;
	return seed & INT64_MAX;
}

static struct rollout_config make_config(
	const struct settings *settings, const struct deployment_request *request)
{
	const struct rollout_settings *rollout = &settings->rollout;

	return (struct rollout_config){
		.minimum = request->config->minimum,
		.lifecycle = LIFECYCLE_IN_PLACE,
		.unreachable = UNREACHABLE_FAIL,
		.ignore_application_stop_failures = request->ignore_application_stop_failures,
		.only_outdated = request->only_outdated,
		.rollback_on_failure = request->roll_back.enabled &&
				       request->roll_back.on_failure,
		.rollback_on_stop = request->roll_back.enabled && request->roll_back.on_stop,
		.rollback_like_aws = rollout->rollback_like_aws,
		.vanish_percent = rollout->vanish_percent,
		.vanish_window_ms = rollout->vanish_window_ms,
		.start_timeout_ms = rollout->start_timeout_ms,
		.event_timeout_ms = rollout->event_timeout_ms,
		.gone_timeout_ms = rollout->gone_timeout_ms,
		.traffic_timeout_ms = rollout->traffic_timeout_ms,
		.deployment_timeout_ms = rollout->deployment_timeout_ms,
		.seed = make_seed(),
	};
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* An id that no deployment ever had: the store would replace the other's row. */
static void make_id(struct deployments *owner, char ret[static DEPLOYMENT_ID_LENGTH + 1])
{
	bool is_taken;

	do {
		struct deployment_record other = { 0 };

		identifier_make_deployment(ret);
		is_taken = store_find_deployment(owner->store, ret, &other, NULL) > 0;
		deployment_record_done(&other);
	} while (is_taken);
}

struct deployment *deployment_new(
	struct deployments *owner, struct group *group, uint64_t now_ms)
{
	struct deployment *deployment = xcalloc(1, sizeof(*deployment));
	struct deployment_record *record = &deployment->record;

	deployment->owner = owner;
	deployment->group = group;
	deployment->rollout.created_ms = now_ms;
	make_id(owner, record->id);
	(void)snprintf(record->application_name, sizeof(record->application_name), "%s",
		group->application->name);
	(void)snprintf(record->group_id, sizeof(record->group_id), "%s", group->id);
	(void)snprintf(record->group_name, sizeof(record->group_name), "%s", group->name);
	(void)snprintf(record->status, sizeof(record->status), "Created");
	record->previous_revision = copy_or_null(group->target_revision);
	record->created_ms = now_ms;
	return deployment;
}

static void fill_record(
	struct deployment_record *record, const struct deployment_request *request)
{
	(void)snprintf(
		record->config_name, sizeof(record->config_name), "%s", request->config->name);
	(void)snprintf(
		record->file_exists, sizeof(record->file_exists), "%s", request->file_exists);
	(void)snprintf(record->creator, sizeof(record->creator), "%s", request->creator);
	record->revision = xstrdup(request->revision);
	record->description = xstrdup(request->description);
	record->created_by = xstrdup(request->created_by);
	record->auto_rollback = xstrdup(request->auto_rollback);
	record->alarm_override = copy_or_null(request->alarm_override);
	record->messages = xstrdup(request->messages);
	record->ignore_application_stop_failures = request->ignore_application_stop_failures;
	record->only_outdated = request->only_outdated;
	record->restart = request->restart;
}

/* A revision that nobody registered counts as registered from its first deployment on. */
static void use_revision(const struct deployment *deployment, uint64_t now_ms)
{
	struct store *store = deployment->owner->store;
	cleanup_with(revision_record_done) struct revision_record record = { 0 };
	int r = store_find_revision(store, deployment->group->application->id,
		deployment->record.revision, &record, NULL);

	if (r < 0)
		return; /* the store is broken, and the commit will say so */
	if (r == 0) {
		(void)snprintf(record.application_id, sizeof(record.application_id), "%s",
			deployment->group->application->id);
		record.location = xstrdup(deployment->record.revision);
		record.description = xstrdup("");
		record.registered_ms = now_ms;
	}
	if (record.first_used_ms == 0)
		record.first_used_ms = now_ms;
	record.last_used_ms = now_ms;
	store_put_revision(store, &record);
}

void deployment_begin(struct deployment *deployment, uint64_t now_ms)
{
	struct group *group = deployment->group;

	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++)
		deployment->targets[i].held = deployment_target_is_held(&deployment->hosts[i]);
	rollout_open(&deployment->rollout);
	deployment_link(deployment);
	/* Its row first: those of its targets refer to it. */
	deployment_put(deployment);
	for (uint32_t i = 0; i < deployment->rollout.n_targets; i++) {
		deployment->hosts[i].updated_ms = now_ms;
		deployment_target_changed(deployment, i);
	}
	(void)snprintf(group->last_attempted, sizeof(group->last_attempted), "%s",
		deployment->record.id);
	store_put_group(deployment->owner->store, group);
	use_revision(deployment, now_ms);
	deployment_log_of(deployment);
	log_notice("deployment %s of %s/%s begins on %u host%s (%s)", deployment->record.id,
		deployment->record.application_name, deployment->record.group_name,
		deployment->rollout.n_targets, deployment->rollout.n_targets == 1 ? "" : "s",
		deployment->record.creator);
	deployment_log_of(NULL);
	(void)deployment_apply(
		deployment, &(struct rollout_input){ .type = ON_START }, NULL, now_ms);
}

static bool is_to_late_joiners(const struct deployment *deployment)
{
	return strcmp(deployment->record.creator, AUTO_UPDATE) == 0;
}

bool deployments_is_busy(const struct group *group)
{
	return group->active && !is_to_late_joiners(group->active);
}

/*
 * Nobody asked for a deployment to late joiners, so nobody is refused because of one. Its
 * hosts get the new one's revision as soon as the event under way there is over.
 */
static void make_way(struct group *group, uint64_t now_ms)
{
	struct deployment *active = group->active;

	if (!active)
		return;
	group->active = NULL;
	deployment_changed(active);
	(void)deployment_apply(active,
		&(struct rollout_input){ .type = ON_STOP, .rollback = STOP_NO_ROLLBACK }, NULL,
		now_ms);
}

int deployments_create(struct deployments *deployments,
	const struct deployment_request *request, uint64_t now_ms,
	char ret_id[static DEPLOYMENT_ID_LENGTH + 1], struct error *err)
{
	struct rollout_config config = make_config(deployments->settings, request);
	cleanup_with(selecting_done) struct selecting selecting = {
		.owner = deployments, .request = request, .config = &config
	};
	struct deployment *deployment;
	int r;

	if (deployments_is_busy(request->group))
		return error_set(err, -EBUSY, "deployment %s is under way in group %s",
			request->group->active->record.id, request->group->name);
	r = select_hosts(&selecting, err);
	if (r < 0)
		return error_wrap(
			err, "cannot select the hosts of group %s", request->group->name);
	now_ms = deployments_advance(deployments, now_ms);
	make_way(request->group, now_ms);
	deployment = deployment_new(deployments, request->group, now_ms);
	fill_record(&deployment->record, request);
	deployment->rollout.config = config;
	deployment_set_targets(
		deployment, take(&selecting.targets), selecting.hosts, selecting.n);
	memcpy(ret_id, deployment->record.id, DEPLOYMENT_ID_LENGTH + 1);
	deployment_begin(deployment, now_ms);
	deployments_settle(deployments, now_ms);
	return 0;
}
