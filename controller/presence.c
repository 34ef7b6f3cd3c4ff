/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/presence.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "controller/clock.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/model.h"
#include "controller/settings.h"

/*
 * Hosts that are present and not parked stand in one of two lists, by when they were heard, the
 * longest silent first: the same patience for all of a list makes its first the next to go.
 */
struct silent {
	struct host *oldest;
	struct host *newest;
};

struct presence {
	struct loop *loop;
	const struct core_clock *clock;
	const struct presence_settings *settings;
	struct deployments *deployments;
	struct silent aws;
	struct silent ours;
	uint64_t listens_ms; /* silence before this does not count */
	struct loop_timer timer;
	uint64_t due_ms; /* when it fires; 0: not started */
};

/* A timer as late as this tells of a machine that slept, not of a slow turn of the loop. */
enum { ASLEEP_MS = 10 * 1000 };

static void on_due(struct loop_timer *timer);

/* ---- lists */

static struct silent *list_of(struct presence *presence, const struct host *host)
{
	return host->is_ours ? &presence->ours : &presence->aws;
}

static bool is_listed(const struct host *host)
{
	return host->is_present && !host->parked;
}

static void append(struct presence *presence, struct host *host)
{
	struct silent *list = list_of(presence, host);

	host->older = list->newest;
	host->newer = NULL;
	if (list->newest)
		list->newest->newer = host;
	else
		list->oldest = host;
	list->newest = host;
}

static void unlink_host(struct presence *presence, struct host *host)
{
	struct silent *list = list_of(presence, host);

	if (host->older)
		host->older->newer = host->newer;
	else
		list->oldest = host->newer;
	if (host->newer)
		host->newer->older = host->older;
	else
		list->newest = host->older;
	host->older = NULL;
	host->newer = NULL;
}

/* ---- time */

static uint64_t patience_ms(const struct presence *presence, bool is_ours)
{
	return is_ours ? presence->settings->ours_ms : presence->settings->aws_ms;
}

static uint64_t gone_at_ms(const struct presence *presence, const struct host *host)
{
	uint64_t since = host->heard_ms;

	if (since < presence->listens_ms)
		since = presence->listens_ms;
	return since + patience_ms(presence, host->is_ours);
}

static uint64_t next_ms(const struct presence *presence)
{
	uint64_t aws = presence->aws.oldest ? gone_at_ms(presence, presence->aws.oldest) : 0;
	uint64_t ours = presence->ours.oldest ? gone_at_ms(presence, presence->ours.oldest) : 0;

	if (aws == 0 || ours == 0)
		return aws + ours;
	return aws < ours ? aws : ours;
}

/*
 * Armed for the first one to go. When that one is heard meanwhile the timer stays: it fires
 * early, once, instead of being set again with every request.
 */
static void arm(struct presence *presence, uint64_t now_ms)
{
	uint64_t due = next_ms(presence);
	struct error err = ERROR_NONE;

	if (due == 0 || (presence->due_ms > 0 && presence->due_ms <= due))
		return;
	presence->due_ms = due;
	loop_timer_stop(&presence->timer);
	if (loop_timer_start(presence->loop, &presence->timer, due > now_ms ? due - now_ms : 0,
		    on_due, &err) < 0) {
		presence->due_ms = 0; /* the next request tries again */
		log_error("cannot watch for silent hosts: %s", err.text);
	}
}

static void grant_grace(struct presence *presence, uint64_t now_ms)
{
	presence->listens_ms = now_ms + presence->settings->grace_ms;
}

/* ---- hosts go */

static void go(struct presence *presence, struct host *host, uint64_t now_ms)
{
	unlink_host(presence, host);
	host->is_present = false;
	log_info("host %s is gone: nothing heard of it for %llu s", host->name,
		(unsigned long long)patience_ms(presence, host->is_ours) / 1000);
	deployments_host_gone(presence->deployments, host, now_ms);
}

static void sweep(struct presence *presence, struct silent *list, uint64_t now_ms)
{
	while (list->oldest && gone_at_ms(presence, list->oldest) <= now_ms)
		go(presence, list->oldest, now_ms);
}

static void on_due(struct loop_timer *timer)
{
	struct presence *presence = container_of(timer, struct presence, timer);
	uint64_t now_ms = core_clock_now_ms(presence->clock);

	/* What hosts sent meanwhile still waits in the doors. */
	if (now_ms > presence->due_ms + ASLEEP_MS)
		grant_grace(presence, now_ms);
	presence->due_ms = 0;
	sweep(presence, &presence->aws, now_ms);
	sweep(presence, &presence->ours, now_ms);
	arm(presence, now_ms);
}

/* ---- hosts come */

struct presence *presence_new(struct loop *loop, const struct core_clock *clock,
	const struct presence_settings *settings, struct deployments *deployments)
{
	struct presence *presence = xcalloc(1, sizeof(*presence));

	presence->loop = loop;
	presence->clock = clock;
	presence->settings = settings;
	presence->deployments = deployments;
	grant_grace(presence, core_clock_now_ms(clock));
	return presence;
}

void presence_free(struct presence *presence)
{
	if (!presence)
		return;
	loop_timer_stop(&presence->timer);
	free(presence);
}

static void presume(void *context, struct host *host)
{
	if (host->deregistered_ms > 0 || host->is_present)
		return;
	host->is_present = true;
	append(context, host);
}

void presence_open(struct presence *presence, const struct fleet *fleet)
{
	fleet_each_host(fleet, presume, presence);
	arm(presence, core_clock_now_ms(presence->clock));
}

void presence_heard(struct presence *presence, struct host *host, bool is_ours, uint64_t now_ms)
{
	/* What is stored of it may be from before a restart: told anew, the first time. */
	bool is_news = !host->is_present || host->heard_ms == 0;

	if (is_listed(host))
		unlink_host(presence, host);
	host->is_ours = is_ours;
	host->heard_ms = now_ms;
	host->is_present = true;
	if (!host->parked)
		append(presence, host);
	arm(presence, now_ms);
	if (is_news)
		deployments_host_back(presence->deployments, host, now_ms);
}

void presence_parked(struct presence *presence, struct host *host, struct call *call)
{
	assert(host->is_present && !host->parked);
	unlink_host(presence, host);
	host->parked = call;
}

void presence_unparked(struct presence *presence, struct host *host, uint64_t now_ms)
{
	assert(host->parked);
	host->parked = NULL;
	host->heard_ms = now_ms;
	append(presence, host);
	arm(presence, now_ms);
}

void presence_forget(struct presence *presence, struct host *host, uint64_t now_ms)
{
	assert(!host->parked);
	host->heard_ms = 0;
	if (!host->is_present)
		return;
	unlink_host(presence, host);
	host->is_present = false;
	deployments_host_gone(presence->deployments, host, now_ms);
}
