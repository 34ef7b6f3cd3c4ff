/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/sign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/cms.h>
#include <openssl/err.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/time.h"
#include "certificates.h"

static const char text[] = "{\"DeploymentId\":\"d-7QX2M41KZ\"}\nline\r\n";

static void make_signer(struct signer **ret, struct settings *settings)
{
	struct error err = ERROR_NONE;

	make_signing_files(settings);
	ck_assert_msg(signer_new(ret, settings, &err) == 0, "%s", err.text);
}

static CMS_ContentInfo *read_cms(const char *pem, const char *label)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	char *name = NULL;
	char *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	long n = 0;
	CMS_ContentInfo *cms;

	ck_assert_int_eq(PEM_read_bio(bio, &name, &header, &der, &n), 1);
	ck_assert_str_eq(name, label);
	ck_assert_str_eq(header, "");
	at = der;
	cms = d2i_CMS_ContentInfo(NULL, &at, n);
	ck_assert_ptr_nonnull(cms);
	ck_assert_ptr_eq(at, der + n);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	BIO_free(bio);
	return cms;
}

/* The signed bytes, or NULL if the signature does not hold. */
static char *verify(const char *pem, const char *label, const char *anchor_path)
{
	CMS_ContentInfo *cms = read_cms(pem, label);
	X509_STORE *store = X509_STORE_new();
	BIO *out = BIO_new(BIO_s_mem());
	char *result = NULL;
	char *data;
	long n;

	ck_assert_int_eq(X509_STORE_load_file(store, anchor_path), 1);
	X509_STORE_set_purpose(store, X509_PURPOSE_ANY);
	if (CMS_verify(cms, NULL, store, NULL, out, CMS_BINARY) == 1) {
		n = BIO_get_mem_data(out, &data);
		result = xstrndup(data, (size_t)n);
	}
	ERR_clear_error();
	BIO_free(out);
	X509_STORE_free(store);
	CMS_ContentInfo_free(cms);
	return result;
}

static void signs_as(bool for_aws, const char *label)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	cleanup_with(freep) char *pem = NULL;
	cleanup_with(freep) char *content = NULL;
	cleanup_with(freep) char *other = NULL;
	int r;

	make_signer(&signer, &settings);
	r = for_aws ? signer_sign_for_aws(signer, text, strlen(text), &pem, NULL)
		    : signer_sign_for_ours(signer, text, strlen(text), &pem, NULL);
	ck_assert_int_eq(r, 0);
	content = verify(pem, label,
		for_aws ? settings.aws_signing_certificate : settings.signing_certificate);
	ck_assert_str_eq(content, text);
	other = verify(pem, label,
		for_aws ? settings.signing_certificate : settings.aws_signing_certificate);
	ck_assert_ptr_null(other);
	remove_signing_files(&settings);
}

START_TEST(orders_for_aws_are_pkcs7_that_verifies)
{
	signs_as(true, "PKCS7");
}
END_TEST

START_TEST(orders_for_ours_are_cms_that_verifies)
{
	signs_as(false, "CMS");
}
END_TEST

/* What old readers of PKCS#7 can take: version 1, one signer, SHA-256, one certificate. */
START_TEST(orders_for_aws_are_in_the_form_of_old)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	cleanup_with(freep) char *pem = NULL;
	BIO *bio;
	PKCS7 *p7;
	PKCS7_SIGNER_INFO *info;

	make_signer(&signer, &settings);
	ck_assert_int_eq(signer_sign_for_aws(signer, text, strlen(text), &pem, NULL), 0);
	bio = BIO_new_mem_buf(pem, -1);
	p7 = PEM_read_bio_PKCS7(bio, NULL, NULL, NULL);
	ck_assert_ptr_nonnull(p7);
	ck_assert(PKCS7_type_is_signed(p7));
	ck_assert_int_eq(ASN1_INTEGER_get(p7->d.sign->version), 1);
	ck_assert_int_eq(sk_X509_num(p7->d.sign->cert), 1);
	ck_assert_int_eq(sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(p7)), 1);
	info = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), 0);
	ck_assert_int_eq(ASN1_INTEGER_get(info->version), 1);
	ck_assert_int_eq(OBJ_obj2nid(info->digest_alg->algorithm), NID_sha256);
	ck_assert_int_eq(OBJ_obj2nid(info->digest_enc_alg->algorithm), NID_rsaEncryption);
	PKCS7_free(p7);
	BIO_free(bio);
	remove_signing_files(&settings);
}
END_TEST

START_TEST(the_command_line_of_openssl_agrees)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	cleanup_with(freep) char *pem = NULL;
	cleanup_with(freep) char *path = test_path("order.pem");
	cleanup_with(freep) char *command = NULL;
	FILE *file;

	make_signer(&signer, &settings);
	ck_assert_int_eq(signer_sign_for_aws(signer, text, strlen(text), &pem, NULL), 0);
	file = test_create(path, 0600);
	ck_assert_int_ge(fputs(pem, file), 0);
	ck_assert_int_eq(fclose(file), 0);
	command = xasprintf("cd %s && for tool in smime cms; do"
			    " openssl $tool -verify -binary -inform PEM -in order.pem"
			    " -CAfile aws.pem -purpose any -out content 2>log &&"
			    " grep -q d-7QX2M41KZ content || { cat log >&2; exit 1; }; done",
		test_dir());
	ck_assert_int_eq(system(command), 0); /* NOLINT: the test's own directory */
	remove_signing_files(&settings);
}
END_TEST

START_TEST(what_was_altered_does_not_verify)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	cleanup_with(freep) char *pem = NULL;
	cleanup_with(freep) char *content = NULL;
	char *at;

	make_signer(&signer, &settings);
	ck_assert_int_eq(signer_sign_for_ours(signer, text, strlen(text), &pem, NULL), 0);
	/* A character of the signature, whose base64 stays valid. */
	at = strstr(pem, "\n-----END") - 6;
	*at = *at == 'A' ? 'B' : 'A';
	content = verify(pem, "CMS", settings.signing_certificate);
	ck_assert_ptr_null(content);
	remove_signing_files(&settings);
}
END_TEST

static void refuses(const struct settings *settings, int code, const char *words)
{
	struct signer *signer = NULL;
	struct error err = ERROR_NONE;

	ck_assert_int_eq(signer_new(&signer, settings, &err), code);
	ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
	ck_assert_ptr_null(signer);
}

START_TEST(a_certificate_of_another_key_is_refused)
{
	struct settings settings = { 0 };
	struct settings wrong;

	make_signing_files(&settings);
	wrong = settings;
	wrong.signing_certificate = settings.aws_signing_certificate;
	refuses(&wrong, -EINVAL, "ours.key");
	wrong = settings;
	wrong.signing_key = settings.aws_signing_key;
	refuses(&wrong, -EINVAL, "aws.key is RSA of 2048 bits");
	wrong = settings;
	wrong.aws_signing_key = settings.signing_key;
	refuses(&wrong, -EINVAL, "need RSA of 2048");
	remove_signing_files(&settings);
}
END_TEST

START_TEST(files_that_cannot_serve_are_named)
{
	struct settings settings = { 0 };
	struct settings wrong;
	char *path = test_path("odd");
	FILE *file;

	make_signing_files(&settings);
	wrong = settings;
	wrong.signing_key = path;
	refuses(&wrong, -ENOENT, "odd");
	file = test_create(path, 0600);
	ck_assert_int_ge(fputs("-----BEGIN NOTHING-----\n", file), 0);
	ck_assert_int_eq(fclose(file), 0);
	refuses(&wrong, -EBADMSG, "odd");
	wrong = settings;
	wrong.signing_certificate = path;
	refuses(&wrong, -EBADMSG, "odd");
	ck_assert_int_eq(chmod(settings.signing_key, 0644), 0);
	refuses(&settings, -EPERM, "chmod");
	remove_signing_files(&settings);
	free(path);
}
END_TEST

START_TEST(an_encrypted_key_is_refused_without_a_question)
{
	struct settings settings = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *file;

	make_signing_files(&settings);
	file = test_create(settings.signing_key, 0600);
	ck_assert_int_eq(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
				 (const unsigned char *)"secret", 6, NULL, NULL),
		1);
	ck_assert_int_eq(fclose(file), 0);
	refuses(&settings, -EACCES, "encrypted");
	EVP_PKEY_free(key);
	remove_signing_files(&settings);
}
END_TEST

START_TEST(the_end_of_its_certificates_is_known)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	uint64_t now_ms = time_now_ms();

	make_signer(&signer, &settings);
	/* Whole seconds; the certificates are made in between. */
	ck_assert_uint_gt(signer_expires_ms(signer), now_ms + 3598 * 1000);
	ck_assert_uint_le(signer_expires_ms(signer), time_now_ms() + 3600 * 1000);
	remove_signing_files(&settings);
}
END_TEST

START_TEST(a_reload_that_fails_changes_nothing)
{
	struct settings settings = { 0 };
	cleanup_with(signer_freep) struct signer *signer = NULL;
	cleanup_with(freep) char *pem = NULL;
	cleanup_with(freep) char *content = NULL;
	struct settings wrong;
	uint64_t before;

	make_signer(&signer, &settings);
	before = signer_generation(signer);
	wrong = settings;
	wrong.signing_certificate = settings.aws_signing_certificate;
	ck_assert_int_lt(signer_reload(signer, &wrong, NULL), 0);
	ck_assert_uint_eq(signer_generation(signer), before);
	ck_assert_int_eq(signer_sign_for_ours(signer, text, strlen(text), &pem, NULL), 0);
	content = verify(pem, "CMS", settings.signing_certificate);
	ck_assert_str_eq(content, text);
	ck_assert_int_eq(signer_reload(signer, &settings, NULL), 0);
	ck_assert_uint_ne(signer_generation(signer), before);
	remove_signing_files(&settings);
}
END_TEST

TESTS("sign", orders_for_aws_are_pkcs7_that_verifies, orders_for_ours_are_cms_that_verifies,
	orders_for_aws_are_in_the_form_of_old, the_command_line_of_openssl_agrees,
	what_was_altered_does_not_verify, a_certificate_of_another_key_is_refused,
	files_that_cannot_serve_are_named, an_encrypted_key_is_refused_without_a_question,
	the_end_of_its_certificates_is_known, a_reload_that_fails_changes_nothing)
