/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

static void expect(const uint8_t digest[static DIGEST_BYTES], const char *expected)
{
	char hex[DIGEST_HEX_SIZE];

	digest_format(digest, hex);
	ck_assert_str_eq(hex, expected);
}

START_TEST(hashes_are_those_of_fips_180)
{
	uint8_t digest[DIGEST_BYTES];

	digest_of("", 0, digest);
	expect(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_of("abc", 3, digest);
	expect(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(keyed_hashes_are_those_of_rfc_4231)
{
	const char *text = "what do ya want for nothing?";
	uint8_t digest[DIGEST_BYTES];

	digest_keyed("Jefe", 4, text, strlen(text), digest);
	expect(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

START_TEST(an_empty_key_is_a_key)
{
	uint8_t digest[DIGEST_BYTES];

	digest_keyed(NULL, 0, NULL, 0, digest);
	expect(digest, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

START_TEST(pieces_hash_as_the_whole)
{
	cleanup_with(digest_freep) struct digest *hash = digest_new();
	cleanup_with(digest_freep) struct digest *keyed = digest_new_keyed("Jefe", 4);
	uint8_t digest[DIGEST_BYTES];

	digest_update(hash, "a", 1);
	digest_update(hash, NULL, 0);
	digest_update(hash, "bc", 2);
	digest_finish(hash, digest);
	expect(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_update(keyed, "what do ya want ", 16);
	digest_update(keyed, "for nothing?", 12);
	digest_finish(keyed, digest);
	expect(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

TESTS("base/digest", hashes_are_those_of_fips_180, keyed_hashes_are_those_of_rfc_4231,
	an_empty_key_is_a_key, pieces_hash_as_the_whole)
