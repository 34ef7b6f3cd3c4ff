/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

enum { LIMIT_PEM_BYTES = 64 * 1024, RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 4096 };

void credential_done(struct credential *credential)
{
	EVP_PKEY_free(credential->key);
	X509_free(credential->leaf);
	sk_X509_pop_free(credential->chain, X509_free);
	*credential = (struct credential){ 0 };
}

static void biop(BIO **bio)
{
	(void)BIO_free(*bio);
}

/* Fills err from the first of libcrypto's errors, and forgets the others. */
int credential_fail(struct error *err, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return error_set(err, -EBADMSG, "%s: %s", what, reason ? reason : "unknown error");
}

/* ---- files */

void credential_wipe(struct buf *buf)
{
	if (buf->data)
		OPENSSL_cleanse(buf->data, buf->cap);
	buf_done(buf);
}

static int read_pem(struct buf *ret, const char *path, bool is_secret, struct error *err)
{
	cleanup_with(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %m", path);
	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot read %s: %m", path);
	if (is_secret && (st.st_mode & S_IRWXO))
		return error_set(err, -EPERM,
			"key %s is open to every user of this machine: chmod o= it", path);
	return file_read_fd(fd, path, LIMIT_PEM_BYTES, ret, err);
}

/* Instead of the question on the terminal that libcrypto would ask. */
static int refuse_password(char *password, int size, int writing, void *asked)
{
	(void)password;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[64];

	return EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_utf8_string_param(
		       key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) == 1 &&
	       OBJ_txt2nid(group) == NID_X9_62_prime256v1;
}

static int check_kind(
	const EVP_PKEY *key, enum credential_kind kind, const char *path, struct error *err)
{
	int bits = EVP_PKEY_get_bits(key);

	switch (kind) {
	case CREDENTIAL_ANY:
		return 0;
	case CREDENTIAL_RSA:
		if (EVP_PKEY_is_a(key, "RSA") && bits >= RSA_LEAST_BITS &&
			bits <= RSA_MOST_BITS)
			return 0;
		return error_set(err, -EINVAL,
			"key %s is %s of %d bits: orders for AWS's agents need RSA of %d to %d",
			path, EVP_PKEY_get0_type_name(key), bits, RSA_LEAST_BITS,
			RSA_MOST_BITS);
	case CREDENTIAL_P256:
		if (is_p256(key))
			return 0;
		return error_set(err, -EINVAL,
			"key %s is %s of %d bits: orders for Drover's agents need EC P-256",
			path, EVP_PKEY_get0_type_name(key), bits);
	}
	__builtin_unreachable();
}

static int load_key(EVP_PKEY **ret, const char *path, struct error *err)
{
	cleanup_with(credential_wipe) struct buf pem = { 0 };
	cleanup_with(biop) BIO *bio = NULL;
	bool asked = false;
	int r;

	r = read_pem(&pem, path, true, err);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
	*ret = bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_password, &asked) : NULL;
	if (*ret)
		return 0;
	if (!asked)
		return credential_fail(err, path);
	ERR_clear_error();
	return error_set(err, -EACCES,
		"key %s is encrypted: the controller has nobody to ask for a password", path);
}

static bool is_root(const X509 *certificate)
{
	return X509_NAME_cmp(X509_get_subject_name(certificate),
		       X509_get_issuer_name(certificate)) == 0;
}

/* Takes the certificate over. A leaf that signed itself is kept: it is all there is. */
static void add_certificate(struct credential *credential, X509 *certificate)
{
	if (!credential->leaf)
		credential->leaf = certificate;
	else if (is_root(certificate) || sk_X509_push(credential->chain, certificate) <= 0)
		X509_free(certificate);
}

static int load_certificates(struct credential *credential, const char *path, struct error *err)
{
	cleanup_with(buf_done) struct buf pem = { 0 };
	cleanup_with(biop) BIO *bio = NULL;
	X509 *certificate;
	int r;

	r = read_pem(&pem, path, false, err);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);
	credential->chain = sk_X509_new_null();
	if (!bio || !credential->chain)
		return credential_fail(err, path);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		add_certificate(credential, certificate);
	/* The end of the file is an error too. */
	if (!credential->leaf || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return credential_fail(err, path);
	ERR_clear_error();
	return 0;
}

int credential_load_certificates(
	struct credential *ret, const char *certificate_path, struct error *err)
{
	int r;

	*ret = (struct credential){ 0 };
	r = load_certificates(ret, certificate_path, err);
	if (r < 0)
		credential_done(ret);
	return r;
}

int credential_load(struct credential *ret, enum credential_kind kind, const char *key_path,
	const char *certificate_path, struct error *err)
{
	int r;

	*ret = (struct credential){ 0 };
	r = load_key(&ret->key, key_path, err);
	if (r == 0)
		r = check_kind(ret->key, kind, key_path, err);
	if (r == 0)
		r = load_certificates(ret, certificate_path, err);
	if (r == 0 && X509_check_private_key(ret->leaf, ret->key) != 1) {
		ERR_clear_error();
		r = error_set(err, -EINVAL, "certificate %s is not that of the key %s",
			certificate_path, key_path);
	}
	if (r < 0)
		credential_done(ret);
	return r;
}

static uint64_t ms_of(const ASN1_TIME *time)
{
	struct tm tm;
	time_t seconds;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return 0;
	seconds = timegm(&tm);
	return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

uint64_t certificate_expires_ms(const X509 *certificate)
{
	return ms_of(X509_get0_notAfter(certificate));
}

uint64_t certificate_begins_ms(const X509 *certificate)
{
	return ms_of(X509_get0_notBefore(certificate));
}

uint64_t credential_expires_ms(const struct credential *credential)
{
	return certificate_expires_ms(credential->leaf);
}
