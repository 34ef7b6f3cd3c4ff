/* SPDX-License-Identifier: Apache-2.0 */

/* The vectors without a comment are AWS's published ones or were computed with Python's hmac.
 */
#include "base/sigv4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "unit.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define NOW_MS 1795193763000
#define HASH "5726eeb4ec565a89ef188b84659231a63b42ff01eb3658e830c6ed308b15d6cf"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGNATURE "18a983fe04a5e0fd2b675504302905a56d2c17ef5110f0cdec38b924e3bb5f83"
#define CREDENTIAL "Credential=AKIDEXAMPLE/20261120/eu-x-1/codedeploy/aws4_request"
#define SIGNED "SignedHeaders=content-type;host;x-amz-date;x-amz-target"
#define AUTHORIZATION "AWS4-HMAC-SHA256 " CREDENTIAL ", " SIGNED ", Signature=" SIGNATURE

static struct header headers[] = {
	{ "Host", "deploy.example.org:8443" },
	{ "X-Amz-Target", "CodeDeploy_20141006.GetDeployment" },
	{ "Content-Type", "application/x-amz-json-1.1" },
	{ "X-Amz-Date", "20261120T165603Z" },
	{ "User-Agent", "any" },
	{ "X-Amz-Content-Sha256", HASH },
};

/* The request of the vector, with its first n headers: 4 signed ones, 2 that are not. */
static struct sigv4_request request_of(size_t n)
{
	return (struct sigv4_request){ "POST", "/", NULL, headers, n, HASH };
}

static struct sigv4_authorization parsed(const char *text)
{
	struct sigv4_authorization authorization = { 0 };
	struct error err = ERROR_NONE;

	ck_assert_msg(sigv4_parse(&authorization, text, &err) == 0, "%s", err.text);
	return authorization;
}

static enum sigv4_outcome verify(const struct sigv4_request *request, const char *text,
	uint64_t now_ms, struct error *err)
{
	static const char *const required[] = { "x-amz-target", NULL };
	struct sigv4_authorization authorization = parsed(text);
	uint8_t key[DIGEST_BYTES];

	sigv4_derive_key(SECRET, &authorization.scope, key);
	return sigv4_verify(request, &authorization, key, "codedeploy", required, now_ms, err);
}

static void expect_digest(const uint8_t digest[static DIGEST_BYTES], const char *expected)
{
	char hex[DIGEST_HEX_SIZE];

	digest_format(digest, hex);
	ck_assert_str_eq(hex, expected);
}

START_TEST(a_header_is_taken_apart)
{
	struct sigv4_authorization authorization = parsed(AUTHORIZATION);

	ck_assert_str_eq(authorization.access_key, "AKIDEXAMPLE");
	ck_assert_str_eq(authorization.scope.date, "20261120");
	ck_assert_str_eq(authorization.scope.region, "eu-x-1");
	ck_assert_str_eq(authorization.scope.service, "codedeploy");
	ck_assert_str_eq(
		authorization.signed_headers, "content-type;host;x-amz-date;x-amz-target");
	ck_assert_str_eq(authorization.signature, SIGNATURE);
	ck_assert(sigv4_signs(&authorization, "host"));
	ck_assert(sigv4_signs(&authorization, "x-amz-target"));
	ck_assert(!sigv4_signs(&authorization, "x-amz"));
	ck_assert(!sigv4_signs(&authorization, "hos"));
}
END_TEST

START_TEST(order_and_blanks_between_parts_do_not_matter)
{
	(void)parsed("AWS4-HMAC-SHA256   Signature=" SIGNATURE "," SIGNED " ,  " CREDENTIAL);
}
END_TEST

static const char *const bad_headers[] = {
	"",
	"AWS4-HMAC-SHA256",
	"AWS4-HMAC-SHA256 ",
	"Bearer abc",
	"aws4-hmac-sha256 " CREDENTIAL "," SIGNED ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256\t" CREDENTIAL "," SIGNED ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " SIGNED ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED,
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED ",Signature=" SIGNATURE ",",
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED ",Signature=" SIGNATURE
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED ",Signature=" SIGNATURE ",X=y",
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED ",Signature=" SIGNATURE "0",
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED ",Signature=",
	"AWS4-HMAC-SHA256 " CREDENTIAL "," SIGNED
	",Signature=18A983FE04A5E0FD2B675504302905A56D2C17EF5110F0CDEC38B924E3BB5F83",
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=;host,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=host;host,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=x-amz-date;host,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=Host,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 " CREDENTIAL ",SignedHeaders=ho st,Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=/20261120/r/s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/2026112/r/s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/202611201/r/s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/2026112x/r/s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/20261120//s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/20261120/r//aws4_request," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/20261120/r/s/aws4," SIGNED ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/20261120/r/s/aws4_request/," SIGNED
	",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A/20261120/r/s," SIGNED ",Signature=" SIGNATURE,
	"AWS4-HMAC-SHA256 Credential=A b/20261120/r/s/aws4_request," SIGNED
	",Signature=" SIGNATURE,
};

START_TEST(other_headers_are_refused_with_a_reason)
{
	struct sigv4_authorization authorization = { "kept" };

	for (size_t i = 0; i < ARRAY_SIZE(bad_headers); i++) {
		struct error err = ERROR_NONE;

		ck_assert_msg(sigv4_parse(&authorization, bad_headers[i], &err) == -EBADMSG,
			"taken: %s", bad_headers[i]);
		ck_assert(err.text[0]);
		ck_assert_str_eq(authorization.access_key, "kept");
	}
}
END_TEST

START_TEST(a_header_has_a_limit)
{
	struct sigv4_authorization authorization;
	struct error err = ERROR_NONE;
	char text[SIGV4_HEADER_MAX + 2];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(sigv4_parse(&authorization, text, &err), -EBADMSG);
	ck_assert_str_eq(err.text, "the Authorization header is longer than 4096 bytes");
}
END_TEST

START_TEST(every_step_has_the_values_of_the_vector)
{
	struct sigv4_request request = request_of(4);
	struct sigv4_authorization authorization = parsed(AUTHORIZATION);
	cleanup_with(buf_done) struct buf canonical = { 0 };
	cleanup_with(buf_done) struct buf text = { 0 };
	uint8_t digest[DIGEST_BYTES];

	ck_assert_int_eq(sigv4_canonical_request(&canonical, &request,
				 authorization.signed_headers, "codedeploy", NULL),
		0);
	digest_of(canonical.data, canonical.len, digest);
	expect_digest(
		digest, "36ee9339be97c8b1dc564c024a3717992d44c23410a6503c9ff14af227f0ed55");
	sigv4_string_to_sign(&text, "20261120T165603Z", &authorization.scope, &canonical);
	ck_assert_str_eq(text.data,
		"AWS4-HMAC-SHA256\n20261120T165603Z\n20261120/eu-x-1/codedeploy/aws4_request\n"
		"36ee9339be97c8b1dc564c024a3717992d44c23410a6503c9ff14af227f0ed55");
	sigv4_derive_key(SECRET, &authorization.scope, digest);
	expect_digest(
		digest, "dcbe3f327f0cf42beb2831259ca34bae5c628e788592776b4fbb5ff1c13f45bd");
}
END_TEST

START_TEST(signing_gives_the_vectors_header)
{
	struct sigv4_request request = request_of(4);
	struct sigv4_scope scope = { "", "eu-x-1", "codedeploy" };
	cleanup_with(freep) char *value = NULL;

	ck_assert_int_eq(sigv4_sign(&value, &request, "AKIDEXAMPLE", SECRET, &scope, NULL), 0);
	ck_assert_str_eq(value, AUTHORIZATION);
}
END_TEST

START_TEST(published_vectors_hold)
{
	struct header own[] = { { "Host", "example.amazonaws.com" },
		{ "X-Amz-Date", "20150830T123600Z" } };
	struct sigv4_request request = { "GET", "/", NULL, own, 2, EMPTY };
	struct sigv4_scope scope = { "", "us-east-1", "service" };
	cleanup_with(freep) char *plain = NULL;
	cleanup_with(freep) char *query = NULL;

	ck_assert_int_eq(sigv4_sign(&plain, &request, "AKIDEXAMPLE", SECRET, &scope, NULL), 0);
	ck_assert_ptr_nonnull(strstr(
		plain, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"));
	request.query = "Param2=value2&Param1=value1";
	ck_assert_int_eq(sigv4_sign(&query, &request, "AKIDEXAMPLE", SECRET, &scope, NULL), 0);
	ck_assert_ptr_nonnull(strstr(
		query, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
}
END_TEST

START_TEST(objects_paths_are_encoded_once_and_headers_folded)
{
	struct header own[] = { { "Host", "deploy.example.org:8443" },
		{ "x-amz-content-sha256", "UNSIGNED-PAYLOAD" },
		{ "x-amz-date", "20261120T165603Z" }, { "x-amz-meta-note", "  two \t words " },
		{ "X-Amz-Meta-Note", "again" } };
	struct sigv4_request request = { "PUT", "/releases/shop%2042/a%2fb.zip",
		"uploadId=x+y&partNumber=1", own, 5, "UNSIGNED-PAYLOAD" };
	struct sigv4_scope scope = { "", "eu-x-1", "s3" };
	cleanup_with(freep) char *value = NULL;

	ck_assert_int_eq(sigv4_sign(&value, &request, "A", SECRET, &scope, NULL), 0);
	ck_assert_ptr_nonnull(strstr(
		value, "3f3ba05ae7461d7e3cd437498026e79fb8e32038de898d6f645d1578b40c394f"));
}
END_TEST

static const struct {
	const char *service, *path, *query, *expected;
} spellings[] = {
	{ "service", "", "", "GET\n/\n\n" },
	{ "service", "/", "", "GET\n/\n\n" },
	{ "service", "//a///b//", "", "GET\n/a/b/\n\n" },
	{ "service", "/a/./b/../c", "", "GET\n/a/c\n\n" },
	{ "service", "/../../", "", "GET\n/\n\n" },
	{ "service", "/a%20b", "", "GET\n/a%2520b\n\n" },
	{ "s3", "/a/../b//c", "", "GET\n/a/../b//c\n\n" },
	{ "s3", "/%7e%41+", "", "GET\n/~A%2B\n\n" },
	{ "s3", "/", "uploads", "GET\n/\nuploads=\n" },
	{ "s3", "/", "a=2&a=1&&a-=3&b", "GET\n/\na=1&a=2&a-=3&b=\n" },
	{ "s3", "/", "k=a=b%2F%3d/", "GET\n/\nk=a%3Db%2F%3D%2F\n" },
};

START_TEST(paths_and_queries_have_one_spelling)
{
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		struct sigv4_request request = { "GET", spellings[i].path, spellings[i].query,
			headers, 1, EMPTY };
		cleanup_with(buf_done) struct buf text = { 0 };

		ck_assert_int_eq(sigv4_canonical_request(
					 &text, &request, "host", spellings[i].service, NULL),
			0);
		*strstr(text.data, "host:") = '\0';
		ck_assert_str_eq(text.data, spellings[i].expected);
	}
}
END_TEST

START_TEST(broken_escapes_are_refused)
{
	struct sigv4_request request = { "GET", "/%4", NULL, headers, 1, EMPTY };
	struct buf text = { 0 };

	ck_assert_int_eq(
		sigv4_canonical_request(&text, &request, "host", "s3", NULL), -EBADMSG);
	request.path = "/";
	request.query = "a=%zz";
	ck_assert_int_eq(
		sigv4_canonical_request(&text, &request, "host", "s3", NULL), -EBADMSG);
	buf_done(&text);
}
END_TEST

START_TEST(the_vector_verifies_and_headers_beside_it_do_not_matter)
{
	struct sigv4_request request = request_of(4);
	struct error err = ERROR_NONE;

	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, &err), SIGV4_VALID);
	request = request_of(6);
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, &err), SIGV4_VALID);
	ck_assert_str_eq(err.text, "");
}
END_TEST

START_TEST(any_change_is_a_mismatch)
{
	struct sigv4_request request = request_of(4);
	struct header changed[4];

	request.method = "PUT";
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, NULL), SIGV4_MISMATCH);
	request = request_of(4);
	request.path = "/x";
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, NULL), SIGV4_MISMATCH);
	request = request_of(4);
	request.query = "x";
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, NULL), SIGV4_MISMATCH);
	request = request_of(4);
	request.payload_hash = EMPTY;
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, NULL), SIGV4_MISMATCH);
	request = request_of(4);
	memcpy(changed, headers, sizeof(changed));
	changed[0].value = "deploy.example.org";
	request.headers = changed;
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, NULL), SIGV4_MISMATCH);
}
END_TEST

START_TEST(the_announced_payload_must_have_arrived)
{
	struct sigv4_request request = request_of(6);
	struct error err = ERROR_NONE;

	request.payload_hash = EMPTY;
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, &err), SIGV4_MISMATCH);
	ck_assert_str_eq(err.text,
		"the X-Amz-Content-Sha256 header does not match the payload that arrived");
}
END_TEST

START_TEST(fifteen_minutes_of_skew_are_taken_and_both_clocks_named)
{
	struct sigv4_request request = request_of(4);
	struct error err = ERROR_NONE;

	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS + 900000, &err), SIGV4_VALID);
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS - 900000, &err), SIGV4_VALID);
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS - 900001, &err), SIGV4_SKEWED);
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS + 901000, &err), SIGV4_SKEWED);
	ck_assert_str_eq(err.text, "the request was signed at 20261120T165603Z by the client's "
				   "clock and arrived at "
				   "20261120T171104Z by ours, more than 15 minutes apart: "
				   "correct the clock that is "
				   "wrong");
}
END_TEST

START_TEST(session_tokens_are_refused)
{
	struct header own[5];
	struct sigv4_request request = request_of(5);
	struct error err = ERROR_NONE;

	memcpy(own, headers, sizeof(own));
	own[4] = (struct header){ "x-amz-security-token", "t" };
	request.headers = own;
	ck_assert_int_eq(verify(&request, AUTHORIZATION, NOW_MS, &err), SIGV4_SESSION);
	ck_assert_ptr_nonnull(strstr(err.text, "session token"));
}
END_TEST

START_TEST(scope_and_signed_headers_are_checked)
{
	struct sigv4_request request = request_of(4);
	struct error err = ERROR_NONE;

	ck_assert_int_eq(verify(&request,
				 "AWS4-HMAC-SHA256 Credential=A/20261119/r/codedeploy/"
				 "aws4_request," SIGNED ",Signature=" SIGNATURE,
				 NOW_MS, &err),
		SIGV4_INCOMPLETE);
	ck_assert_str_eq(err.text,
		"the credential is scoped to the day 20261119, the X-Amz-Date header says "
		"20261120T165603Z");
	ck_assert_int_eq(
		verify(&request,
			"AWS4-HMAC-SHA256 Credential=A/20261120/r/s3/aws4_request," SIGNED
			",Signature=" SIGNATURE,
			NOW_MS, &err),
		SIGV4_INCOMPLETE);
	ck_assert_str_eq(
		err.text, "the credential is scoped to the service s3, this is codedeploy");
	ck_assert_int_eq(verify(&request,
				 "AWS4-HMAC-SHA256 " CREDENTIAL
				 ",SignedHeaders=host;x-amz-date,Signature=" SIGNATURE,
				 NOW_MS, &err),
		SIGV4_INCOMPLETE);
	ck_assert_str_eq(err.text, "the signature does not cover the header x-amz-target");
	ck_assert_int_eq(verify(&request,
				 "AWS4-HMAC-SHA256 " CREDENTIAL
				 ",SignedHeaders=x-amz-date;x-amz-target,Signature=" SIGNATURE,
				 NOW_MS, &err),
		SIGV4_INCOMPLETE);
	ck_assert_str_eq(err.text, "the signature does not cover the header host");
	ck_assert_int_eq(verify(&request,
				 "AWS4-HMAC-SHA256 " CREDENTIAL
				 ",SignedHeaders=host;range;x-amz-date;x-amz-target,"
				 "Signature=" SIGNATURE,
				 NOW_MS, &err),
		SIGV4_INCOMPLETE);
	ck_assert_str_eq(err.text,
		"the signature covers the header range, which the request does not have");
}
END_TEST

START_TEST(there_is_one_date_and_a_calendar_has_it)
{
	static const char *const bad[] = { "", "20261120T165603", "20261120T165603Z ",
		"20261120 165603Z", "20260230T000000Z", "20261120T240000Z", "20261320T000000Z",
		"Fri, 20 Nov 2026 16:56:03 GMT", "19690101T000000Z", "2026112aT165603Z" };
	struct header own[] = { { "x-amz-date", "20261120T165603Z" },
		{ "X-AMZ-DATE", "20261120T165603Z" } };
	struct sigv4_request request = { "GET", "/", NULL, own, 1, EMPTY };
	uint64_t ms = 0;

	ck_assert_int_eq(sigv4_time(&request, &ms, NULL), 0);
	ck_assert_uint_eq(ms, NOW_MS);
	request.n_headers = 2;
	ck_assert_int_eq(sigv4_time(&request, &ms, NULL), -EBADMSG);
	request.n_headers = 0;
	ck_assert_int_eq(sigv4_time(&request, &ms, NULL), -EBADMSG);
	request.n_headers = 1;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		own[0].value = bad[i];
		ck_assert_int_eq(sigv4_time(&request, &ms, NULL), -EBADMSG);
	}
}
END_TEST

START_TEST(payloads_have_kinds)
{
	ck_assert_int_eq(sigv4_payload_kind(EMPTY), SIGV4_PAYLOAD_HASH);
	ck_assert_int_eq(sigv4_payload_kind("UNSIGNED-PAYLOAD"), SIGV4_PAYLOAD_UNSIGNED);
	ck_assert_int_eq(sigv4_payload_kind("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
		SIGV4_PAYLOAD_STREAMING);
	ck_assert_int_eq(sigv4_payload_kind("STREAMING-"), SIGV4_PAYLOAD_INVALID);
	ck_assert_int_eq(sigv4_payload_kind(EMPTY "0"), SIGV4_PAYLOAD_INVALID);
	ck_assert_int_eq(sigv4_payload_kind(""), SIGV4_PAYLOAD_INVALID);
}
END_TEST

TESTS("base/sigv4", a_header_is_taken_apart, order_and_blanks_between_parts_do_not_matter,
	other_headers_are_refused_with_a_reason, a_header_has_a_limit,
	every_step_has_the_values_of_the_vector, signing_gives_the_vectors_header,
	published_vectors_hold, objects_paths_are_encoded_once_and_headers_folded,
	paths_and_queries_have_one_spelling, broken_escapes_are_refused,
	the_vector_verifies_and_headers_beside_it_do_not_matter, any_change_is_a_mismatch,
	the_announced_payload_must_have_arrived,
	fifteen_minutes_of_skew_are_taken_and_both_clocks_named, session_tokens_are_refused,
	scope_and_signed_headers_are_checked, there_is_one_date_and_a_calendar_has_it,
	payloads_have_kinds)
