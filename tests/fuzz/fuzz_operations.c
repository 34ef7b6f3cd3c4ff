/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests as lines of text, "WHO TARGET JSON", run one after another on a real state, which is
 * then loaded anew, as after a commit that failed. WHO is one of root, admin, deployer, reader,
 * host; in the JSON some words stand for the newest deployment and command. Each must find its
 * way, be permitted or not, and come to an end that is an answer; the state must load again.
 *
 * The mutator knows the form: it changes one node of one line's JSON, or its target, so that
 * handlers and not the parser are what is tried.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/time.h"
#include "controller/answer.h"
#include "controller/audit.h"
#include "controller/exchange.h"
#include "controller/fleet.h"
#include "controller/init.h"
#include "controller/route.h"
#include "controller/settings.h"
#include "controller/state.h"
#include "controller/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t limit, unsigned seed);

enum { LINES_LIMIT = 16, SECOND_MS = 1000 };

#define HOST_ARN "arn:aws:iam::000000000000:user/drover/web-1"

static char directory[] = "/tmp/drover-fuzz-XXXXXX";
static struct state state;
static uint64_t now_ms;

/* What there is before each input. */
static const char *const beginning[] = {
	"root CodeDeploy_20141006.CreateApplication {\"applicationName\":\"shop\"}",
	"root CodeDeploy_20141006.RegisterOnPremisesInstance {\"instanceName\":\"web-1\","
	"\"iamUserArn\":\"" HOST_ARN "\"}",
	"root CodeDeploy_20141006.AddTagsToOnPremisesInstances {\"instanceNames\":[\"web-1\"],"
	"\"tags\":[{\"Key\":\"role\",\"Value\":\"web\"}]}",
	"root CodeDeploy_20141006.CreateDeploymentGroup {\"applicationName\":\"shop\","
	"\"deploymentGroupName\":\"prod\",\"serviceRoleArn\":"
	"\"arn:aws:iam::000000000000:role/deployer\",\"onPremisesInstanceTagFilters\":"
	"[{\"Key\":\"role\",\"Value\":\"web\",\"Type\":\"KEY_AND_VALUE\"}]}",
};

static struct key keys[] = {
	[KEY_ADMINISTRATOR] = { .id = "AKIAADMIN", .role = KEY_ADMINISTRATOR },
	[KEY_DEPLOYER] = { .id = "AKIADEPLOYER", .role = KEY_DEPLOYER },
	[KEY_READER] = { .id = "AKIAREADER", .role = KEY_READER },
	[KEY_HOST] = { .id = "AKIAHOST", .role = KEY_HOST },
};

/* Identifiers are random: these words stand for the newest ones. */
static struct stand_in {
	const char *word;
	const char *object; /* of an answer; NULL: the answer itself */
	const char *member;
	char value[256];
} stand_ins[] = {
	{ "d-ABCDEF123", NULL, "deploymentId", "" },
	{ "@command", "HostCommand", "HostCommandIdentifier", "" },
	{ "@execution", "HostCommand", "DeploymentExecutionId", "" },
	{ "@key", NULL, "accessKeyId", "" },
	{ "@token", NULL, "nextToken", "" },
};

static void note_stand_ins(const json_t *output)
{
	for (size_t i = 0; i < ARRAY_SIZE(stand_ins); i++) {
		struct stand_in *one = &stand_ins[i];
		const json_t *object = one->object ? json_object_get(output, one->object)
						   : output;
		const char *value = json_string_value(json_object_get(object, one->member));

		if (value)
			(void)snprintf(one->value, sizeof(one->value), "%s", value);
	}
}

/* For the caller to free. */
static char *put_stand_ins(const char *body)
{
	struct buf ret = { 0 };

	while (*body) {
		const struct stand_in *found = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(stand_ins) && !found; i++)
			if (stand_ins[i].value[0] && strncmp(body, stand_ins[i].word,
							     strlen(stand_ins[i].word)) == 0)
				found = &stand_ins[i];
		if (found)
			buf_puts(&ret, found->value);
		else
			buf_putc(&ret, *body);
		body += found ? strlen(found->word) : 1;
	}
	return buf_steal(&ret);
}

static void on_ended(struct call *call)
{
	const char *type = json_string_value(json_object_get(call->output, "__type"));
	const char *message = json_string_value(json_object_get(call->output, "message"));
	cleanup_with(freep) char *text = json_dumps(call->output, ANSWER_FLAGS);

	assert(text);
	if (call->status == 200) {
		assert(!type);
		note_stand_ins(call->output);
		return;
	}
	assert(call->status == 400 || call->status == 403);
	assert(type && *type && message && *message);
}

static void identify(struct identity *ret, const char *who)
{
	*ret = (struct identity){ .is_root = strcmp(who, "root") == 0 };
	if (ret->is_root)
		return;
	ret->key = &keys[KEY_ADMINISTRATOR];
	if (strcmp(who, "deployer") == 0)
		ret->key = &keys[KEY_DEPLOYER];
	else if (strcmp(who, "reader") == 0)
		ret->key = &keys[KEY_READER];
	else if (strcmp(who, "host") == 0)
		ret->key = &keys[KEY_HOST];
	if (ret->key->role == KEY_HOST)
		ret->host = fleet_find_host_by_arn(state.parts.fleet, HOST_ARN);
}

static bool find_route(struct route *ret, const char *target)
{
	const struct header headers[] = { { "X-Amz-Target", target },
		{ "Content-Type", "application/x-amz-json-1.1" } };
	const struct exchange_request request = {
		.method = "POST", .path = "/", .target = "/", .headers = headers, .n_headers = 2
	};

	route_find(ret, &request);
	assert(ret->operation || (ret->status == 400 && ret->type && ret->text[0]));
	return ret->operation;
}

static void handle(struct call *call, const struct route *route)
{
	struct refusal refusal;

	if (!auth_permits(call, route->api, route->operation, &refusal)) {
		assert(refusal.status == 403 && refusal.type && refusal.why.text[0]);
		call_fail_status(call, refusal.status, refusal.type, "%s", refusal.why.text);
		return;
	}
	store_set_actor(state.parts.store, auth_actor(&call->who), now_ms);
	route->operation->handle(call);
	assert(call->state == CALL_ENDED ||
		(call->state == CALL_PARKED && route->api == API_COMMANDS));
}

/* One line, which is changed. The call, for call_done(); NULL if it was none. */
static struct call *run_line(char *line)
{
	cleanup_with(json_decrefp) json_t *input = NULL;
	cleanup_with(freep) char *text = NULL;
	char *target = strchr(line, ' ');
	char *body = target ? strchr(target + 1, ' ') : NULL;
	struct route route;
	struct call *call;

	if (!body)
		return NULL;
	*target++ = '\0';
	*body++ = '\0';
	text = put_stand_ins(body);
	if (!find_route(&route, target) ||
		json_parse_object(&input, text, strlen(text), NULL) < 0)
		return NULL;
	call = xcalloc(1, sizeof(*call));
	call_init(call, &state.parts, on_ended);
	identify(&call->who, line);
	call->operation = route.operation->name;
	call->input = input;
	call->now_ms = now_ms += SECOND_MS;
	handle(call, &route);
	free(audit_object(input));
	call->input = NULL;
	return call;
}

static void run_lines(char *text)
{
	struct call *calls[LINES_LIMIT];
	char *rest = text;
	size_t n = 0;

	for (char *line; n < LINES_LIMIT && (line = strsep(&rest, "\n"));) {
		calls[n] = run_line(line);
		n += calls[n] != NULL;
	}
	while (n > 0) {
		call_done(calls[--n]);
		free(calls[n]);
	}
}

static void remove_directory(void)
{
	state_close(&state);
	(void)file_remove_tree(AT_FDCWD, directory, NULL);
}

static void begin(void)
{
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct init_request request = { .directory = directory, .now_ms = time_now_ms() };
	struct settings *settings = NULL;
	struct init_result result;
	struct loop *loop = NULL;
	char path[sizeof(directory) + 16];
	int r;

	(void)log_set_level("error");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		strcpy(keys[i].name, "me");
		keys[i].user_arn = xstrdup(i == KEY_HOST ? HOST_ARN : "");
		keys[i].applications = xstrdup(i == KEY_DEPLOYER ? "[\"shop\"]" : "[]");
	}
	assert(mkdtemp(directory));
	r = init_make(&result, &request, NULL);
	assert(r == 0);
	init_result_done(&result);
	(void)snprintf(path, sizeof(path), "%s/droverd.yml", directory);
	r = settings_load(&settings, path, &found, NULL);
	assert(r == 0);
	r = loop_new(&loop, NULL);
	assert(r == 0);
	r = state_open(&state, loop, settings, NULL);
	assert(r == 0);
	(void)atexit(remove_directory);
	now_ms = state.parts.started_ms;
	for (size_t i = 0; i < ARRAY_SIZE(beginning); i++) {
		cleanup_with(freep) char *line = xstrdup(beginning[i]);
		struct call *call = run_line(line);

		assert(call && call->status == 200);
		call_done(call);
		free(call);
	}
	r = store_commit(state.parts.store, NULL);
	assert(r == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_with(freep) char *text = xstrndup((const char *)data, n);
	struct error err = ERROR_NONE;
	int r;

	if (!state.parts.store)
		begin();
	now_ms = state.parts.started_ms;
	for (size_t i = 0; i < ARRAY_SIZE(stand_ins); i++)
		stand_ins[i].value[0] = '\0';
	run_lines(text);
	r = state_reload(&state, &err);
	assert(r == 0);
	return 0;
}

/* ---- the mutator */

static const char *const members[] = { "Key", "ResourceArn", "TagKeys", "Tags", "Type", "Value",
	"accessKeyId", "alarmConfiguration", "alarms", "applicationName", "applicationNames",
	"applications", "autoRollbackConfiguration", "autoRollbackEnabled", "autoScalingGroups",
	"bucket", "bundleType", "commitId", "computePlatform", "createTimeRange",
	"currentDeploymentGroupName", "deployed", "deploymentConfigName", "deploymentGroupName",
	"deploymentGroupNames", "deploymentId", "deploymentIds", "deploymentStyle",
	"deploymentType", "description", "eTag", "ec2TagFilters", "ec2TagSet", "ec2TagSetList",
	"enabled", "end", "events", "fileExistsBehavior", "gitHubLocation", "iamSessionArn",
	"iamUserArn", "ignoreApplicationStopFailures", "includeOnlyStatuses", "instanceIds",
	"instanceName", "instanceNames", "instanceStatusFilter", "key", "loadBalancerInfo",
	"minimumHealthyHosts", "name", "newApplicationName", "newDeploymentGroupName",
	"nextToken", "onPremisesInstanceTagFilters", "onPremisesTagSet", "onPremisesTagSetList",
	"outdatedInstancesStrategy", "registrationStatus", "repository", "revision",
	"revisionType", "revisions", "role", "s3Bucket", "s3KeyPrefix", "s3Location",
	"serviceRoleArn", "sortBy", "sortOrder", "start", "tagFilters", "tags", "targetFilters",
	"targetIds", "triggerConfigurations", "type", "updateOutdatedInstancesOnly", "userArn",
	"value", "version", "zonalConfig", "HostIdentifier", "HostCommandIdentifier",
	"DeploymentExecutionId", "CommandStatus", "Diagnostics", "Format", "Payload" };

/* Longer than a name may be. */
#define TEN "aaaaaaaaaa"
#define TOO_LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const char *const words[] = { "@command", "@execution", "@key", "@token", "shop", "prod",
	"web-1", "role", "web", "d-ABCDEF123", HOST_ARN, "KEY_AND_VALUE", "KEY_ONLY",
	"HOST_COUNT", "FLEET_PERCENT", "S3", "GitHub", "zip", "Server", "host", "deployer",
	"CodeDeployDefault.AllAtOnce", "Succeeded", "Failed", "InProgress",
	"DEPLOYMENT_FAILURE", "OVERWRITE", "Registered", "JSON",
	"arn:aws:codedeploy:local:000000000000:application:shop",
	"arn:aws:codedeploy:local:000000000000:deploymentgroup:shop/prod", "", "\xc3\xa9",
	"'\"\\\n", "%s%n", "../..", TOO_LONG };

static const char *const persons[] = { "root", "admin", "deployer", "reader", "host" };

static json_t *make_value(unsigned *seed, int depth)
{
	json_t *value;

	switch (rand_r(seed) % (depth > 3 ? 6 : 8)) {
	case 0:
		return json_integer(rand_r(seed) % 3 - 1);
	case 1:
		return json_integer((json_int_t)1 << rand_r(seed) % 63);
	case 2:
		return json_boolean(rand_r(seed) % 2);
	case 3:
		return rand_r(seed) % 4 ? json_real(1.5) : json_null();
	case 6:
		value = json_array();
		for (int i = rand_r(seed) % 4; i > 0; i--)
			json_array_append_new(value, make_value(seed, depth + 1));
		return value;
	case 7:
		value = json_object();
		for (int i = rand_r(seed) % 4; i > 0; i--)
			json_object_set_new(value,
				members[(size_t)rand_r(seed) % ARRAY_SIZE(members)],
				make_value(seed, depth + 1));
		return value;
	default:
		return json_string(words[(size_t)rand_r(seed) % ARRAY_SIZE(words)]);
	}
}

/* Changes one place somewhere below. */
static void change(json_t *node, unsigned *seed)
{
	size_t n = json_is_array(node) ? json_array_size(node) : json_object_size(node);
	size_t at = n ? (size_t)rand_r(seed) % n : 0;
	const char *name = members[(size_t)rand_r(seed) % ARRAY_SIZE(members)];
	json_t *child = NULL;
	void *iter;

	if (json_is_array(node)) {
		child = json_array_get(node, at);
	} else if (n > 0) {
		iter = json_object_iter(node);
		while (at-- > 0)
			iter = json_object_iter_next(node, iter);
		name = json_object_iter_key(iter);
		child = json_object_iter_value(iter);
	}
	if ((json_is_object(child) || json_is_array(child)) && rand_r(seed) % 4) {
		change(child, seed);
	} else if (json_is_array(node)) {
		if (n > 0 && rand_r(seed) % 2)
			(void)json_array_remove(node, (size_t)rand_r(seed) % n);
		else
			(void)json_array_append_new(node, make_value(seed, 1));
	} else {
		switch (rand_r(seed) % 4) {
		case 0:
			(void)json_object_del(node, name);
			break;
		case 1:
			(void)json_object_set_new(node, name, make_value(seed, 0));
			break;
		default:
			(void)json_object_set_new(node,
				members[(size_t)rand_r(seed) % ARRAY_SIZE(members)],
				make_value(seed, 0));
		}
	}
}

static void add_operation(struct buf *ret, unsigned *seed)
{
	static const char *const prefixes[] = { "CodeDeploy_20141006",
		"CodeDeployCommandService_v20141006", "Drover_20261120" };
	enum api api = (enum api)(rand_r(seed) % 3);
	const struct operation *const *tables = route_tables(api);
	const struct operation *chosen = NULL;
	unsigned n = 0;

	for (; *tables; tables++)
		for (const struct operation *at = *tables; at->name; at++)
			if (rand_r(seed) % ++n == 0)
				chosen = at;
	buf_printf(ret, "%s.%s", prefixes[api], chosen ? chosen->name : "");
}

static void mutate_line(struct buf *ret, char *line, unsigned *seed)
{
	cleanup_with(json_decrefp) json_t *input = NULL;
	cleanup_with(freep) char *text = NULL;
	char *target = strchr(line, ' ');
	char *body = target ? strchr(target + 1, ' ') : NULL;

	if (body) {
		*target++ = '\0';
		*body++ = '\0';
		input = json_loads(body, 0, NULL);
	}
	if (!json_is_object(input)) {
		json_decref(input);
		input = json_object();
	}
	if (!body || rand_r(seed) % 8 == 0)
		line = (char *)persons[(size_t)rand_r(seed) % ARRAY_SIZE(persons)];
	buf_printf(ret, "%s ", line);
	if (!body || rand_r(seed) % 8 == 0)
		add_operation(ret, seed);
	else
		buf_puts(ret, target);
	change(input, seed);
	text = json_dumps(input, JSON_COMPACT);
	buf_printf(ret, " %s", text ? text : "{}");
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t limit, unsigned seed)
{
	cleanup_with(freep) char *text = xstrndup((const char *)data, n);
	cleanup_with(buf_done) struct buf ret = { 0 };
	unsigned chosen = (unsigned)rand_r(&seed) % 4;
	char *rest = text;
	unsigned i = 0;

	for (char *line; (line = strsep(&rest, "\n")); i++) {
		if (i > 0)
			buf_putc(&ret, '\n');
		if (i == chosen)
			mutate_line(&ret, line, &seed);
		else
			buf_puts(&ret, line);
	}
	if (i <= chosen && i < LINES_LIMIT) {
		char empty[] = "";

		buf_putc(&ret, '\n');
		mutate_line(&ret, empty, &seed);
	}
	if (ret.len > limit)
		return n;
	memcpy(data, ret.data, ret.len);
	return ret.len;
}
