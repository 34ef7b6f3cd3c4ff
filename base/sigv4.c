/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sigv4.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/sigv4_canonical.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"
#define DATE_HEADER "x-amz-date"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_word_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("-_.", c));
}

/* Header names as a token of RFC 9110, 5.6.2, without capitals. */
static bool is_lower_token_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_run_of(bool (*is_kind)(char), const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_kind(text[i]))
			return false;
	return n > 0;
}

static bool has_only_digits(const char *text, size_t n)
{
	return is_run_of(is_digit, text, n);
}

/* One part of the credential scope, up to the slash; false if it is none. */
static bool take_word(char *ret, size_t max, const char **at, const char *end)
{
	const char *slash = memchr(*at, '/', (size_t)(end - *at));
	size_t n = slash ? (size_t)(slash - *at) : 0;

	if (n > max || !is_run_of(is_word_char, *at, n))
		return false;
	memcpy(ret, *at, n);
	ret[n] = '\0';
	*at = slash + 1;
	return true;
}

static int parse_credential(
	struct sigv4_authorization *ret, const char *at, size_t n, struct error *err)
{
	const char *end = at + n;

	if (!take_word(ret->access_key, SIGV4_WORD_MAX, &at, end) ||
		!take_word(ret->scope.date, 8, &at, end) || strlen(ret->scope.date) != 8 ||
		!has_only_digits(ret->scope.date, 8) ||
		!take_word(ret->scope.region, SIGV4_WORD_MAX, &at, end) ||
		!take_word(ret->scope.service, SIGV4_WORD_MAX, &at, end) ||
		(size_t)(end - at) != strlen(TERMINATOR) ||
		memcmp(at, TERMINATOR, strlen(TERMINATOR)) != 0)
		return error_set(err, -EBADMSG,
			"the Authorization header's Credential is not of the form "
			"KEY/YYYYMMDD/REGION/SERVICE/" TERMINATOR);
	return 0;
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int parse_signed_headers(
	struct sigv4_authorization *ret, const char *at, size_t n, struct error *err)
{
	const char *last = "";
	size_t last_len = 0;

	if (n > SIGV4_SIGNED_HEADERS_MAX)
		return error_set(err, -EBADMSG,
			"the Authorization header's SignedHeaders are longer than %d bytes",
			SIGV4_SIGNED_HEADERS_MAX);
	memcpy(ret->signed_headers, at, n);
	ret->signed_headers[n] = '\0';
	for (const char *name = ret->signed_headers;; name += last_len + 1) {
		size_t len = strcspn(name, ";");

		if (!is_run_of(is_lower_token_char, name, len) ||
			compare_names(last, last_len, name, len) >= 0)
			return error_set(err, -EBADMSG,
				"the Authorization header's SignedHeaders are not a sorted "
				"list "
				"of names in lower case, separated by ';'");
		last = name;
		last_len = len;
		if (!name[len])
			return 0;
	}
}

static int parse_signature(
	struct sigv4_authorization *ret, const char *at, size_t n, struct error *err)
{
	if (n != DIGEST_HEX_SIZE - 1 || !is_run_of(is_lower_hex, at, n))
		return error_set(err, -EBADMSG,
			"the Authorization header's Signature is not 64 hexadecimal digits in "
			"lower case");
	memcpy(ret->signature, at, n);
	ret->signature[n] = '\0';
	return 0;
}

static const struct part {
	const char *name;
	int (*parse)(
		struct sigv4_authorization *ret, const char *at, size_t n, struct error *err);
} parts[] = {
	{ "Credential", parse_credential },
	{ "SignedHeaders", parse_signed_headers },
	{ "Signature", parse_signature },
};

/* One "name=value" of the list; *seen has a bit a part. */
static int parse_part(struct sigv4_authorization *ret, const char *at, size_t n, unsigned *seen,
	struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t len = strlen(parts[i].name);

		if (n <= len || memcmp(at, parts[i].name, len) != 0 || at[len] != '=')
			continue;
		if (*seen & 1U << i)
			return error_set(err, -EBADMSG, "the Authorization header has two %s",
				parts[i].name);
		*seen |= 1U << i;
		return parts[i].parse(ret, at + len + 1, n - len - 1, err);
	}
	return error_set(err, -EBADMSG,
		"the Authorization header has something besides Credential, SignedHeaders and "
		"Signature");
}

static int parse_parts(struct sigv4_authorization *ret, const char *at, struct error *err)
{
	unsigned seen = 0;

	for (;;) {
		size_t n = strcspn(at, ",");
		size_t trimmed = n;
		int r;

		while (trimmed > 0 && at[trimmed - 1] == ' ')
			trimmed--;
		r = parse_part(ret, at, trimmed, &seen, err);
		if (r < 0)
			return r;
		at += n;
		if (!*at)
			break;
		at += 1 + strspn(at + 1, " ");
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!(seen & 1U << i))
			return error_set(err, -EBADMSG, "the Authorization header has no %s",
				parts[i].name);
	return 0;
}

int sigv4_parse(struct sigv4_authorization *ret, const char *text, struct error *err)
{
	struct sigv4_authorization parsed = { 0 };
	size_t n = strlen(ALGORITHM);
	int r;

	if (strnlen(text, SIGV4_HEADER_MAX + 1) > SIGV4_HEADER_MAX)
		return error_set(err, -EBADMSG,
			"the Authorization header is longer than %d bytes", SIGV4_HEADER_MAX);
	if (strncmp(text, ALGORITHM, n) != 0 || text[n] != ' ')
		return error_set(err, -EBADMSG,
			"the Authorization header does not begin with " ALGORITHM);
	r = parse_parts(&parsed, text + n + strspn(text + n, " "), err);
	if (r < 0)
		return r;
	*ret = parsed;
	return 0;
}

bool sigv4_signs(const struct sigv4_authorization *authorization, const char *lower_name)
{
	const char *at = authorization->signed_headers;

	for (;;) {
		size_t n = strcspn(at, ";");

		if (strlen(lower_name) == n && memcmp(at, lower_name, n) == 0)
			return true;
		if (!at[n])
			return false;
		at += n + 1;
	}
}

enum sigv4_payload sigv4_payload_kind(const char *text)
{
	if (strcmp(text, "UNSIGNED-PAYLOAD") == 0)
		return SIGV4_PAYLOAD_UNSIGNED;
	if (strncmp(text, "STREAMING-", 10) == 0 && text[10])
		return SIGV4_PAYLOAD_STREAMING;
	if (strnlen(text, DIGEST_HEX_SIZE) == DIGEST_HEX_SIZE - 1 &&
		is_run_of(is_lower_hex, text, DIGEST_HEX_SIZE - 1))
		return SIGV4_PAYLOAD_HASH;
	return SIGV4_PAYLOAD_INVALID;
}

/* How often a header is there; its first value. */
static size_t find_header(
	const struct sigv4_request *request, const char *name, const char **ret_value)
{
	size_t found = 0;

	for (size_t i = 0; i < request->n_headers; i++)
		if (strcasecmp(request->headers[i].name, name) == 0 && found++ == 0)
			*ret_value = request->headers[i].value;
	return found;
}

static int two_digits(const char *at)
{
	return (at[0] - '0') * 10 + (at[1] - '0');
}

/* "20261120T165603Z"; false for days that no calendar has. */
static bool parse_date(const char *text, uint64_t *ret_ms)
{
	struct tm tm = { 0 };
	struct tm again;
	time_t seconds;

	if (strnlen(text, 17) != 16 || text[8] != 'T' || text[15] != 'Z' ||
		!has_only_digits(text, 8) || !has_only_digits(text + 9, 6))
		return false;
	tm.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900;
	tm.tm_mon = two_digits(text + 4) - 1;
	tm.tm_mday = two_digits(text + 6);
	tm.tm_hour = two_digits(text + 9);
	tm.tm_min = two_digits(text + 11);
	tm.tm_sec = two_digits(text + 13);
	again = tm;
	seconds = timegm(&again);
	if (seconds < 0 || again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday ||
		again.tm_hour != tm.tm_hour || again.tm_min != tm.tm_min ||
		again.tm_sec != tm.tm_sec)
		return false;
	*ret_ms = (uint64_t)seconds * 1000;
	return true;
}

static int find_date(const struct sigv4_request *request, const char **ret_text,
	uint64_t *ret_ms, struct error *err)
{
	const char *text = NULL;
	size_t n = find_header(request, DATE_HEADER, &text);

	if (n != 1)
		return error_set(err, -EBADMSG, "the request has %s X-Amz-Date header",
			n ? "more than one" : "no");
	if (!parse_date(text, ret_ms))
		return error_set(err, -EBADMSG,
			"the X-Amz-Date header is not of the form YYYYMMDDTHHMMSSZ");
	*ret_text = text;
	return 0;
}

int sigv4_time(const struct sigv4_request *request, uint64_t *ret_ms, struct error *err)
{
	const char *text;

	return find_date(request, &text, ret_ms, err);
}

void sigv4_derive_key(
	const char *secret, const struct sigv4_scope *scope, uint8_t ret[static DIGEST_BYTES])
{
	const char *const steps[] = { scope->date, scope->region, scope->service, TERMINATOR };
	size_t n = strlen(secret) + 4;
	char *first = xasprintf("AWS4%s", secret);
	uint8_t key[DIGEST_BYTES];

	digest_keyed(first, n, steps[0], strlen(steps[0]), key);
	OPENSSL_cleanse(first, n);
	free(first);
	for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
		uint8_t next[DIGEST_BYTES];

		digest_keyed(key, sizeof(key), steps[i], strlen(steps[i]), next);
		memcpy(key, next, sizeof(key));
		OPENSSL_cleanse(next, sizeof(next));
	}
	memcpy(ret, key, sizeof(key));
	OPENSSL_cleanse(key, sizeof(key));
}

void sigv4_string_to_sign(struct buf *ret, const char *amz_date,
	const struct sigv4_scope *scope, const struct buf *canonical)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_HEX_SIZE];

	digest_of(canonical->data, canonical->len, digest);
	digest_format(digest, hex);
	buf_printf(ret, ALGORITHM "\n%s\n%s/%s/%s/" TERMINATOR "\n%s", amz_date, scope->date,
		scope->region, scope->service, hex);
}

static int sign(char ret[static DIGEST_HEX_SIZE], const struct sigv4_request *request,
	const char *signed_headers, const char *amz_date, const struct sigv4_scope *scope,
	const uint8_t key[static DIGEST_BYTES], struct error *err)
{
	cleanup_with(buf_done) struct buf canonical = { 0 };
	cleanup_with(buf_done) struct buf text = { 0 };
	uint8_t signature[DIGEST_BYTES];
	int r;

	r = sigv4_canonical_request(&canonical, request, signed_headers, scope->service, err);
	if (r < 0)
		return r;
	sigv4_string_to_sign(&text, amz_date, scope, &canonical);
	digest_keyed(key, DIGEST_BYTES, text.data, text.len, signature);
	digest_format(signature, ret);
	return 0;
}

/* What the signature says of itself, before any cryptography. */
static int check_scope(const struct sigv4_authorization *authorization, const char *amz_date,
	const char *service, struct error *err)
{
	const struct sigv4_scope *scope = &authorization->scope;

	if (strncmp(amz_date, scope->date, 8) != 0)
		return error_set(err, -EBADMSG,
			"the credential is scoped to the day %s, the X-Amz-Date header says %s",
			scope->date, amz_date);
	if (strcmp(scope->service, service) != 0)
		return error_set(err, -EBADMSG,
			"the credential is scoped to the service %s, this is %s",
			scope->service, service);
	return 0;
}

static int check_signed(const struct sigv4_authorization *authorization,
	const char *const *required, struct error *err)
{
	static const char *const always[] = { "host", DATE_HEADER, NULL };

	for (const char *const *name = always; *name; name++)
		if (!sigv4_signs(authorization, *name))
			return error_set(err, -EBADMSG,
				"the signature does not cover the header %s", *name);
	for (; required && *required; required++)
		if (!sigv4_signs(authorization, *required))
			return error_set(err, -EBADMSG,
				"the signature does not cover the header %s", *required);
	return 0;
}

static int check_payload(const struct sigv4_request *request, struct error *err)
{
	const char *said = NULL;
	size_t n = find_header(request, "x-amz-content-sha256", &said);

	if (n > 1)
		return error_set(err, -EBADMSG,
			"the request has more than one X-Amz-Content-Sha256 header");
	if (n == 1 && strcmp(said, request->payload_hash) != 0)
		return error_set(err, -EBADMSG,
			"the X-Amz-Content-Sha256 header does not match the payload that "
			"arrived");
	return 0;
}

static void format_clock(uint64_t ms, char ret[static 17])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || strftime(ret, 17, "%Y%m%dT%H%M%SZ", &tm) == 0)
		memcpy(ret, "?", 2);
}

static bool is_skewed(uint64_t signed_ms, uint64_t now_ms)
{
	return (signed_ms > now_ms ? signed_ms - now_ms : now_ms - signed_ms) > SIGV4_SKEW_MS;
}

static enum sigv4_outcome report_skew(const char *amz_date, uint64_t now_ms, struct error *err)
{
	char now[17];

	format_clock(now_ms, now);
	error_set(err, -EBADMSG,
		"the request was signed at %s by the client's clock and arrived at %s by ours, "
		"more "
		"than 15 minutes apart: correct the clock that is wrong",
		amz_date, now);
	return SIGV4_SKEWED;
}

enum sigv4_outcome sigv4_verify(const struct sigv4_request *request,
	const struct sigv4_authorization *authorization, const uint8_t key[static DIGEST_BYTES],
	const char *service, const char *const *required, uint64_t now_ms, struct error *err)
{
	char expected[DIGEST_HEX_SIZE];
	const char *amz_date = "";
	const char *token = NULL;
	uint64_t signed_ms = 0;

	if (find_header(request, "x-amz-security-token", &token) > 0) {
		error_set(err, -EBADMSG,
			"the request carries a session token (X-Amz-Security-Token), which is "
			"not "
			"supported: use an access key without one");
		return SIGV4_SESSION;
	}
	if (find_date(request, &amz_date, &signed_ms, err) < 0 ||
		check_scope(authorization, amz_date, service, err) < 0 ||
		check_signed(authorization, required, err) < 0)
		return SIGV4_INCOMPLETE;
	if (is_skewed(signed_ms, now_ms))
		return report_skew(amz_date, now_ms, err);
	if (check_payload(request, err) < 0)
		return SIGV4_MISMATCH;
	if (sign(expected, request, authorization->signed_headers, amz_date,
		    &authorization->scope, key, err) < 0)
		return SIGV4_INCOMPLETE;
	if (!digest_equal(expected, authorization->signature, sizeof(expected))) {
		error_set(err, -EBADMSG,
			"the signature does not match: the secret key is another, or the "
			"request "
			"was changed on its way (a proxy must keep the Host header)");
		return SIGV4_MISMATCH;
	}
	return SIGV4_VALID;
}

int sigv4_sign(char **ret_value, const struct sigv4_request *request, const char *access_key,
	const char *secret, const struct sigv4_scope *scope, struct error *err)
{
	cleanup_with(freep) char *value = NULL;
	cleanup_with(freep) char *names = sigv4_canonical_names(request);
	struct sigv4_authorization checked = { 0 };
	struct sigv4_scope dated = *scope;
	char signature[DIGEST_HEX_SIZE];
	const char *amz_date = "";
	uint8_t key[DIGEST_BYTES];
	uint64_t ms;
	int r;

	r = find_date(request, &amz_date, &ms, err);
	if (r < 0)
		return r;
	(void)snprintf(dated.date, sizeof(dated.date), "%.8s", amz_date);
	sigv4_derive_key(secret, &dated, key);
	r = sign(signature, request, names, amz_date, &dated, key, err);
	OPENSSL_cleanse(key, sizeof(key));
	if (r < 0)
		return r;
	value = xasprintf(ALGORITHM " Credential=%s/%s/%s/%s/" TERMINATOR
				    ", SignedHeaders=%s, Signature=%s",
		access_key, dated.date, dated.region, dated.service, names, signature);
	/* What we send is what we would take: keys and names that cannot be written fail here.
	 */
	r = sigv4_parse(&checked, value, err);
	if (r == 0)
		r = check_signed(&checked, NULL, err);
	if (r < 0)
		return r;
	*ret_value = take(&value);
	return 0;
}
