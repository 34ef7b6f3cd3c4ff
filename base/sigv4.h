/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/header.h"

struct error;

/*
 * AWS Signature Version 4 with the Authorization header, both sides, as pure functions: the
 * caller brings the request, the secret and the time. The form that signs a URL
 * (X-Amz-Signature in the query) is not taken.
 *
 * Serving: sigv4_parse(), find the secret of its access key, sigv4_derive_key() (worth keeping
 * a day per key and scope), sigv4_verify(). A request that is repeated verifies again until its
 * time is too old; whoever must not take it twice keeps sigv4_authorization.signature for
 * 2 * SIGV4_SKEW_MS.
 */
#define SIGV4_HEADER_MAX 4096         /* bytes of an Authorization header's value */
#define SIGV4_WORD_MAX 128            /* bytes of access key, region or service */
#define SIGV4_SIGNED_HEADERS_MAX 2048 /* bytes of the list */
#define SIGV4_QUERY_MAX 256           /* parameters of a query */
#define SIGV4_SKEW_MS (15 * 60 * 1000)

/* What is signed. Everything is borrowed. */
struct sigv4_request {
	const char *method;
	const char *path;  /* as on the request line, percent-encoded; "" is "/" */
	const char *query; /* as on the request line, without '?'; NULL and "" are none */
	const struct header *headers;
	size_t n_headers;
	/* The payload's SHA-256 in 64 lower-case digits, or the text that stands for it in
	 * X-Amz-Content-Sha256 (UNSIGNED-PAYLOAD, STREAMING-...): the caller decides which of
	 * those it allows, and passes them only then. */
	const char *payload_hash;
};

/* For whom and where a signature counts. */
struct sigv4_scope {
	char date[9]; /* "20261120" */
	char region[SIGV4_WORD_MAX + 1];
	char service[SIGV4_WORD_MAX + 1];
};

struct sigv4_authorization {
	char access_key[SIGV4_WORD_MAX + 1];
	struct sigv4_scope scope;
	char signed_headers[SIGV4_SIGNED_HEADERS_MAX +
			    1]; /* "host;x-amz-date": lower, sorted */
	char signature[DIGEST_HEX_SIZE];
};

enum sigv4_payload {
	SIGV4_PAYLOAD_HASH,
	SIGV4_PAYLOAD_UNSIGNED,  /* UNSIGNED-PAYLOAD */
	SIGV4_PAYLOAD_STREAMING, /* STREAMING-... */
	SIGV4_PAYLOAD_INVALID,
};

enum sigv4_outcome {
	SIGV4_VALID,
	SIGV4_INCOMPLETE, /* what a signature must cover or say is missing or contradicts itself
			   */
	SIGV4_SESSION,    /* by temporary credentials, which we never gave out */
	SIGV4_SKEWED,     /* too old or from the future; the sentence has both clocks */
	SIGV4_MISMATCH,   /* not signed with this secret, or changed on the way */
};

/*
 * Takes an Authorization header's value apart: algorithm, then Credential, SignedHeaders and
 * Signature, each once, in any order. Key, region and service are letters, digits, '-', '_' and
 * '.'; the signed headers lower case, sorted, none twice.
 *
 * Returns 0, or -EBADMSG with a sentence fit for the client (it repeats no part of the header).
 */
int sigv4_parse(struct sigv4_authorization *ret, const char *text, struct error *err);

bool sigv4_signs(const struct sigv4_authorization *authorization, const char *lower_name);

enum sigv4_payload sigv4_payload_kind(const char *text);

/* The time of X-Amz-Date in ms since 1970. Returns 0, or -EBADMSG if there is not exactly one.
 */
int sigv4_time(const struct sigv4_request *request, uint64_t *ret_ms, struct error *err);

void sigv4_derive_key(
	const char *secret, const struct sigv4_scope *scope, uint8_t ret[static DIGEST_BYTES]);

/*
 * Whether the request was signed with `key` for `service` and its clock is within SIGV4_SKEW_MS
 * of now_ms. Host, X-Amz-Date and the `required` names (lower case, up to NULL; may be NULL)
 * must be among the signed headers, and an X-Amz-Content-Sha256 must equal payload_hash.
 *
 * err is filled for every outcome but SIGV4_VALID, with a sentence fit for the client.
 */
enum sigv4_outcome sigv4_verify(const struct sigv4_request *request,
	const struct sigv4_authorization *authorization, const uint8_t key[static DIGEST_BYTES],
	const char *service, const char *const *required, uint64_t now_ms, struct error *err);

/*
 * Signs the request with all its headers, which must hold Host and X-Amz-Date; leave out those
 * that may change on the way. scope->date is ignored: the day is that of X-Amz-Date.
 *
 * *ret_value is the Authorization header's value, owned by the caller. Returns 0 or -EBADMSG.
 */
int sigv4_sign(char **ret_value, const struct sigv4_request *request, const char *access_key,
	const char *secret, const struct sigv4_scope *scope, struct error *err);

/*
 * The two texts on the way, appended; for tests and for showing an operator what did not match.
 * `signed_headers` and `scope` as in sigv4_authorization, amz_date as in X-Amz-Date. The path
 * of service "s3" is encoded once and kept as it is, of others normalised and encoded twice.
 *
 * sigv4_canonical_request() returns -EBADMSG if a signed header is absent or the path or query
 * cannot be.
 */
int sigv4_canonical_request(struct buf *ret, const struct sigv4_request *request,
	const char *signed_headers, const char *service, struct error *err);
void sigv4_string_to_sign(struct buf *ret, const char *amz_date,
	const struct sigv4_scope *scope, const struct buf *canonical);
