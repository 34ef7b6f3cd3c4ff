/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificate.h"

#include <string.h>
#include <time.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/credential.h"
#include "controller/name.h"

enum { SERIAL_BITS = 127, COMMON_NAME_BYTES = 64, DAY_S = 24 * 3600 };

void certificate_freep(X509 **certificate)
{
	X509_free(*certificate);
}

void certificate_key_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void biop(BIO **bio)
{
	(void)BIO_free(*bio);
}

int certificate_make_key(EVP_PKEY **ret, struct error *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	if (!key)
		return credential_fail(err, "cannot make a key");
	*ret = key;
	return 0;
}

int certificate_make_rsa_key(EVP_PKEY **ret, unsigned bits, struct error *err)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);

	if (!key)
		return credential_fail(err, "cannot make a key");
	*ret = key;
	return 0;
}

/* Random, so that a restored authority never gives a number twice. */
static bool set_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool done = number &&
		    BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ODD) == 1 &&
		    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));

	BN_free(number);
	return done;
}

static bool set_times(X509 *certificate, const struct certificate_request *request)
{
	uint64_t from_ms = request->now_ms > CERTIFICATE_BACKDATED_MS
				   ? request->now_ms - CERTIFICATE_BACKDATED_MS
				   : 0;
	time_t until = (time_t)(request->now_ms / 1000) + (time_t)request->days * DAY_S;

	return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(from_ms / 1000)) &&
	       ASN1_TIME_set(X509_getm_notAfter(certificate), until);
}

static bool set_subject(X509 *certificate, const char *common_name)
{
	size_t n = strnlen(common_name, COMMON_NAME_BYTES);

	return X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN",
		       MBSTRING_UTF8, (const unsigned char *)common_name, (int)n, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
	bool done = extension && X509_add_ext(certificate, extension, -1) == 1;

	X509_EXTENSION_free(extension);
	return done;
}

/* "DNS:a,DNS:*.a,IP:192.0.2.1": name_is_valid() lets nothing through that would end one. */
static bool add_names(
	X509 *certificate, X509V3_CTX *context, const struct certificate_request *request)
{
	cleanup_with(buf_done) struct buf text = { 0 };

	for (size_t i = 0; i < request->n_names; i++) {
		const char *name = request->names[i];

		if (!name_is_valid(name))
			return false;
		if (name_is_address(name))
			buf_printf(&text, "%sIP:%s", i ? "," : "", name);
		else
			buf_printf(&text, "%sDNS:%s,DNS:*.%s", i ? "," : "", name, name);
	}
	return add_extension(
		certificate, context, NID_subject_alt_name, text.data ? text.data : "");
}

static bool add_usage(
	X509 *certificate, X509V3_CTX *context, const struct certificate_request *request)
{
	switch (request->kind) {
	case CERTIFICATE_AUTHORITY:
		return add_extension(certificate, context, NID_basic_constraints,
			       "critical,CA:TRUE,pathlen:0") &&
		       add_extension(certificate, context, NID_key_usage,
			       "critical,keyCertSign,cRLSign");
	case CERTIFICATE_SERVER:
		return add_extension(certificate, context, NID_basic_constraints,
			       "critical,CA:FALSE") &&
		       add_extension(certificate, context, NID_key_usage,
			       "critical,digitalSignature") &&
		       add_extension(certificate, context, NID_ext_key_usage, "serverAuth") &&
		       add_names(certificate, context, request);
	case CERTIFICATE_SIGNER:
		return add_extension(certificate, context, NID_basic_constraints,
			       "critical,CA:FALSE") &&
		       add_extension(certificate, context, NID_key_usage,
			       "critical,digitalSignature") &&
		       add_extension(certificate, context, NID_ext_key_usage,
			       "critical," CERTIFICATE_USAGE_ORDERS);
	}
	__builtin_unreachable();
}

static bool build(X509 *certificate, const struct certificate_request *request, X509 *issuer)
{
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
	       set_times(certificate, request) &&
	       set_subject(certificate, request->common_name) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
	       X509_set_pubkey(certificate, request->key) == 1 &&
	       add_usage(certificate, &context, request) &&
	       add_extension(certificate, &context, NID_subject_key_identifier, "hash") &&
	       add_extension(
		       certificate, &context, NID_authority_key_identifier, "keyid:always");
}

int certificate_issue(X509 **ret, const struct certificate_request *request, X509 *issuer,
	EVP_PKEY *issuer_key, struct error *err)
{
	cleanup_with(certificate_freep) X509 *certificate = X509_new();

	if (!certificate || !build(certificate, request, issuer ? issuer : certificate) ||
		X509_sign(certificate, issuer_key ? issuer_key : request->key, EVP_sha256()) ==
			0)
		return credential_fail(err, "cannot make a certificate");
	*ret = take(&certificate);
	return 0;
}

static void append_bio(struct buf *ret, BIO *bio)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);

	buf_append(ret, data, (size_t)n);
}

int certificate_write(struct buf *ret, X509 *certificate, struct error *err)
{
	cleanup_with(biop) BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio_X509(bio, certificate) != 1)
		return credential_fail(err, "cannot write a certificate");
	append_bio(ret, bio);
	return 0;
}

int certificate_write_key(struct buf *ret, EVP_PKEY *key, struct error *err)
{
	cleanup_with(biop) BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		return credential_fail(err, "cannot write a key");
	append_bio(ret, bio);
	return 0;
}

void certificate_fingerprint(const X509 *certificate, char ret[static DIGEST_HEX_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	unsigned n = 0;

	/* Of a certificate that was parsed or made it cannot fail. */
	(void)X509_digest(certificate, EVP_sha256(), digest, &n);
	digest_format(digest, ret);
}

bool certificate_may_sign_orders(const X509 *certificate)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(
		certificate, NID_ext_key_usage, NULL, NULL);
	ASN1_OBJECT *orders = OBJ_txt2obj(CERTIFICATE_USAGE_ORDERS, 1);
	bool found = false;

	for (int i = 0; i < sk_ASN1_OBJECT_num(usages) && !found; i++)
		found = OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), orders) == 0;
	ASN1_OBJECT_free(orders);
	EXTENDED_KEY_USAGE_free(usages);
	return found;
}
