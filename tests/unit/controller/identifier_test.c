/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/identifier.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit.h"

/* Counts a character at a place; each of the alphabet must come up in time. */
static size_t n_seen(const bool seen[static 256])
{
	size_t n = 0;

	for (size_t i = 0; i < 256; i++)
		n += seen[i];
	return n;
}

START_TEST(a_uuid_is_of_version_4)
{
	char a[UUID_LENGTH + 1];
	char b[UUID_LENGTH + 1];

	identifier_make_uuid(a);
	identifier_make_uuid(b);
	ck_assert_uint_eq(strlen(a), UUID_LENGTH);
	for (size_t i = 0; i < UUID_LENGTH; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23)
			ck_assert_int_eq(a[i], '-');
		else
			ck_assert(isdigit((unsigned char)a[i]) || (a[i] >= 'a' && a[i] <= 'f'));
	}
	ck_assert_int_eq(a[14], '4');
	ck_assert_ptr_nonnull(strchr("89ab", a[19]));
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(deployment_ids_use_the_whole_alphabet)
{
	bool seen[256] = { 0 };
	char id[DEPLOYMENT_ID_LENGTH + 1];

	for (int i = 0; i < 2000; i++) {
		identifier_make_deployment(id);
		ck_assert(identifier_is_deployment(id));
		for (size_t j = 2; j < DEPLOYMENT_ID_LENGTH; j++)
			seen[(unsigned char)id[j]] = true;
	}
	ck_assert_uint_eq(n_seen(seen), 36);
}
END_TEST

START_TEST(only_a_deployment_id_is_one)
{
	static const char *const others[] = { "", "d-", "d-ABCDEF12", "d-ABCDEF1234",
		"d-ABCDEf123", "D-ABCDEF123", "dABCDEF1234", "d-ABCDEF12 ",
		"d-ABCDEF1\xc3\x84" };

	ck_assert(identifier_is_deployment("d-ABCDEF123"));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_msg(!identifier_is_deployment(others[i]), "%s", others[i]);
}
END_TEST

START_TEST(keys_secrets_and_suffixes_have_their_forms)
{
	bool in_key[256] = { 0 };
	bool in_secret[256] = { 0 };
	bool in_suffix[256] = { 0 };
	char key[ACCESS_KEY_LENGTH + 1];
	char secret[SECRET_LENGTH + 1];
	char suffix[HOST_SUFFIX_LENGTH + 1];

	for (int i = 0; i < 1000; i++) {
		identifier_make_access_key(key);
		identifier_make_secret(secret);
		identifier_make_host_suffix(suffix);
		ck_assert_uint_eq(strlen(key), ACCESS_KEY_LENGTH);
		ck_assert_uint_eq(strlen(secret), SECRET_LENGTH);
		ck_assert_uint_eq(strlen(suffix), HOST_SUFFIX_LENGTH);
		ck_assert_int_eq(strncmp(key, "AKIA", 4), 0);
		for (const char *c = key + 4; *c; c++)
			in_key[(unsigned char)*c] = true;
		for (const char *c = secret; *c; c++)
			in_secret[(unsigned char)*c] = true;
		for (const char *c = suffix; *c; c++)
			in_suffix[(unsigned char)*c] = true;
	}
	ck_assert_uint_eq(n_seen(in_key), 32);
	ck_assert_uint_eq(n_seen(in_secret), 64);
	ck_assert_uint_eq(n_seen(in_suffix), 62);
}
END_TEST

TESTS("identifier", a_uuid_is_of_version_4, deployment_ids_use_the_whole_alphabet,
	only_a_deployment_id_is_one, keys_secrets_and_suffixes_have_their_forms)
