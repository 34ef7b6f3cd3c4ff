/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

struct digest {
	EVP_MD_CTX *hash; /* one of the two */
	EVP_MAC_CTX *keyed;
};

/* Fetched once: looking an algorithm up costs more than hashing a request does. */
static EVP_MD *sha256;
static EVP_MAC *hmac;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void require(bool good)
{
	if (good)
		return;
	(void)fputs("libcrypto cannot compute SHA-256\n", stderr);
	abort();
}

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static struct digest *new_empty(void)
{
	(void)pthread_once(&fetched, fetch);
	require(sha256 && hmac);
	return xcalloc(1, sizeof(struct digest));
}

struct digest *digest_new(void)
{
	struct digest *digest = new_empty();

	digest->hash = EVP_MD_CTX_new();
	require(digest->hash && EVP_DigestInit_ex2(digest->hash, sha256, NULL));
	return digest;
}

struct digest *digest_new_keyed(const void *key, size_t n)
{
	struct digest *digest = new_empty();
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};

	digest->keyed = EVP_MAC_CTX_new(hmac);
	/* Without a key OpenSSL would go on with none: an empty one is still one. */
	require(digest->keyed && EVP_MAC_init(digest->keyed, n ? key : "", n, params));
	return digest;
}

void digest_free(struct digest *digest)
{
	if (!digest)
		return;
	EVP_MD_CTX_free(digest->hash);
	EVP_MAC_CTX_free(digest->keyed);
	free(digest);
}

void digest_freep(struct digest **digest)
{
	digest_free(*digest);
}

void digest_update(struct digest *digest, const void *data, size_t n)
{
	if (n == 0)
		return;
	require(digest->hash ? EVP_DigestUpdate(digest->hash, data, n)
			     : EVP_MAC_update(digest->keyed, data, n));
}

void digest_finish(struct digest *digest, uint8_t ret[static DIGEST_BYTES])
{
	size_t n = 0;

	if (digest->hash)
		require(EVP_DigestFinal_ex(digest->hash, ret, NULL));
	else
		require(EVP_MAC_final(digest->keyed, ret, &n, DIGEST_BYTES) &&
			n == DIGEST_BYTES);
}

static void finish_and_free(
	struct digest *digest, const void *data, size_t n, uint8_t ret[static DIGEST_BYTES])
{
	digest_update(digest, data, n);
	digest_finish(digest, ret);
	digest_free(digest);
}

void digest_of(const void *data, size_t n, uint8_t ret[static DIGEST_BYTES])
{
	finish_and_free(digest_new(), data, n, ret);
}

void digest_keyed(const void *key, size_t key_bytes, const void *data, size_t n,
	uint8_t ret[static DIGEST_BYTES])
{
	finish_and_free(digest_new_keyed(key, key_bytes), data, n, ret);
}

void digest_format(const uint8_t digest[static DIGEST_BYTES], char ret[static DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		ret[2 * i] = digits[digest[i] >> 4];
		ret[2 * i + 1] = digits[digest[i] & 15];
	}
	ret[2 * DIGEST_BYTES] = '\0';
}

bool digest_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
