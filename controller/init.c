/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/diagnostic.h"
#include "base/error.h"
#include "base/file.h"
#include "controller/address.h"
#include "controller/admin_key.h"
#include "controller/certificate.h"
#include "controller/credential.h"
#include "controller/name.h"
#include "controller/owner.h"
#include "controller/settings.h"
#include "controller/workplace.h"

enum { AUTHORITY_DAYS = 3652, SERVER_DAYS = 90, SIGNER_DAYS = 365, RSA_BITS = 2048 };

struct init {
	const struct init_request *request;
	struct owner owner;
	char **names;
	size_t n_names;
	struct workplace workplace;
	EVP_PKEY *authority_key;
	X509 *authority;
	struct init_result result;
};

void init_result_done(struct init_result *result)
{
	free(result->names);
	free(result->owner);
	*result = (struct init_result){ 0 };
}

static void init_done(struct init *init)
{
	for (size_t i = 0; i < init->n_names; i++)
		free(init->names[i]);
	free(init->names);
	workplace_done(&init->workplace);
	EVP_PKEY_free(init->authority_key);
	X509_free(init->authority);
	init_result_done(&init->result);
}

/* ---- the request */

static int add_name(struct init *init, const char *name, struct error *err)
{
	if (!name_is_valid(name))
		return error_set(err, -EINVAL,
			"--name: '%s' is neither a DNS name nor an address", name);
	for (size_t i = 0; i < init->n_names; i++)
		if (strcasecmp(init->names[i], name) == 0)
			return error_set(err, -EINVAL, "--name: %s is there twice", name);
	if (init->n_names == SETTINGS_LIMIT_NAMES)
		return error_set(
			err, -EINVAL, "--name: more than %d names", SETTINGS_LIMIT_NAMES);
	init->names = xreallocarray(init->names, init->n_names + 1, sizeof(*init->names));
	init->names[init->n_names++] = xstrdup(name);
	return 0;
}

static int read_names(struct init *init, struct error *err)
{
	cleanup_with(freep) char *list = xstrdup(
		init->request->names ? init->request->names : "localhost,127.0.0.1,::1");
	char *rest = list;
	char *name;
	int r = 0;

	while (r == 0 && (name = strsep(&rest, ",")))
		r = add_name(init, name, err);
	return r;
}

static int read_listen(const struct init *init, struct error *err)
{
	struct sockaddr_storage address;
	socklen_t length;

	if (!init->request->listen)
		return 0;
	if (address_parse(&address, &length, init->request->listen, "/", err) < 0)
		return error_wrap(err, "--listen");
	if (address.ss_family == AF_UNIX)
		return error_set(err, -EINVAL,
			"--listen %s: an address and a port are needed here; a unix socket is "
			"made without being asked for",
			init->request->listen);
	return 0;
}

/* ---- what is made */

static int write_key(struct init *init, const char *path, EVP_PKEY *key, struct error *err)
{
	cleanup_with(credential_wipe) struct buf pem = { 0 };
	int r = certificate_write_key(&pem, key, err);

	return r < 0 ? r : workplace_write(&init->workplace, path, &pem, 0600, err);
}

static int write_certificate(
	struct init *init, const char *path, X509 *certificate, mode_t mode, struct error *err)
{
	cleanup_with(buf_done) struct buf pem = { 0 };
	int r = certificate_write(&pem, certificate, err);

	return r < 0 ? r : workplace_write(&init->workplace, path, &pem, mode, err);
}

static int make_authority(struct init *init, struct error *err)
{
	cleanup_with(freep) char *name = xasprintf("Drover CA of %s", init->names[0]);
	struct certificate_request request = {
		.kind = CERTIFICATE_AUTHORITY,
		.common_name = name,
		.now_ms = init->request->now_ms,
		.days = AUTHORITY_DAYS,
	};
	int r = certificate_make_key(&init->authority_key, err);

	if (r < 0)
		return r;
	request.key = init->authority_key;
	r = certificate_issue(&init->authority, &request, NULL, NULL, err);
	if (r < 0)
		return r;
	certificate_fingerprint(init->authority, init->result.fingerprint);
	r = write_key(init, "keys/ca.key", init->authority_key, err);
	return r < 0 ? r : write_certificate(init, "ca.pem", init->authority, 0644, err);
}

/* Issues a certificate for the key and writes both: keys/NAME.key and keys/NAME.pem. */
static int make_leaf(struct init *init, const char *name, EVP_PKEY *key,
	struct certificate_request request, struct error *err)
{
	cleanup_with(certificate_freep) X509 *certificate = NULL;
	cleanup_with(freep) char *key_path = xasprintf("keys/%s.key", name);
	cleanup_with(freep) char *certificate_path = xasprintf("keys/%s.pem", name);
	int r;

	request.key = key;
	request.now_ms = init->request->now_ms;
	r = certificate_issue(
		&certificate, &request, init->authority, init->authority_key, err);
	if (r == 0)
		r = write_key(init, key_path, key, err);
	if (r == 0)
		r = write_certificate(init, certificate_path, certificate, 0600, err);
	return r;
}

static int make_server(struct init *init, struct error *err)
{
	cleanup_with(certificate_key_freep) EVP_PKEY *key = NULL;
	int r = certificate_make_key(&key, err);

	if (r < 0)
		return r;
	return make_leaf(init, "server", key,
		(struct certificate_request){
			.kind = CERTIFICATE_SERVER,
			.common_name = init->names[0],
			.names = init->names,
			.n_names = init->n_names,
			.days = SERVER_DAYS,
		},
		err);
}

static int make_signers(struct init *init, struct error *err)
{
	static const struct certificate_request request = {
		.kind = CERTIFICATE_SIGNER,
		.common_name = "Drover orders",
		.days = SIGNER_DAYS,
	};
	cleanup_with(certificate_key_freep) EVP_PKEY *rsa = NULL;
	cleanup_with(certificate_key_freep) EVP_PKEY *ec = NULL;
	int r = certificate_make_rsa_key(&rsa, RSA_BITS, err);

	if (r == 0)
		r = certificate_make_key(&ec, err);
	if (r == 0)
		r = make_leaf(init, "aws-signing", rsa, request, err);
	if (r == 0)
		r = make_leaf(init, "signing", ec, request, err);
	return r;
}

static int make_admin(struct init *init, struct error *err)
{
	cleanup_with(credential_wipe) struct buf json = { 0 };
	cleanup_with(credential_wipe) struct buf ini = { 0 };
	struct admin_key key;
	int r = admin_key_make(&key, init->request->now_ms, err);

	if (r < 0)
		return r;
	admin_key_format(&json, &key);
	buf_printf(&ini,
		"# The administrator of the controller %s. A file for\n"
		"# AWS_SHARED_CREDENTIALS_FILE; the profile is drover.\n"
		"[drover]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		init->names[0], key.id, key.secret);
	explicit_bzero(&key, sizeof(key));
	r = workplace_write(&init->workplace, "keys/admin.json", &json, 0600, err);
	return r < 0 ? r
		     : workplace_write(&init->workplace, "admin.credentials", &ini, 0600, err);
}

static void format_config(const struct init *init, struct buf *ret)
{
	buf_puts(ret,
		"# The configuration of a Drover controller; droverd.yml(5) has all keys.\n"
		"# Paths are relative to the directory of this file.\n\n"
		"# What agents and people call it; the server certificate bears these names.\n"
		"names:\n");
	for (size_t i = 0; i < init->n_names; i++)
		buf_printf(ret, "  - '%s'\n", init->names[i]);
	buf_printf(ret,
		"\nlisten:\n  - address: '%s'\n    protocol: tls\n    client_certificate: "
		"optional\n"
		"  # Root of this machine needs no key here.\n"
		"  - address: 'unix:droverd.sock'\n",
		init->request->listen ? init->request->listen : "127.0.0.1:8443");
}

/* Read back, so that what init writes is never what run refuses. */
static int make_config(struct init *init, struct error *err)
{
	cleanup_with(buf_done) struct buf text = { 0 };
	cleanup_with(diagnostics_done) struct diagnostics found = { 0 };
	cleanup_with(settings_freep) struct settings *settings = NULL;
	cleanup_with(freep) char *directory = realpath(init->request->directory, NULL);
	cleanup_with(freep) char *path = NULL;
	cleanup_with(freep) char *first = NULL;
	int r;

	if (!directory)
		return error_set(
			err, -errno, "cannot resolve %s: %m", init->request->directory);
	path = path_join(directory, "droverd.yml");
	format_config(init, &text);
	r = settings_parse(&settings, text.data, text.len, path, &found, err);
	if (r < 0) {
		first = diagnostics_first_error(&found);
		return error_set(err, r, "%s", first ? first : path);
	}
	return workplace_write(&init->workplace, "droverd.yml", &text, 0600, err);
}

static char *join_names(const struct init *init)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < init->n_names; i++)
		buf_printf(&text, "%s%s", i ? ", " : "", init->names[i]);
	return buf_steal(&text);
}

static int make(struct init *init, struct error *err)
{
	int r = workplace_open(&init->workplace, init->request->directory, &init->owner, err);

	if (r == 0)
		r = make_authority(init, err);
	if (r == 0)
		r = make_server(init, err);
	if (r == 0)
		r = make_signers(init, err);
	if (r == 0)
		r = make_admin(init, err);
	if (r == 0)
		r = make_config(init, err);
	return r < 0 ? r : workplace_commit(&init->workplace, err);
}

int init_make(struct init_result *ret, const struct init_request *request, struct error *err)
{
	cleanup_with(init_done) struct init init = { .request = request };
	int r = read_names(&init, err);

	if (r == 0)
		r = read_listen(&init, err);
	if (r == 0)
		r = owner_find(&init.owner, request->user, err);
	if (r == 0)
		r = make(&init, err);
	if (r < 0)
		return r;
	init.result.server_days = SERVER_DAYS;
	init.result.names = join_names(&init);
	init.result.owner = xstrdup(init.owner.name);
	*ret = init.result;
	init.result = (struct init_result){ 0 };
	return 0;
}
