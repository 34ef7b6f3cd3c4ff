/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/digest.h"

struct buf;
struct error;

/*
 * Making keys and certificates: the fleet's authority, and what it issues. Everything is ECDSA
 * P-256 with SHA-256, but for the key whose orders AWS's agents must be able to read.
 */

/*
 * Who may sign orders: the extended key usage of signing certificates, and of no other. Below
 * the arc of a UUID of our own (ITU-T X.667), which needs no registration:
 * 9d9e363e-193f-45d2-ab12-7179642dac23, then 1.
 */
#define CERTIFICATE_USAGE_ORDERS "2.25.209510278411958585187397312572229004323.1"

/* The clocks of hosts may be behind ours. */
#define CERTIFICATE_BACKDATED_MS (3600 * UINT64_C(1000))

enum certificate_kind {
	CERTIFICATE_AUTHORITY, /* signs itself; issues no other authority */
	CERTIFICATE_SERVER,
	CERTIFICATE_SIGNER, /* CERTIFICATE_USAGE_ORDERS, critical */
};

struct certificate_request {
	enum certificate_kind kind;
	EVP_PKEY *key;
	const char *common_name; /* cut to the 64 bytes that X.520 allows */
	/* Of a server: DNS names, each also as "*.name", and IP addresses. */
	char *const *names;
	size_t n_names;
	uint64_t now_ms;
	unsigned days;
};

int certificate_make_key(EVP_PKEY **ret, struct error *err);
int certificate_make_rsa_key(EVP_PKEY **ret, unsigned bits, struct error *err);

/* `issuer` and its key: NULL for an authority. The certificate is the caller's to free. */
int certificate_issue(X509 **ret, const struct certificate_request *request, X509 *issuer,
	EVP_PKEY *issuer_key, struct error *err);

/* Append PEM; a key as PKCS #8, not encrypted. */
int certificate_write(struct buf *ret, X509 *certificate, struct error *err);
int certificate_write_key(struct buf *ret, EVP_PKEY *key, struct error *err);

/* Whether it bears CERTIFICATE_USAGE_ORDERS. */
bool certificate_may_sign_orders(const X509 *certificate);

/* SHA-256 of its DER form. */
void certificate_fingerprint(const X509 *certificate, char ret[static DIGEST_HEX_SIZE]);

void certificate_freep(X509 **certificate);
void certificate_key_freep(EVP_PKEY **key);
