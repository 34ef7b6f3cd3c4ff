/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "controller/exchange.h"

enum { WORD_MAX = 60 }; /* of what a client sent, in a sentence */

static const struct operation *const codedeploy_tables[] = { application_operations,
	config_operations, group_operations, instance_operations, revision_operations,
	deployment_operations, tag_operations, target_operations, foreign_operations, NULL };
static const struct operation *const command_tables[] = { command_operations, NULL };
static const struct operation *const drover_tables[] = { drover_deployment_operations,
	key_operations, status_operations, NULL };

static const struct {
	const char *name;
	enum api api;
} prefixes[] = {
	{ "CodeDeploy_20141006", API_CODEDEPLOY },
	{ "CodeDeployCommandService_v20141006", API_COMMANDS },
	{ "CodeDeployCommandService", API_COMMANDS }, /* enable_auth_policy */
	{ "ApolloDeployControlService_mock", API_COMMANDS },
	{ "Drover_20261120", API_DROVER },
};

static const char *const content_types[] = { "application/x-amz-json-1.1",
	"application/x-amz-json-1.0", "application/json" };

const struct operation *const *route_tables(enum api api)
{
	switch (api) {
	case API_CODEDEPLOY:
		return codedeploy_tables;
	case API_COMMANDS:
		return command_tables;
	case API_DROVER:
		return drover_tables;
	}
	return NULL;
}

const struct operation *route_operation(enum api api, const char *name)
{
	for (const struct operation *const *table = route_tables(api); *table; table++)
		for (const struct operation *at = *table; at->name; at++)
			if (strcmp(at->name, name) == 0)
				return at;
	return NULL;
}

static void refuse(struct route *ret, int status, const char *type, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void refuse(struct route *ret, int status, const char *type, const char *format, ...)
{
	va_list ap;

	ret->operation = NULL;
	ret->status = status;
	ret->type = type;
	va_start(ap, format);
	(void)vsnprintf(ret->text, sizeof(ret->text), format, ap);
	va_end(ap);
}

/* The value of the only such header; NULL if there is none, or more than one. */
static const char *only_header(const struct exchange_request *request, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, name) != 0)
			continue;
		if (value)
			return NULL;
		value = request->headers[i].value;
	}
	return value;
}

static bool is_json(const char *content_type)
{
	size_t n = content_type ? strcspn(content_type, "; \t") : 0;

	for (size_t i = 0; i < ARRAY_SIZE(content_types); i++)
		if (n == strlen(content_types[i]) &&
			strncasecmp(content_types[i], content_type, n) == 0)
			return true;
	return false;
}

static bool is_word(const char *word, const char *text, size_t n)
{
	return strlen(word) == n && strncmp(word, text, n) == 0;
}

/* By the n bytes before the dot. */
static bool find_api(enum api *ret, const char *target, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!is_word(prefixes[i].name, target, n))
			continue;
		*ret = prefixes[i].api;
		return true;
	}
	return false;
}

/* An agent may be told of a path before our "/", and sends it along. */
static bool is_path_of(enum api api, const struct exchange_request *request)
{
	return !request->query && (strcmp(request->path, "/") == 0 || api == API_COMMANDS);
}

static void find_target(
	struct route *ret, const struct exchange_request *request, const char *target)
{
	const char *dot = strchr(target, '.');

	if (!dot || !find_api(&ret->api, target, (size_t)(dot - target)))
		refuse(ret, 400, "UnknownOperationException",
			"X-Amz-Target '%.*s' names no API of this controller", WORD_MAX,
			target);
	else if (!is_path_of(ret->api, request))
		refuse(ret, 404, "UnknownOperationException",
			"the API is at path /, without a query");
	else if (!(ret->operation = route_operation(ret->api, dot + 1)))
		refuse(ret, 400, "UnknownOperationException",
			"this controller has no operation '%.*s' in %.*s", WORD_MAX, dot + 1,
			(int)(dot - target), target);
	else if (!is_json(only_header(request, "content-type")))
		refuse(ret, 400, "SerializationException",
			"Content-Type must be application/x-amz-json-1.1");
}

static void find_post(struct route *ret, const struct exchange_request *request)
{
	const char *target = only_header(request, "x-amz-target");

	if (target)
		find_target(ret, request, target);
	else if (strcmp(request->path, "/") == 0)
		refuse(ret, 400, "UnknownOperationException",
			"the header X-Amz-Target must name one operation");
	else
		refuse(ret, 404, NULL, "there is nothing at this path to post to\n");
}

static void find_page(struct route *ret, const char *path)
{
	/* AWS's agents ask for / when they start, and take any answer for a yes. */
	if (strcmp(path, "/") == 0)
		refuse(ret, 200, NULL, "This is a Drover controller. Its API is POST /.\n");
	else if (strcmp(path, "/healthz") == 0)
		refuse(ret, 200, NULL, "ok\n");
	else
		refuse(ret, 404, NULL, "there is nothing at this path\n");
}

void route_find(struct route *ret, const struct exchange_request *request)
{
	*ret = (struct route){ 0 };
	if (strcmp(request->method, "POST") == 0)
		find_post(ret, request);
	else if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
		find_page(ret, request->path);
	else
		refuse(ret, 405, NULL, "this controller knows GET, HEAD and POST\n");
}
