/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store DIRECTORY: prints what the controller's store does on its own schema: lifecycle events
 * a second (one target updated, one event put) in batches of 1, 100 and 1,000, and the CPU of
 * each; how long the longest commit took; how long the load at a start takes, and a list.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/store.h"

#define HOSTS 30000
#define SECONDS 2.0
#define DEPLOYMENT "d-ABCDEFGHI"

static double now(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void commit(struct store *store)
{
	struct error error = ERROR_NONE;

	if (store_commit(store, &error) < 0)
		errx(EXIT_FAILURE, "%s", error.text);
}

static void put_deployment(struct store *store)
{
	static char json[] = "{}";
	static char empty[] = "";
	struct deployment_record record = {
		.id = DEPLOYMENT,
		.application_name = "shop",
		.group_id = "g",
		.group_name = "web",
		.config_name = "CodeDeployDefault.AllAtOnce",
		.revision = json,
		.description = empty,
		.creator = "user",
		.created_by = empty,
		.created_ms = 1,
		.status = "InProgress",
		.auto_rollback = json,
		.messages = json,
		.rollout = json,
	};

	store_put_deployment(store, &record);
}

static void put_target(struct store *store, uint32_t position, uint8_t step, uint64_t now_ms)
{
	struct target_record record = {
		.position = position,
		.target = { .state = TARGET_RUNNING, .step = step, .since_ms = now_ms },
		.updated_ms = now_ms,
	};

	(void)snprintf(record.host_name, sizeof(record.host_name), "host-%05u", position);
	store_put_target(store, DEPLOYMENT, &record);
}

/* The n-th event of a run in which all hosts go through all events side by side. */
static void put_event(struct store *store, unsigned long n)
{
	uint32_t position = (uint32_t)(n * 7919 % HOSTS); /* hosts come in no order */
	struct event_record record = {
		.event = (enum target_event)(n / HOSTS % N_TARGET_EVENTS),
		.status = EVENT_STATUS_SUCCEEDED,
		.started_ms = 1795190163118,
		.ended_ms = 1795190163218 + n,
		.error_code = 0,
	};

	put_target(store, position, (uint8_t)record.event, record.ended_ms);
	store_put_event(store, DEPLOYMENT, position, &record);
}

static unsigned long n_events;

/* Until the log has its size: before that each sync is one of the file's length as well. */
static void grow_log(struct store *store)
{
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 1000; j++)
			put_event(store, n_events++);
		commit(store);
	}
}

static void measure_batch(struct store *store, int batch)
{
	double began = now(CLOCK_MONOTONIC);
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	unsigned long first = n_events;
	double longest = 0;
	double seconds;

	do {
		double start;

		for (int i = 0; i < batch; i++)
			put_event(store, n_events++);
		start = now(CLOCK_MONOTONIC);
		commit(store);
		start = now(CLOCK_MONOTONIC) - start;
		longest = start > longest ? start : longest;
	} while (now(CLOCK_MONOTONIC) - began < SECONDS);
	seconds = now(CLOCK_MONOTONIC) - began;
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("events%d %.0f cpu_us %.1f longest_commit_ms %.1f\n", batch,
		(double)(n_events - first) / seconds, cpu * 1e6 / (double)(n_events - first),
		longest * 1e3);
}

static int take_deployment(struct store_loader *loader, struct deployment_record *record)
{
	(void)loader;
	deployment_record_done(record);
	free(record);
	return 0;
}

static int take_target(struct store_loader *loader, const char *deployment_id,
	const struct target_record *record)
{
	(void)loader;
	(void)deployment_id;
	(void)record;
	return 0;
}

static void measure_load(struct store *store)
{
	struct store_loader loader = {
		.on_deployment = take_deployment,
		.on_target = take_target,
	};
	struct error error = ERROR_NONE;
	double began = now(CLOCK_MONOTONIC);

	if (store_load(store, &loader, &error) < 0)
		errx(EXIT_FAILURE, "%s", error.text);
	printf("load_ms %.1f\n", (now(CLOCK_MONOTONIC) - began) * 1e3);
}

static void ignore(void *context, const char *id)
{
	(void)context;
	(void)id;
}

/* A page of ten thousand deployments of which none has the status. */
static void measure_page(struct store *store)
{
	static const char *const statuses[] = { "Ready" };
	static char text[2000];
	struct deployment_filter filter = { .group_id = "g", .statuses = statuses };
	struct deployment_record record = { .application_name = "shop", .group_id = "g" };
	struct error error = ERROR_NONE;
	double began;

	memset(text, 'x', sizeof(text) - 1);
	record.revision = record.description = record.created_by = record.auto_rollback = text;
	record.messages = record.rollout = text;
	(void)strcpy(record.status, "Succeeded");
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(record.id, sizeof(record.id), "d-%09u", i);
		record.created_ms = i + 2;
		record.completed_ms = i + 3;
		store_put_deployment(store, &record);
	}
	commit(store);
	filter.n_statuses = 1;
	began = now(CLOCK_MONOTONIC);
	if (store_page_deployments(store, &filter, "", 101, ignore, NULL, &error) < 0)
		errx(EXIT_FAILURE, "%s", error.text);
	printf("page_of_none_in_10000_ms %.2f\n", (now(CLOCK_MONOTONIC) - began) * 1e3);
}

int main(int argc, char **argv)
{
	cleanup_with(store_closep) struct store *store = NULL;
	struct error error = ERROR_NONE;
	cleanup_with(freep) char *path = NULL;
	cleanup_with(freep) char *lock = NULL;

	if (argc != 2)
		errx(2, "usage: store DIRECTORY");
	path = xasprintf("%s/store.db", argv[1]);
	lock = xasprintf("%s.lock", path);
	if (store_open(&store, path, &error) < 0)
		errx(EXIT_FAILURE, "%s", error.text);
	store_set_actor(store, "AKIA2345678901234567", 1795190163118);
	put_deployment(store);
	for (uint32_t i = 0; i < HOSTS; i++)
		put_target(store, i, 0, 1);
	commit(store);
	grow_log(store);
	measure_batch(store, 1);
	measure_batch(store, 100);
	measure_batch(store, 1000);
	measure_load(store);
	measure_page(store);
	store_close(take(&store));
	(void)unlink(path);
	(void)unlink(lock);
	return EXIT_SUCCESS;
}
