/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/time.h"
#include "certificates.h"
#include "controller/call.h"
#include "controller/clock.h"
#include "controller/commands.h"
#include "controller/deployments.h"
#include "controller/fleet.h"
#include "controller/identifier.h"
#include "controller/sign.h"
#include "controller/store.h"
#include "controller/tags.h"
#include "unit.h"

/*
 * The command service with everything below it, as the core puts it together, on a database in
 * the test's directory: an application "shop" with a group "web" of hosts tagged role=web. What
 * is asked goes to the handlers as calls; the network is left out.
 */
#define REVISION                                                                               \
	"{\"revisionType\":\"S3\",\"s3Location\":{\"bucket\":\"b\",\"bundleType\":\"zip\","    \
	"\"key\":\"shop/1.zip\"}}"

struct service {
	struct settings settings;
	struct loop *loop;
	struct store *store;
	struct fleet *fleet;
	struct core_clock clock;
	struct signer *signer;
	struct deployments *deployments;
	struct commands *commands;
	struct parts parts;
	struct group *group;
	char deployment_id[DEPLOYMENT_ID_LENGTH + 1];
};

static inline uint64_t service_now(const struct service *service)
{
	return core_clock_now_ms(&service->clock);
}

static inline void service_commit(struct service *service)
{
	struct error err = ERROR_NONE;

	ck_assert_msg(store_commit(service->store, &err) == 0, "%s", err.text);
}

static inline struct settings service_settings(void)
{
	return (struct settings){ .account = "000000000000",
		.region = (char *)"local",
		.long_poll_ms = 20 * 1000,
		.rollout = { .start_timeout_ms = 240 * 1000,
			.event_timeout_ms = 3660 * 1000,
			.gone_timeout_ms = 300 * 1000,
			.traffic_timeout_ms = 3600 * 1000,
			.deployment_timeout_ms = 12 * 3600 * 1000 },
		.presence = {
			.ours_ms = 60 * 1000, .aws_ms = 180 * 1000, .grace_ms = 150 * 1000 } };
}

/* From the database on: also after a restart. */
static inline void service_open(struct service *service)
{
	cleanup_with(freep) char *path = test_path("droverd.db");
	struct error err = ERROR_NONE;

	ck_assert_int_eq(loop_new(&service->loop, NULL), 0);
	ck_assert_msg(store_open(&service->store, path, &err) == 0, "%s", err.text);
	core_clock_init(&service->clock, time_now_ms(), time_boot_ms(), 0);
	service->fleet = fleet_new();
	ck_assert_msg(fleet_load(service->fleet, service->store, &err) == 0, "%s", err.text);
	service->commands = commands_new(service->loop, service->fleet, service->store,
		&service->settings, &service->clock, service->signer);
	service->deployments = deployments_new(service->loop, service->fleet, service->store,
		&service->settings, &service->clock, commands_listener(service->commands));
	ck_assert_msg(deployments_load(service->deployments, service_now(service), &err) == 0,
		"%s", err.text);
	commands_open(service->commands, service->deployments);
	service->parts = (struct parts){ .loop = service->loop,
		.fleet = service->fleet,
		.store = service->store,
		.settings = &service->settings,
		.deployments = service->deployments,
		.commands = service->commands };
}

static inline void service_close(struct service *service)
{
	commands_free(service->commands);
	deployments_free(service->deployments);
	fleet_free(service->fleet);
	store_close(service->store);
	loop_free(service->loop);
}

static inline struct group *service_make_group(struct service *service, const char *name)
{
	struct group *group = xcalloc(1, sizeof(*group));

	identifier_make_uuid(group->id);
	group->application = fleet_find_application(service->fleet, "shop");
	(void)snprintf(group->name, sizeof(group->name), "%.100s", name);
	strcpy(group->config_name, "CodeDeployDefault.AllAtOnce");
	group->settings = xstrdup("{\"onPremisesInstanceTagFilters\":[{\"Key\":\"role\","
				  "\"Value\":\"web\",\"Type\":\"KEY_AND_VALUE\"}]}");
	ck_assert_int_eq(group_read_settings(group, NULL), 0);
	ck_assert_int_eq(fleet_add_group(service->fleet, group), 0);
	store_put_group(service->store, group);
	return group;
}

static inline void service_make_application(struct service *service)
{
	struct application *application = xcalloc(1, sizeof(*application));

	identifier_make_uuid(application->id);
	strcpy(application->name, "shop");
	ck_assert_int_eq(fleet_add_application(service->fleet, application), 0);
	store_put_application(service->store, application);
}

/* A registered host with a key of its own. */
static inline struct host *service_add_host(struct service *service, const char *name)
{
	struct host *host = xcalloc(1, sizeof(*host));
	struct key *key = xcalloc(1, sizeof(*key));

	(void)snprintf(host->name, sizeof(host->name), "%.100s", name);
	host->iam_arn = xasprintf("arn:aws:iam::000000000000:user/drover/%s", name);
	host->instance_arn = xasprintf(
		"arn:aws:codedeploy:local:000000000000:instance/%s", name);
	host->registered_ms = service_now(service);
	tags_set(&host->tags, "role", "web");
	ck_assert_int_eq(fleet_add_host(service->fleet, host), 0);
	store_put_host(service->store, host);
	(void)snprintf(key->id, sizeof(key->id), "AKIA%.12s", name);
	(void)snprintf(key->name, sizeof(key->name), "%.100s", name);
	key->role = KEY_HOST;
	key->user_arn = xstrdup(host->iam_arn);
	key->applications = xstrdup("[]");
	key->secret = xstrdup("secret");
	key->created_ms = host->registered_ms;
	ck_assert_int_eq(fleet_add_key(service->fleet, key), 0);
	store_put_key(service->store, key);
	service_commit(service);
	return host;
}

static inline void service_init(struct service *service)
{
	struct error err = ERROR_NONE;

	(void)log_set_level("error");
	*service = (struct service){ .settings = service_settings() };
	make_signing_files(&service->settings);
	ck_assert_msg(
		signer_new(&service->signer, &service->settings, &err) == 0, "%s", err.text);
	service_open(service);
	service_make_application(service);
	service->group = service_make_group(service, "web");
	service_commit(service);
}

static inline void service_done(struct service *service)
{
	service_close(service);
	signer_free(service->signer);
	remove_signing_files(&service->settings);
}

static inline void service_restart(struct service *service)
{
	service_close(service);
	service_open(service);
	service->group = fleet_find_group(
		service->fleet, fleet_find_application(service->fleet, "shop"), "web");
}

static inline struct host *service_host(const struct service *service, const char *name)
{
	struct host *host = fleet_find_host(service->fleet, name);

	ck_assert_ptr_nonnull(host);
	return host;
}

/* To all hosts at once. */
static inline void service_deploy_as(struct service *service, bool restart)
{
	const struct deployment_request request = { .group = service->group,
		.config = fleet_find_config(service->fleet, "CodeDeployDefault.AllAtOnce"),
		.revision = REVISION,
		.description = "",
		.creator = "user",
		.created_by = "",
		.auto_rollback = "{}",
		.file_exists = "DISALLOW",
		.messages = "[]",
		.restart = restart };
	struct error err = ERROR_NONE;

	ck_assert_msg(deployments_create(service->deployments, &request, service_now(service),
			      service->deployment_id, &err) == 0,
		"%s", err.text);
	service_commit(service);
}

static inline void service_deploy(struct service *service)
{
	service_deploy_as(service, false);
}

/* ---- calls */

struct asked {
	struct call call;
	struct service *service;
	json_t *input;
	bool ended;
	bool ends_loop;
};

static inline void asked_ended(struct call *call)
{
	struct asked *asked = container_of(call, struct asked, call);

	asked->ended = true;
	if (asked->ends_loop)
		loop_exit(asked->service->loop, 0);
}

static inline void asked_done(struct asked *asked)
{
	call_done(&asked->call);
	json_decref(asked->input);
	asked->input = NULL;
}

static inline call_fn *find_operation(const char *name)
{
	for (const struct operation *at = command_operations; at->name; at++)
		if (strcmp(at->name, name) == 0)
			return at->handle;
	ck_abort_msg("%s", name);
}

/* As the host of that name, or as the key of that id. `input` is taken over. */
static inline void ask_with_key(struct asked *asked, struct service *service, struct key *key,
	const char *extensions, const char *operation, json_t *input)
{
	ck_assert_ptr_nonnull(input);
	*asked = (struct asked){ .service = service, .input = input };
	call_init(&asked->call, &service->parts, asked_ended);
	asked->call.who.key = key;
	asked->call.operation = operation;
	asked->call.input = input;
	asked->call.extensions = extensions;
	asked->call.now_ms = service_now(service);
	find_operation(operation)(&asked->call);
	service_commit(service);
}

static inline void ask(struct asked *asked, struct service *service, const char *host,
	const char *extensions, const char *operation, json_t *input)
{
	cleanup_with(freep) char *id = xasprintf("AKIA%s", host);
	struct key *key = fleet_find_key(service->fleet, id);

	ck_assert_ptr_nonnull(key);
	ask_with_key(asked, service, key, extensions, operation, input);
}

#define AWS NULL
#define OURS "1"

static inline void poll_as(
	struct asked *asked, struct service *service, const char *host, const char *extensions)
{
	ask(asked, service, host, extensions, "PollHostCommand",
		json_pack("{s:s}", "HostIdentifier", service_host(service, host)->iam_arn));
}

/* Text of the answer's member at that path of two, or "". */
static inline const char *answer_of(
	const struct asked *asked, const char *member, const char *inner)
{
	const json_t *json = asked->call.output;

	ck_assert(asked->ended);
	json = json_object_get(json, member);
	if (inner)
		json = json_object_get(json, inner);
	return json_is_string(json) ? json_string_value(json) : "";
}

static inline const char *command_of(const struct asked *asked)
{
	return answer_of(asked, "HostCommand", "CommandName");
}

/* A poll that must be answered at once: the identifier, to be freed. */
static inline char *take_command(
	struct service *service, const char *host, const char *extensions, const char *event)
{
	struct asked asked;
	char *id;

	poll_as(&asked, service, host, extensions);
	ck_assert_msg(asked.ended, "%s waits for %s", host, event);
	ck_assert_str_eq(command_of(&asked), event);
	id = xstrdup(answer_of(&asked, "HostCommand", "HostCommandIdentifier"));
	asked_done(&asked);
	return id;
}

static inline void acknowledge(
	struct service *service, const char *host, const char *id, const char *expected_status)
{
	struct asked asked;

	ask(&asked, service, host, AWS, "PutHostCommandAcknowledgement",
		json_pack("{s:s, s:{s:s, s:s}}", "HostCommandIdentifier", id, "Diagnostics",
			"Format", "JSON", "Payload", "{\"IsCommandNoop\":false}"));
	ck_assert_int_eq(asked.call.status, 200);
	ck_assert_str_eq(answer_of(&asked, "CommandStatus", NULL), expected_status);
	asked_done(&asked);
}

static inline void complete_as(struct asked *asked, struct service *service, const char *host,
	const char *extensions, const char *id, const char *status, const char *payload)
{
	ask(asked, service, host, extensions, "PutHostCommandComplete",
		json_pack("{s:s, s:s, s:{s:s, s:s}}", "HostCommandIdentifier", id,
			"CommandStatus", status, "Diagnostics", "Format", "JSON", "Payload",
			payload));
}

/* Answered with nothing. */
static inline void complete(struct service *service, const char *host, const char *id,
	const char *status, const char *payload)
{
	struct asked asked;

	complete_as(&asked, service, host, AWS, id, status, payload);
	ck_assert_int_eq(asked.call.status, 200);
	ck_assert_uint_eq(json_object_size(asked.call.output), 0);
	asked_done(&asked);
}

/* One event from poll to result. */
static inline void run_event(
	struct service *service, const char *host, const char *event, const char *status)
{
	cleanup_with(freep) char *id = take_command(service, host, AWS, event);

	acknowledge(service, host, id, "InProgress");
	complete(service, host, id, status, "{\"error_code\":0,\"message\":\"Succeeded: \"}");
}

/* ---- what came of it */

static inline const struct target *service_target(
	const struct service *service, const char *host)
{
	const struct deployment_target *target = service_host(service, host)->open;

	ck_assert_ptr_nonnull(target);
	return &target->deployment->targets[target->position];
}

static inline char *service_status(const struct service *service)
{
	struct deployment_record record = { 0 };
	char *status;

	ck_assert_int_eq(
		store_find_deployment(service->store, service->deployment_id, &record, NULL),
		1);
	status = xstrdup(record.status);
	deployment_record_done(&record);
	return status;
}
