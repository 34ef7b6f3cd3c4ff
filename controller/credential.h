/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

struct buf;
struct error;

/* A private key with the certificates that vouch for it, from PEM files. */
struct credential {
	EVP_PKEY *key;
	X509 *leaf;
	STACK_OF(X509) * chain; /* what follows the leaf, without a root */
};

enum credential_kind {
	CREDENTIAL_ANY,
	CREDENTIAL_RSA, /* of 2,048 to 4,096 bits */
	CREDENTIAL_P256,
};

/*
 * Reads both files (links are followed; each at most 64 KiB) and checks that they belong
 * together. Refused with a sentence that names the file: keys of another kind, encrypted ones,
 * and those that every user of the machine can read. On failure *ret holds nothing.
 */
int credential_load(struct credential *ret, enum credential_kind kind, const char *key_path,
	const char *certificate_path, struct error *err);
void credential_done(struct credential *credential);

/* The first certificate of a file and what follows it; the key stays NULL. */
int credential_load_certificates(
	struct credential *ret, const char *certificate_path, struct error *err);

/* When the leaf runs out, in ms since 1970; 0 if it cannot be said. */
uint64_t credential_expires_ms(const struct credential *credential);
uint64_t certificate_expires_ms(const X509 *certificate);
uint64_t certificate_begins_ms(const X509 *certificate);

/* Fills err from the first of libcrypto's errors, and forgets the others. Returns -EBADMSG. */
int credential_fail(struct error *err, const char *what);

/* Frees, having overwritten: for buffers that held a key. */
void credential_wipe(struct buf *buf);
