/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/auth.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/sigv4.h"
#include "controller/exchange.h"
#include "controller/fleet.h"

enum { STATUS_INVALID = 400, STATUS_FORBIDDEN = 403 };

#define TYPE_MISSING "MissingAuthenticationToken"
#define TYPE_INCOMPLETE "IncompleteSignature"
#define TYPE_MISMATCH "InvalidSignatureException"
#define TYPE_UNKNOWN_KEY "UnrecognizedClientException"
#define TYPE_SESSION "ExpiredTokenException"

/* Under which names each API may be signed; the first is meant if none of them is. */
static const char *const services[][3] = {
	[API_CODEDEPLOY] = { "codedeploy" },
	[API_COMMANDS] = { "codedeploy-commands", "codedeploy-commands-secure" },
	[API_DROVER] = { "codedeploy" },
};

/* What a request must have signed besides Host and its time: else one could be made another. */
static const char *const signed_names[] = { "x-amz-target", NULL };

static bool refuse(struct refusal *ret, int status, const char *type)
{
	ret->status = status;
	ret->type = type;
	return false;
}

/* 1 and the value if there is exactly one such header, 0 if none, -EBADMSG if more. */
static int find_header(
	const struct exchange_request *request, const char *name, const char **ret)
{
	int n = 0;

	for (size_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, name) != 0)
			continue;
		*ret = request->headers[i].value;
		n++;
	}
	return n > 1 ? -EBADMSG : n;
}

/* A proxy speaks for others: that it runs as root says nothing of them. */
static bool came_by_proxy(const struct exchange_request *request)
{
	static const char *const names[] = { "forwarded", "via", "x-forwarded-for",
		"x-forwarded-host", "x-forwarded-proto", "x-real-ip" };
	const char *value;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (find_header(request, names[i], &value) != 0)
			return true;
	return false;
}

static bool is_local_root(const struct exchange_request *request,
	const struct exchange_connection *connection, bool is_local_door)
{
	return is_local_door && connection->is_unix &&
	       (connection->uid == 0 || connection->uid == geteuid()) &&
	       !came_by_proxy(request);
}

static const char *service_of(enum api api, const struct sigv4_scope *scope)
{
	for (size_t i = 0; i < ARRAY_SIZE(services[api]) && services[api][i]; i++)
		if (strcmp(services[api][i], scope->service) == 0)
			return services[api][i];
	return services[api][0];
}

/* Deriving takes longer than all the rest; a client's day, region and service stay the same. */
static bool find_derived(
	struct key *key, const struct sigv4_scope *scope, uint8_t ret[static DIGEST_BYTES])
{
	char wanted[sizeof(key->derived_for)];
	int n = snprintf(
		wanted, sizeof(wanted), "%s/%s/%s", scope->date, scope->region, scope->service);

	if ((size_t)n < sizeof(wanted) && strcmp(wanted, key->derived_for) == 0) {
		memcpy(ret, key->derived, DIGEST_BYTES);
		return true;
	}
	sigv4_derive_key(key->secret, scope, ret);
	return false;
}

static void keep_derived(struct key *key, const struct sigv4_scope *scope,
	const uint8_t derived[static DIGEST_BYTES])
{
	int n = snprintf(key->derived_for, sizeof(key->derived_for), "%s/%s/%s", scope->date,
		scope->region, scope->service);

	if ((size_t)n >= sizeof(key->derived_for))
		key->derived_for[0] = '\0'; /* cut, it could stand for another scope */
	else
		memcpy(key->derived, derived, DIGEST_BYTES);
}

static bool refuse_outcome(enum sigv4_outcome outcome, struct refusal *ret)
{
	switch (outcome) {
	case SIGV4_VALID:
		return true;
	case SIGV4_INCOMPLETE:
		return refuse(ret, STATUS_INVALID, TYPE_INCOMPLETE);
	case SIGV4_SESSION:
		return refuse(ret, STATUS_FORBIDDEN, TYPE_SESSION);
	case SIGV4_SKEWED:
	case SIGV4_MISMATCH:
		return refuse(ret, STATUS_FORBIDDEN, TYPE_MISMATCH);
	}
	return refuse(ret, STATUS_FORBIDDEN, TYPE_MISMATCH);
}

static bool verify(struct key *key, const struct sigv4_authorization *authorization,
	const struct exchange_request *http, enum api api, uint64_t now_ms, struct refusal *ret)
{
	char payload_hash[DIGEST_HEX_SIZE];
	struct sigv4_request request = {
		.method = http->method,
		.path = http->path,
		.query = http->query,
		.headers = http->headers,
		.n_headers = http->n_headers,
		.payload_hash = payload_hash,
	};
	uint8_t digest[DIGEST_BYTES];
	uint8_t derived[DIGEST_BYTES];
	enum sigv4_outcome outcome;
	bool is_kept;

	digest_of(http->body, http->body_bytes, digest);
	digest_format(digest, payload_hash);
	is_kept = find_derived(key, &authorization->scope, derived);
	outcome = sigv4_verify(&request, authorization, derived,
		service_of(api, &authorization->scope), signed_names, now_ms, &ret->why);
	/* Not before: else anybody who knows a key's id could have it derived all day. */
	if (outcome == SIGV4_VALID && !is_kept)
		keep_derived(key, &authorization->scope, derived);
	explicit_bzero(derived, sizeof(derived));
	return refuse_outcome(outcome, ret);
}

/* The key that the request says it is signed with. */
static bool find_key(struct key **ret, struct sigv4_authorization *ret_authorization,
	const struct exchange_request *request, const struct fleet *fleet,
	struct refusal *ret_refusal)
{
	const char *text = NULL;
	int n = find_header(request, "authorization", &text);

	if (n == 0) {
		error_set(&ret_refusal->why, -EACCES,
			"the request is not signed: sign it with an access key (AWS Signature "
			"Version 4, Authorization header)");
		return refuse(ret_refusal, STATUS_FORBIDDEN, TYPE_MISSING);
	}
	if (n < 0) {
		error_set(&ret_refusal->why, -EACCES,
			"the request has more than one Authorization header");
		return refuse(ret_refusal, STATUS_INVALID, TYPE_INCOMPLETE);
	}
	if (sigv4_parse(ret_authorization, text, &ret_refusal->why) < 0)
		return refuse(ret_refusal, STATUS_INVALID, TYPE_INCOMPLETE);
	*ret = fleet_find_key(fleet, ret_authorization->access_key);
	if (*ret)
		return true;
	error_set(&ret_refusal->why, -EACCES, "there is no access key %s here",
		ret_authorization->access_key);
	return refuse(ret_refusal, STATUS_FORBIDDEN, TYPE_UNKNOWN_KEY);
}

bool auth_check(struct identity *ret, const struct exchange_request *request,
	const struct exchange_connection *connection, bool is_local_door, enum api api,
	const struct fleet *fleet, uint64_t now_ms, struct refusal *ret_refusal)
{
	struct sigv4_authorization authorization;
	struct key *key = NULL;
	const char *value;

	*ret_refusal = (struct refusal){ 0 };
	if (find_header(request, "authorization", &value) == 0 &&
		is_local_root(request, connection, is_local_door)) {
		*ret = (struct identity){ .is_root = true };
		return true;
	}
	if (!find_key(&key, &authorization, request, fleet, ret_refusal) ||
		!verify(key, &authorization, request, api, now_ms, ret_refusal))
		return false;
	/* Only now: whoever does not have the secret need not know. */
	if (key->disabled) {
		error_set(&ret_refusal->why, -EACCES, "access key %s (%s) is disabled", key->id,
			key->name);
		return refuse(ret_refusal, STATUS_FORBIDDEN, TYPE_UNKNOWN_KEY);
	}
	*ret = (struct identity){ .key = key };
	if (key->role == KEY_HOST)
		ret->host = fleet_find_host_by_arn(fleet, key->user_arn);
	return true;
}

const char *auth_actor(const struct identity *who)
{
	if (who->key)
		return who->key->id;
	return who->is_root ? "root" : "";
}
