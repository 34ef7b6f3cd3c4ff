/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SHA-256 and HMAC-SHA-256 by OpenSSL's libcrypto. Nothing here can fail for reasons that a
 * caller could handle: a library without SHA-256 or without memory ends the process.
 *
 * Not part of the library `base`, which stays free of libcrypto: link `crypto`.
 */
#define DIGEST_BYTES 32
#define DIGEST_HEX_SIZE (2 * DIGEST_BYTES + 1) /* with the NUL */

struct digest; /* a hash, or a keyed one, that grows */

struct digest *digest_new(void);
struct digest *digest_new_keyed(const void *key, size_t n);
void digest_free(struct digest *digest);
void digest_freep(struct digest **digest);
void digest_update(struct digest *digest, const void *data, size_t n);

/* The result so far; nothing may be added afterwards. */
void digest_finish(struct digest *digest, uint8_t ret[static DIGEST_BYTES]);

/* In one call. */
void digest_of(const void *data, size_t n, uint8_t ret[static DIGEST_BYTES]);
void digest_keyed(const void *key, size_t key_bytes, const void *data, size_t n,
	uint8_t ret[static DIGEST_BYTES]);

/* 64 lower-case digits. */
void digest_format(const uint8_t digest[static DIGEST_BYTES], char ret[static DIGEST_HEX_SIZE]);

/* Whether both runs of n bytes are equal, in a time that tells nothing of where they differ. */
bool digest_equal(const void *a, const void *b, size_t n);
