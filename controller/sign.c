/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/sign.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/protocol.h"
#include "controller/credential.h"
#include "controller/settings.h"

struct signer {
	struct credential aws;
	struct credential ours;
	uint64_t generation;
};

static void biop(BIO **bio)
{
	(void)BIO_free(*bio);
}

static void cmsp(CMS_ContentInfo **cms)
{
	CMS_ContentInfo_free(*cms);
}

/* ---- the signer */

static int load(struct signer *signer, const struct settings *settings, struct error *err)
{
	struct credential aws = { 0 };
	struct credential ours = { 0 };
	int r;

	r = credential_load(&aws, CREDENTIAL_RSA, settings->aws_signing_key,
		settings->aws_signing_certificate, err);
	if (r == 0)
		r = credential_load(&ours, CREDENTIAL_P256, settings->signing_key,
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

uint64_t signer_expires_ms(const struct signer *signer)
{
	uint64_t aws = credential_expires_ms(&signer->aws);
	uint64_t ours = credential_expires_ms(&signer->ours);

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
		return credential_fail(err, "cannot sign an order");
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
