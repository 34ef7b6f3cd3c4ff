/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "base/time.h"
#include "controller/admin_key.h"
#include "controller/certificate.h"
#include "controller/credential.h"
#include "controller/settings.h"
#include "unit.h"

static struct init_result result;
static struct error err;
static char *directory;

static int init(const char *names, const char *listen)
{
	init_result_done(&result);
	free(directory);
	directory = path_join(test_dir(), "ctl");
	return init_make(&result,
		&(struct init_request){ .directory = directory,
			.names = names,
			.listen = listen,
			.now_ms = time_now_ms() },
		&err);
}

static struct settings *load(void)
{
	cleanup_with(freep) char *path = path_join(directory, "droverd.yml");
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	struct settings *settings = NULL;

	ck_assert_int_eq(settings_load(&settings, path, &found, &err), 0);
	ck_assert_uint_eq(found.n, 0);
	return settings;
}

static bool is_issued(const struct credential *credential, const char *ca_path, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool issued;

	ck_assert_int_eq(X509_STORE_load_file(store, ca_path), 1);
	ck_assert_int_eq(X509_STORE_CTX_init(context, store, credential->leaf, NULL), 1);
	(void)X509_STORE_CTX_set_purpose(context, purpose);
	issued = X509_verify_cert(context) == 1;
	X509_STORE_CTX_free(context);
	X509_STORE_free(store);
	return issued;
}

START_TEST(the_server_certificate_bears_every_name)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;
	cleanup_with(credential_done) struct credential server = { 0 };

	ck_assert_int_eq(init("ctl.example.net,192.0.2.4", "0.0.0.0:8443"), 0);
	ck_assert_str_eq(result.names, "ctl.example.net, 192.0.2.4");
	settings = load();
	ck_assert_int_eq(credential_load(&server, CREDENTIAL_P256, settings->server_key,
				 settings->server_certificate, &err),
		0);
	ck_assert(is_issued(&server, settings->ca_certificate, X509_PURPOSE_SSL_SERVER));
	ck_assert_int_eq(X509_check_host(server.leaf, "ctl.example.net", 0, 0, NULL), 1);
	ck_assert_int_eq(X509_check_host(server.leaf, "bucket.ctl.example.net", 0, 0, NULL), 1);
	ck_assert_int_eq(X509_check_host(server.leaf, "example.net", 0, 0, NULL), 0);
	ck_assert_int_eq(X509_check_ip_asc(server.leaf, "192.0.2.4", 0), 1);
	ck_assert_int_eq(X509_check_ip_asc(server.leaf, "127.0.0.1", 0), 0);
	ck_assert_uint_gt(credential_expires_ms(&server), time_now_ms() + 89 * 86400000ULL);
	ck_assert_uint_lt(credential_expires_ms(&server), time_now_ms() + 91 * 86400000ULL);
}
END_TEST

START_TEST(only_a_signing_certificate_may_sign_orders)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;
	cleanup_with(credential_done) struct credential signer = { 0 };
	cleanup_with(credential_done) struct credential aws = { 0 };
	cleanup_with(credential_done) struct credential server = { 0 };
	ASN1_OBJECT *usage = OBJ_txt2obj(CERTIFICATE_USAGE_ORDERS, 1);
	EXTENDED_KEY_USAGE *usages;
	int critical;

	ck_assert_int_eq(init(NULL, NULL), 0);
	settings = load();
	ck_assert_int_eq(credential_load(&signer, CREDENTIAL_P256, settings->signing_key,
				 settings->signing_certificate, &err),
		0);
	ck_assert_int_eq(credential_load(&aws, CREDENTIAL_RSA, settings->aws_signing_key,
				 settings->aws_signing_certificate, &err),
		0);
	ck_assert_int_eq(credential_load(&server, CREDENTIAL_P256, settings->server_key,
				 settings->server_certificate, &err),
		0);
	ck_assert(is_issued(&signer, settings->ca_certificate, X509_PURPOSE_ANY));
	ck_assert(!is_issued(&signer, settings->ca_certificate, X509_PURPOSE_SSL_SERVER));
	ck_assert(!is_issued(&signer, settings->ca_certificate, X509_PURPOSE_SSL_CLIENT));
	ck_assert(is_issued(&aws, settings->ca_certificate, X509_PURPOSE_ANY));

	usages = X509_get_ext_d2i(signer.leaf, NID_ext_key_usage, &critical, NULL);
	ck_assert_int_eq(critical, 1);
	ck_assert_int_eq(sk_ASN1_OBJECT_num(usages), 1);
	ck_assert_int_eq(OBJ_cmp(sk_ASN1_OBJECT_value(usages, 0), usage), 0);
	EXTENDED_KEY_USAGE_free(usages);
	usages = X509_get_ext_d2i(server.leaf, NID_ext_key_usage, &critical, NULL);
	ck_assert_int_ne(OBJ_cmp(sk_ASN1_OBJECT_value(usages, 0), usage), 0);
	EXTENDED_KEY_USAGE_free(usages);
	ASN1_OBJECT_free(usage);
}
END_TEST

START_TEST(without_names_it_is_this_machine_alone)
{
	cleanup_with(settings_freep) struct settings *settings = NULL;

	ck_assert_int_eq(init(NULL, NULL), 0);
	settings = load();
	ck_assert_str_eq(result.names, "localhost, 127.0.0.1, ::1");
	ck_assert_uint_eq(settings->n_names, 3);
	ck_assert_str_eq(settings->listeners[0].address, "127.0.0.1:8443");
	ck_assert(settings->listeners[0].is_tls);
	ck_assert(settings->listeners[1].is_unix);
	ck_assert_uint_eq(settings->listeners[1].mode, 0600);
}
END_TEST

START_TEST(secrets_are_for_the_owner_alone)
{
	static const char *const secrets[] = { "keys/ca.key", "keys/server.key",
		"keys/signing.key", "keys/aws-signing.key", "keys/admin.json",
		"admin.credentials", "droverd.yml" };
	cleanup_with(closep) int fd = -1;
	struct admin_key key;
	struct stat st;
	mode_t before = umask(0);

	ck_assert_int_eq(init(NULL, NULL), 0);
	(void)umask(before);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		ck_assert_int_eq(fstatat(fd, secrets[i], &st, 0), 0);
		ck_assert_uint_eq(st.st_mode & 07777, 0600);
	}
	ck_assert_int_eq(fstatat(fd, "keys", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	ck_assert_int_eq(fstatat(fd, ".unfinished", &st, 0), -1);
	ck_assert_int_eq(fchdir(fd), 0);
	ck_assert_int_eq(admin_key_read(&key, "keys/admin.json", &err), 0);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(what_is_there_is_never_overwritten)
{
	char first[DIGEST_HEX_SIZE];
	cleanup_with(freep) char *file = NULL;

	ck_assert_int_eq(init(NULL, NULL), 0);
	memcpy(first, result.fingerprint, sizeof(first));
	ck_assert_int_eq(init(NULL, NULL), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "holds a controller already"));
	file = path_join(directory, "droverd.yml");
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(init(NULL, NULL), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "is not empty"));
}
END_TEST

START_TEST(what_a_killed_init_left_is_taken_away)
{
	cleanup_with(freep) char *config = NULL;
	cleanup_with(freep) char *work = NULL;
	char first[DIGEST_HEX_SIZE];

	ck_assert_int_eq(init(NULL, NULL), 0);
	memcpy(first, result.fingerprint, sizeof(first));
	config = path_join(directory, "droverd.yml");
	work = path_join(directory, ".unfinished");
	/* As it is between the last two moves. */
	ck_assert_int_eq(mkdir(work, 0700), 0);
	ck_assert_int_eq(unlink(config), 0);
	ck_assert_int_eq(init(NULL, NULL), 0);
	ck_assert_str_ne(result.fingerprint, first);
	ck_assert_int_eq(access(work, F_OK), -1);
}
END_TEST

START_TEST(wrong_requests_touch_nothing)
{
	ck_assert_int_eq(init("a b", NULL), -EINVAL);
	ck_assert_str_eq(err.text, "--name: 'a b' is neither a DNS name nor an address");
	ck_assert_int_eq(init("a,b,A", NULL), -EINVAL);
	ck_assert_int_eq(init("a,", NULL), -EINVAL);
	ck_assert_int_eq(init(NULL, "localhost:1"), -EINVAL);
	ck_assert_int_eq(init(NULL, "unix:x"), -EINVAL);
	ck_assert_int_eq(access(directory, F_OK), -1);
}
END_TEST

TESTS("controller/init", the_server_certificate_bears_every_name,
	only_a_signing_certificate_may_sign_orders, without_names_it_is_this_machine_alone,
	secrets_are_for_the_owner_alone, what_is_there_is_never_overwritten,
	what_a_killed_init_left_is_taken_away, wrong_requests_touch_nothing)
