/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/cms.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/protocol.h"
#include "controller/settings.h"

enum { LIMIT_PEM_BYTES = 64 * 1024, RSA_LEAST_BITS = 2048, RSA_MOST_BITS = 4096 };

enum key_kind { KIND_RSA, KIND_P256 };

/* A key with the certificates that vouch for it. */
struct credential {
	EVP_PKEY *key;
	X509 *leaf;
	STACK_OF(X509) * chain; /* what follows the leaf, without a root */
};

struct signer {
	struct credential aws;
	struct credential ours;
	uint64_t generation;
};

static void credential_done(struct credential *credential)
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

static void cmsp(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

/* Fills err from the first of libcrypto's errors, and forgets the others. */
static int fail(struct error *err, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return error_set(err, -EBADMSG, "%s: %s", what, reason ? reason : "unknown error");
}

/* ---- files */

static void wipe(struct buf *buf)
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
	const EVP_PKEY *key, enum key_kind kind, const char *path, struct error *err)
{
	int bits = EVP_PKEY_get_bits(key);

	switch (kind) {
	case KIND_RSA:
		if (EVP_PKEY_is_a(key, "RSA") && bits >= RSA_LEAST_BITS &&
			bits <= RSA_MOST_BITS)
			return 0;
		return error_set(err, -EINVAL,
			"key %s is %s of %d bits: orders for AWS's agents need RSA of %d to %d",
			path, EVP_PKEY_get0_type_name(key), bits, RSA_LEAST_BITS,
			RSA_MOST_BITS);
	case KIND_P256:
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
	cleanup_with(wipe) struct buf pem = { 0 };
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
		return fail(err, path);
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
		return fail(err, path);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		add_certificate(credential, certificate);
	/* The end of the file is an error too. */
	if (!credential->leaf || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return fail(err, path);
	ERR_clear_error();
	return 0;
}

static int load_credential(struct credential *ret, enum key_kind kind, const char *key_path,
	const char *certificate_path, struct error *err)
{
	int r;

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

/* ---- the signer */

static int load(struct signer *signer, const struct settings *settings, struct error *err)
{
	struct credential aws = { 0 };
	struct credential ours = { 0 };
	int r;

	r = load_credential(&aws, KIND_RSA, settings->aws_signing_key,
		settings->aws_signing_certificate, err);
	if (r == 0)
		r = load_credential(&ours, KIND_P256, settings->signing_key,
			settings->signing_certificate, err);
	if (r < 0) {
		credential_done(&aws);
		return error_wrap(err, "cannot sign orders");
	}
	credential_done(&signer->aws);
	credential_done(&signer->ours);
	signer->aws = aws;
	signer->ours = ours;
	signer->generation++;
	return 0;
}

int signer_new(struct signer **ret, const struct settings *settings, struct error *err)
{
	cleanup_with(signer_freep) struct signer *signer = xcalloc(1, sizeof(*signer));
	int r;

	r = load(signer, settings, err);
	if (r < 0)
		return r;
	*ret = take(&signer);
	return 0;
}

int signer_reload(struct signer *signer, const struct settings *settings, struct error *err)
{
	return load(signer, settings, err);
}

void signer_free(struct signer *signer)
{
	if (!signer)
		return;
	credential_done(&signer->aws);
	credential_done(&signer->ours);
	free(signer);
}

void signer_freep(struct signer **signer)
{
	signer_free(*signer);
}

uint64_t signer_generation(const struct signer *signer)
{
	return signer->generation;
}

static uint64_t expires_ms(const struct credential *credential)
{
	struct tm tm;
	time_t end;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(credential->leaf), &tm) != 1)
		return 0;
	end = timegm(&tm);
	return end > 0 ? (uint64_t)end * 1000 : 0;
}

uint64_t signer_expires_ms(const struct signer *signer)
{
	uint64_t aws = expires_ms(&signer->aws);
	uint64_t ours = expires_ms(&signer->ours);

	return aws < ours ? aws : ours;
}

/* ---- signing */

/* Content as given, no line ends changed, and no list of ciphers that mail programs want. */
static const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP;

static CMS_ContentInfo *sign(const struct credential *credential, const char *text, size_t n)
{
	cleanup_with(biop) BIO *content = BIO_new_mem_buf(text, (int)n);
	cleanup_with(cmsp) CMS_ContentInfo *cms = NULL;

	if (!content)
		return NULL;
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
	if (!cms ||
		!CMS_add1_signer(cms, credential->leaf, credential->key, EVP_sha256(), flags))
		return NULL;
	for (int i = 0; i < sk_X509_num(credential->chain); i++)
		if (CMS_add1_cert(cms, sk_X509_value(credential->chain, i)) != 1)
			return NULL;
	if (CMS_final(cms, content, NULL, flags) != 1)
		return NULL;
	return take(&cms);
}

/* By hand and not by PEM_write_bio_CMS(), which knows one label alone. */
static char *write_pem(CMS_ContentInfo *cms, const char *label)
{
	cleanup_with(biop) BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	char *text = NULL;
	char *data;
	long size;
	int n;

	n = i2d_CMS_ContentInfo(cms, &der);
	if (bio && n > 0 && PEM_write_bio(bio, label, "", der, n) > 0) {
		size = BIO_get_mem_data(bio, &data);
		text = xstrndup(data, (size_t)size);
	}
	OPENSSL_free(der);
	return text;
}

static int sign_as(const struct credential *credential, const char *label, const char *text,
	size_t n, char **ret, struct error *err)
{
	cleanup_with(cmsp) CMS_ContentInfo *cms = NULL;
	char *pem;

	if (n > INT_MAX)
		return error_set(err, -EFBIG, "cannot sign %zu bytes", n);
	cms = sign(credential, text, n);
	pem = cms ? write_pem(cms, label) : NULL;
	if (!pem)
		return fail(err, "cannot sign an order");
	*ret = pem;
	return 0;
}

int signer_sign_for_aws(
	struct signer *signer, const char *text, size_t n, char **ret, struct error *err)
{
	return sign_as(&signer->aws, PROTOCOL_LABEL_AWS, text, n, ret, err);
}

int signer_sign_for_ours(
	struct signer *signer, const char *text, size_t n, char **ret, struct error *err)
{
	return sign_as(&signer->ours, PROTOCOL_LABEL_OURS, text, n, ret, err);
}
