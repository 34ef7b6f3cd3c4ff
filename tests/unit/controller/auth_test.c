/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/auth.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/sigv4.h"
#include "controller/exchange.h"
#include "controller/fleet.h"
#include "unit.h"

/* The published vector of SigV4 as clients of CodeDeploy use it. */
#define KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW_MS 1795193763000
#define SCOPE KEY "/20261120/eu-x-1/codedeploy/aws4_request"
#define SIGNATURE "18a983fe04a5e0fd2b675504302905a56d2c17ef5110f0cdec38b924e3bb5f83"
#define AUTHORIZATION                                                                          \
	"AWS4-HMAC-SHA256 Credential=" SCOPE                                                   \
	", SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" SIGNATURE
#define BODY "{\"deploymentId\": \"d-ABCDEF123\"}"
#define ARN "arn:aws:iam::000000000000:user/drover/web-1"

static const struct header vector[] = {
	{ "Host", "deploy.example.org:8443" },
	{ "X-Amz-Target", "CodeDeploy_20141006.GetDeployment" },
	{ "Content-Type", "application/x-amz-json-1.1" },
	{ "X-Amz-Date", "20261120T165603Z" },
	{ "Authorization", AUTHORIZATION },
};

static struct fleet *fleet;
static struct exchange_connection connection;
static struct exchange_request request;
static struct header headers[8];
static struct identity who;
static struct refusal refusal;
static bool by_local_door;
static uint64_t now_ms;

static struct key *add_key(const char *id, enum key_role role)
{
	struct key *key = xcalloc(1, sizeof(*key));

	strcpy(key->id, id);
	strcpy(key->name, "me");
	key->role = role;
	key->user_arn = xstrdup(role == KEY_HOST ? ARN : "");
	key->applications = xstrdup("[]");
	key->secret = xstrdup(SECRET);
	ck_assert_int_eq(fleet_add_key(fleet, key), 0);
	return key;
}

/* The vector's request by TLS from somewhere, its key known. */
static struct key *begin(void)
{
	fleet = fleet_new();
	connection = (struct exchange_connection){ .peer = "192.0.2.7:40122", .is_tls = true };
	memcpy(headers, vector, sizeof(vector));
	request = (struct exchange_request){ .connection = 1,
		.method = "POST",
		.target = "/",
		.path = "/",
		.headers = headers,
		.n_headers = ARRAY_SIZE(vector),
		.body = BODY,
		.body_bytes = strlen(BODY) };
	by_local_door = false;
	now_ms = NOW_MS;
	return add_key(KEY, KEY_ADMINISTRATOR);
}

static bool check_for(enum api api)
{
	memset(&who, 0, sizeof(who));
	return auth_check(
		&who, &request, &connection, by_local_door, api, fleet, now_ms, &refusal);
}

static void expect_refused(int status, const char *type, const char *part)
{
	ck_assert(!check_for(API_CODEDEPLOY));
	ck_assert_int_eq(refusal.status, status);
	ck_assert_str_eq(refusal.type, type);
	ck_assert_msg(strstr(refusal.why.text, part) != NULL, "%s", refusal.why.text);
	fleet_free(fleet);
}

START_TEST(the_vector_is_its_keys)
{
	struct key *key = begin();

	ck_assert_msg(check_for(API_CODEDEPLOY), "%s", refusal.why.text);
	ck_assert_ptr_eq(who.key, key);
	ck_assert(!who.is_root);
	ck_assert_str_eq(auth_actor(&who), KEY);
	/* Clients send again what they heard no answer to. */
	ck_assert(check_for(API_CODEDEPLOY));
	fleet_free(fleet);
}
END_TEST

START_TEST(the_derived_key_is_kept_once_it_proved_right)
{
	struct key *key = begin();

	headers[2].value = "application/json";
	ck_assert(!check_for(API_CODEDEPLOY));
	ck_assert_str_eq(key->derived_for, "");
	headers[2].value = vector[2].value;
	ck_assert(check_for(API_CODEDEPLOY));
	ck_assert_str_eq(key->derived_for, "20261120/eu-x-1/codedeploy");
	ck_assert(check_for(API_CODEDEPLOY));
	key->derived[0] ^= 1; /* it is what counts from now on */
	ck_assert(!check_for(API_CODEDEPLOY));
	fleet_free(fleet);
}
END_TEST

START_TEST(what_is_not_signed_is_refused)
{
	begin();
	request.n_headers--;
	expect_refused(403, "MissingAuthenticationToken", "is not signed");
}
END_TEST

START_TEST(two_authorizations_are_refused)
{
	begin();
	headers[request.n_headers++] = headers[4];
	expect_refused(400, "IncompleteSignature", "more than one");
}
END_TEST

START_TEST(a_malformed_authorization_is_refused)
{
	begin();
	headers[4].value = "Basic YTpi";
	expect_refused(400, "IncompleteSignature", "");
}
END_TEST

START_TEST(the_target_must_be_signed)
{
	begin();
	headers[4].value = "AWS4-HMAC-SHA256 Credential=" SCOPE
			   ", SignedHeaders=content-type;host;x-amz-date, Signature=" SIGNATURE;
	expect_refused(400, "IncompleteSignature", "x-amz-target");
}
END_TEST

START_TEST(an_unknown_key_is_refused)
{
	struct key *key = begin();

	fleet_remove_key(fleet, key);
	expect_refused(403, "UnrecognizedClientException", "no access key " KEY);
}
END_TEST

START_TEST(a_changed_body_is_refused)
{
	begin();
	request.body_bytes--;
	expect_refused(403, "InvalidSignatureException", "does not match");
}
END_TEST

START_TEST(a_query_that_was_not_signed_is_refused)
{
	begin();
	request.query = "a=b";
	expect_refused(403, "InvalidSignatureException", "does not match");
}
END_TEST

START_TEST(a_wrong_clock_is_told_both_clocks)
{
	begin();
	now_ms = NOW_MS + SIGV4_SKEW_MS + 1000;
	ck_assert(!check_for(API_CODEDEPLOY));
	ck_assert_ptr_nonnull(strstr(refusal.why.text, "20261120T165603Z"));
	expect_refused(403, "InvalidSignatureException", "20261120T171104Z");
}
END_TEST

START_TEST(within_fifteen_minutes_the_clock_may_differ)
{
	begin();
	now_ms = NOW_MS - SIGV4_SKEW_MS;
	ck_assert(check_for(API_CODEDEPLOY));
	now_ms = NOW_MS + SIGV4_SKEW_MS;
	ck_assert(check_for(API_CODEDEPLOY));
	fleet_free(fleet);
}
END_TEST

START_TEST(a_session_token_is_refused_with_its_reason)
{
	begin();
	headers[request.n_headers++] = (struct header){ "X-Amz-Security-Token", "x" };
	expect_refused(403, "ExpiredTokenException", "session token");
}
END_TEST

START_TEST(only_who_has_the_secret_hears_that_a_key_is_disabled)
{
	struct key *key = begin();

	key->disabled = true;
	request.body_bytes--;
	ck_assert(!check_for(API_CODEDEPLOY));
	ck_assert_str_eq(refusal.type, "InvalidSignatureException");
	request.body_bytes++;
	expect_refused(403, "UnrecognizedClientException", "is disabled");
}
END_TEST

/* Signs the request for another service, as the agents do. */
static void sign_for(const char *service)
{
	static char *value;
	struct sigv4_scope scope = { .region = "anything.at-all" };
	uint8_t digest[DIGEST_BYTES];
	char hash[DIGEST_HEX_SIZE];
	struct sigv4_request plain = { "POST", "/", NULL, headers, 4, hash };
	struct error err = ERROR_NONE;

	digest_of(BODY, strlen(BODY), digest);
	digest_format(digest, hash);
	strcpy(scope.service, service);
	free(value);
	ck_assert_int_eq(sigv4_sign(&value, &plain, KEY, SECRET, &scope, &err), 0);
	headers[4].value = value;
}

START_TEST(agents_sign_for_services_of_their_own)
{
	begin();
	sign_for("codedeploy-commands");
	ck_assert_msg(check_for(API_COMMANDS), "%s", refusal.why.text);
	ck_assert(!check_for(API_CODEDEPLOY));
	ck_assert_str_eq(refusal.type, "IncompleteSignature");
	sign_for("codedeploy-commands-secure");
	ck_assert(check_for(API_COMMANDS));
	sign_for("codedeploy");
	ck_assert(!check_for(API_COMMANDS));
	ck_assert(check_for(API_DROVER));
	sign_for("s3");
	ck_assert(!check_for(API_CODEDEPLOY));
	fleet_free(fleet);
}
END_TEST

START_TEST(a_hosts_key_names_its_host)
{
	struct key *key = begin();
	struct host *host = xcalloc(1, sizeof(*host));

	key->role = KEY_HOST;
	free(key->user_arn);
	key->user_arn = xstrdup(ARN);
	ck_assert(check_for(API_CODEDEPLOY));
	ck_assert_ptr_null(who.host);
	strcpy(host->name, "web-1");
	host->iam_arn = xstrdup(ARN);
	host->instance_arn = xstrdup("x");
	ck_assert_int_eq(fleet_add_host(fleet, host), 0);
	ck_assert(check_for(API_CODEDEPLOY));
	ck_assert_ptr_eq(who.host, host);
	fleet_free(fleet);
}
END_TEST

static void come_locally(uint32_t uid)
{
	begin();
	request.n_headers--; /* unsigned */
	connection = (struct exchange_connection){ .peer = "", .is_unix = true, .uid = uid };
	by_local_door = true;
}

START_TEST(local_root_signs_nothing)
{
	come_locally(0);
	ck_assert_msg(check_for(API_CODEDEPLOY), "%s", refusal.why.text);
	ck_assert(who.is_root);
	ck_assert_ptr_null(who.key);
	ck_assert_str_eq(auth_actor(&who), "root");
	connection.uid = geteuid();
	ck_assert(check_for(API_CODEDEPLOY));
	fleet_free(fleet);
}
END_TEST

START_TEST(other_local_users_must_sign)
{
	come_locally(geteuid() + 1);
	expect_refused(403, "MissingAuthenticationToken", "is not signed");
}
END_TEST

START_TEST(a_door_to_the_network_cannot_speak_for_root)
{
	come_locally(0);
	by_local_door = false;
	expect_refused(403, "MissingAuthenticationToken", "is not signed");
}
END_TEST

START_TEST(a_proxy_cannot_speak_for_root)
{
	come_locally(0);
	headers[request.n_headers++] = (struct header){ "x-forwarded-for", "203.0.113.9" };
	expect_refused(403, "MissingAuthenticationToken", "is not signed");
}
END_TEST

START_TEST(root_that_signs_is_its_keys)
{
	come_locally(0);
	request.n_headers++;
	ck_assert(check_for(API_CODEDEPLOY));
	ck_assert(!who.is_root);
	ck_assert_ptr_nonnull(who.key);
	fleet_free(fleet);
}
END_TEST

TESTS("auth", the_vector_is_its_keys, the_derived_key_is_kept_once_it_proved_right,
	what_is_not_signed_is_refused, two_authorizations_are_refused,
	a_malformed_authorization_is_refused, the_target_must_be_signed,
	an_unknown_key_is_refused, a_changed_body_is_refused,
	a_query_that_was_not_signed_is_refused, a_wrong_clock_is_told_both_clocks,
	within_fifteen_minutes_the_clock_may_differ, a_session_token_is_refused_with_its_reason,
	only_who_has_the_secret_hears_that_a_key_is_disabled,
	agents_sign_for_services_of_their_own, a_hosts_key_names_its_host,
	local_root_signs_nothing, other_local_users_must_sign,
	a_door_to_the_network_cannot_speak_for_root, a_proxy_cannot_speak_for_root,
	root_that_signs_is_its_keys)
