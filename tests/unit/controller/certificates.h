/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <fcntl.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "controller/settings.h"
#include "unit.h"

/* Keys and certificates that signed themselves, in files of the test's directory. */

static inline char *test_path(const char *name)
{
	return xasprintf("%s/%s", test_dir(), name);
}

static inline FILE *test_create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	ck_assert_int_ge(fd, 0);
	return fdopen(fd, "w");
}

static inline void write_key(const char *path, EVP_PKEY *key)
{
	FILE *file = test_create(path, 0600);

	ck_assert_int_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	ck_assert_int_eq(fclose(file), 0);
}

static inline void write_certificate(const char *path, EVP_PKEY *key, const char *name)
{
	FILE *file = test_create(path, 0644);
	X509 *certificate = X509_new();
	X509_NAME *subject = X509_get_subject_name(certificate);

	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_NAME_add_entry_by_txt(
		subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(certificate, subject);
	X509_set_pubkey(certificate, key);
	ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
	ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
	ck_assert_int_eq(fclose(file), 0);
	X509_free(certificate);
}

/* "NAME.key" and "NAME.pem". */
static inline void make_credential(
	const char *name, EVP_PKEY *key, char **key_path, char **path)
{
	char *file = xasprintf("%s/%s.key", test_dir(), name);

	ck_assert_ptr_nonnull(key);
	write_key(file, key);
	*key_path = file;
	*path = xasprintf("%s/%s.pem", test_dir(), name);
	write_certificate(*path, key, name);
	EVP_PKEY_free(key);
}

/* The members that signer_new() reads. */
static inline void make_signing_files(struct settings *settings)
{
	make_credential("aws", EVP_RSA_gen(2048), &settings->aws_signing_key,
		&settings->aws_signing_certificate);
	make_credential("ours", EVP_EC_gen("P-256"), &settings->signing_key,
		&settings->signing_certificate);
}

static inline void remove_signing_files(struct settings *settings)
{
	free(settings->aws_signing_key);
	free(settings->aws_signing_certificate);
	free(settings->signing_key);
	free(settings->signing_certificate);
}
