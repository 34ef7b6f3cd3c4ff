/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/check_config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/process.h"
#include "base/time.h"
#include "controller/admin_key.h"
#include "controller/certificate.h"
#include "controller/credential.h"
#include "controller/name.h"
#include "controller/settings.h"

#define DAYS(n) ((n)*UINT64_C(24) * 3600 * 1000)

struct check {
	const struct settings *settings;
	uint64_t now_ms;
	struct diagnostics *diagnostics;
	struct credential authority;
};

/* What a pair of files is for, and when its end is near. */
struct pair {
	const char *key;
	const char *certificate;
	enum credential_kind kind;
	uint64_t warn_ms; /* before the end */
	const char *remedy;
};

static void complain(struct check *check, enum severity severity, const char *file,
	const char *id, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void complain(struct check *check, enum severity severity, const char *file,
	const char *id, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	diagnostics_addv(check->diagnostics, severity, file, 0, 0, id, format, ap);
	va_end(ap);
}

/* ---- certificates */

static void check_time(struct check *check, const struct pair *pair, const X509 *certificate)
{
	uint64_t end_ms = certificate_expires_ms(certificate);
	char end[21];
	char left[32];

	time_format_utc(end_ms, end);
	if (end_ms <= check->now_ms) {
		complain(check, SEVERITY_ERROR, pair->certificate, "E-EXPIRED",
			"expired at %s; %s", end, pair->remedy);
		return;
	}
	if (end_ms - check->now_ms < pair->warn_ms) {
		time_format_duration(end_ms - check->now_ms, left, sizeof(left));
		complain(check, SEVERITY_WARNING, pair->certificate, "W-EXPIRES",
			"expires at %s, in %s; %s", end, left, pair->remedy);
	}
	if (certificate_begins_ms(certificate) > check->now_ms)
		complain(check, SEVERITY_ERROR, pair->certificate, "E-NOT-YET",
			"is not valid yet: is the clock of this machine right?");
}

static bool load_pair(struct check *check, const struct pair *pair, struct credential *ret)
{
	struct error err = ERROR_NONE;

	if (credential_load(ret, pair->kind, pair->key, pair->certificate, &err) < 0) {
		complain(check, SEVERITY_ERROR, NULL, "E-CREDENTIAL", "%s", err.text);
		return false;
	}
	check_time(check, pair, ret->leaf);
	return true;
}

static void check_authority(struct check *check)
{
	const struct pair pair = {
		.key = check->settings->ca_key,
		.certificate = check->settings->ca_certificate,
		.warn_ms = DAYS(365),
		.remedy = "hosts trust nothing else",
	};

	if (!load_pair(check, &pair, &check->authority))
		return;
	if (X509_check_ca(check->authority.leaf) != 1)
		complain(check, SEVERITY_ERROR, pair.certificate, "E-NO-CA",
			"is not the certificate of an authority (basicConstraints CA:TRUE)");
}

static bool is_issued_by_authority(const struct check *check, X509 *leaf)
{
	return check->authority.leaf &&
	       X509_verify(leaf, X509_get0_pubkey(check->authority.leaf)) == 1;
}

static void check_signer(struct check *check, const char *key, const char *certificate,
	enum credential_kind kind)
{
	const struct pair pair = {
		.key = key,
		.certificate = certificate,
		.kind = kind,
		.warn_ms = DAYS(30),
		.remedy = "agents refuse orders signed with it from then on",
	};
	cleanup_with(credential_done) struct credential signer = { 0 };

	if (!load_pair(check, &pair, &signer))
		return;
	if (check->authority.leaf && !is_issued_by_authority(check, signer.leaf))
		complain(check, SEVERITY_ERROR, certificate, "E-ISSUER",
			"was not issued by %s: agents would refuse every order",
			check->settings->ca_certificate);
	if (!certificate_may_sign_orders(signer.leaf))
		complain(check, SEVERITY_ERROR, certificate, "E-USAGE",
			"lacks the extended key usage %s: agents would refuse every order",
			CERTIFICATE_USAGE_ORDERS);
}

static void check_names(struct check *check, X509 *leaf)
{
	for (size_t i = 0; i < check->settings->n_names; i++) {
		const char *name = check->settings->names[i];
		int fits = name_is_address(name) ? X509_check_ip_asc(leaf, name, 0)
						 : X509_check_host(leaf, name, 0, 0, NULL);

		if (fits != 1)
			complain(check, SEVERITY_WARNING, check->settings->server_certificate,
				"W-NAME",
				"does not bear the name %s: who connects by it is refused",
				name);
	}
}

static bool has_tls(const struct settings *settings)
{
	for (size_t i = 0; i < settings->n_listeners; i++)
		if (settings->listeners[i].is_tls)
			return true;
	return false;
}

static void check_server(struct check *check)
{
	const struct pair pair = {
		.key = check->settings->server_key,
		.certificate = check->settings->server_certificate,
		.warn_ms = DAYS(15),
		.remedy = "nobody can connect from then on",
	};
	cleanup_with(credential_done) struct credential server = { 0 };

	if (!has_tls(check->settings) || !load_pair(check, &pair, &server))
		return;
	check_names(check, server.leaf);
}

/* ---- the rest */

static void check_directory(struct check *check)
{
	const char *path = check->settings->directory;
	struct stat st;

	if (stat(path, &st) < 0 || access(path, R_OK | W_OK | X_OK) < 0)
		complain(check, SEVERITY_ERROR, path, "E-DIRECTORY",
			"the directory of the state cannot be used: %s", strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		complain(check, SEVERITY_ERROR, path, "E-DIRECTORY", "is no directory");
	else if (st.st_mode & S_IRWXO)
		complain(check, SEVERITY_WARNING, path, "W-MODE",
			"is open to every user of this machine: chmod o= it");
}

/* The first start makes it. */
static void check_database(struct check *check)
{
	const char *path = check->settings->database;

	if (access(path, R_OK | W_OK) < 0 && errno != ENOENT)
		complain(check, SEVERITY_ERROR, path, "E-DATABASE", "cannot be used: %s",
			strerror(errno));
}

/* Once the first start has taken it, it may go. */
static void check_admin_key(struct check *check)
{
	struct error err = ERROR_NONE;
	struct admin_key key;
	int r = admin_key_read(&key, check->settings->admin_key, &err);

	if (r < 0 && r != -ENOENT)
		complain(check, SEVERITY_ERROR, NULL, "E-ADMIN-KEY", "%s", err.text);
	explicit_bzero(&key, sizeof(key));
}

static void check_door(struct check *check)
{
	cleanup_with(freep) char *path = process_helper_path("drover-door");

	if (access(path, X_OK) < 0)
		complain(check, SEVERITY_ERROR, path, "E-DOOR",
			"cannot be run: %s; is the package complete?", strerror(errno));
}

void settings_check(
	const struct settings *settings, uint64_t now_ms, struct diagnostics *diagnostics)
{
	struct check check = {
		.settings = settings,
		.now_ms = now_ms,
		.diagnostics = diagnostics,
	};

	check_directory(&check);
	check_database(&check);
	check_authority(&check);
	check_server(&check);
	check_signer(
		&check, settings->signing_key, settings->signing_certificate, CREDENTIAL_P256);
	check_signer(&check, settings->aws_signing_key, settings->aws_signing_certificate,
		CREDENTIAL_RSA);
	check_admin_key(&check);
	check_door(&check);
	credential_done(&check.authority);
}
