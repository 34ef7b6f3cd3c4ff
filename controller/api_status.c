/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/answer.h"
#include "controller/call.h"
#include "controller/credential.h"
#include "controller/desk.h"
#include "controller/doorway.h"
#include "controller/fleet.h"
#include "controller/settings.h"
#include "controller/why.h"

/* How the controller is, and why something is as it is. */

struct tally {
	uint64_t present;
	uint64_t parked;
	uint64_t deployments;
};

static void tally_host(void *context, struct host *host)
{
	struct tally *tally = context;

	tally->present += host->is_present;
	tally->parked += host->parked != NULL;
}

static void tally_group(void *context, struct group *group)
{
	struct tally *tally = context;

	tally->deployments += group->active != NULL;
}

static void set_number(json_t *object, const char *member, uint64_t value)
{
	(void)json_object_set_new(object, member, json_integer((json_int_t)value));
}

/* One that cannot be read is left out: `droverd check-config` says why. */
static void set_expiry(json_t *object, const char *member, const char *path)
{
	struct credential credential = { 0 };

	if (credential_load_certificates(&credential, path, NULL) == 0)
		answer_time(object, member, credential_expires_ms(&credential));
	credential_done(&credential);
}

static json_t *certificates(const struct settings *settings)
{
	json_t *object = json_object();

	set_expiry(object, "authority", settings->ca_certificate);
	set_expiry(object, "server", settings->server_certificate);
	set_expiry(object, "signing", settings->signing_certificate);
	set_expiry(object, "awsSigning", settings->aws_signing_certificate);
	return object;
}

static json_t *disk(const struct settings *settings)
{
	json_t *object = json_object();
	struct statvfs info;

	if (statvfs(settings->directory, &info) < 0)
		return object;
	set_number(object, "freeBytes", (uint64_t)info.f_bavail * info.f_frsize);
	set_number(object, "totalBytes", (uint64_t)info.f_blocks * info.f_frsize);
	return object;
}

/* The sums over all doors that are there. */
static json_t *doors(const struct desk *desk)
{
	uint64_t sums[EXCHANGE_N_COUNTS] = { 0 };
	json_t *object = json_object();
	uint64_t n = 0;

	for (const struct doorway *at = desk->doorways; at; at = at->next, n++)
		for (size_t i = 0; i < EXCHANGE_N_COUNTS; i++)
			sums[i] += at->counts.values[i];
	set_number(object, "doors", n);
	for (size_t i = 0; i < EXCHANGE_N_COUNTS; i++)
		set_number(object, exchange_count_name((enum exchange_count)i), sums[i]);
	return object;
}

static json_t *requests(const struct desk *desk)
{
	json_t *object = json_object();

	set_number(object, "served", desk->n_requests);
	set_number(object, "refused", desk->n_refused);
	set_number(object, "parked", desk->n_parked);
	set_number(object, "commits", desk->turn.n_commits);
	set_number(object, "failedCommits", desk->turn.n_failures);
	set_number(object, "longestCommitMs", desk->turn.longest_commit_ms);
	return object;
}

static void status(struct call *call)
{
	const struct settings *settings = call_settings(call);
	json_t *hosts = json_object();
	json_t *answer = json_object();
	struct tally tally = { 0 };

	fleet_each_host(call_fleet(call), tally_host, &tally);
	fleet_each_group(call_fleet(call), tally_group, &tally);
	set_number(hosts, "registered", fleet_n_hosts(call_fleet(call)));
	set_number(hosts, "present", tally.present);
	set_number(hosts, "waiting", tally.parked);
	(void)json_object_set_new(answer, "hosts", hosts);
	set_number(answer, "openDeployments", tally.deployments);
	(void)json_object_set_new(answer, "disk", disk(settings));
	(void)json_object_set_new(answer, "certificatesExpire", certificates(settings));
	answer_time(answer, "startTime", call->parts->started_ms);
	answer_time(answer, "time", call->now_ms);
	if (call->parts->desk) {
		(void)json_object_set_new(answer, "requests", requests(call->parts->desk));
		(void)json_object_set_new(answer, "connections", doors(call->parts->desk));
	}
	call_answer(call, answer);
}

const struct operation status_operations[] = {
	{ "Status", status, false },
	{ "Why", why_answer, false },
	{ NULL },
};
