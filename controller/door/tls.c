/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/door/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "controller/exchange.h"

/* A ticket is as good as the session it stands for: an agent that comes back within a day. */
enum { TICKET_SECONDS = 24 * 60 * 60 };

struct ticket_key {
	unsigned char name[16];
	unsigned char mac[32];
	unsigned char cipher[32];
};

_Static_assert(sizeof(struct ticket_key) == EXCHANGE_TICKET_KEY_BYTES, "as on the wire");

/* Belongs to its SSL_CTX, and ends with it. */
struct tickets {
	struct ticket_key keys[EXCHANGE_MAX_TICKET_KEYS];
	size_t n;
	EVP_CIPHER *cipher; /* fetched once: a fetch costs more than its use */
};

static int tickets_index = -1;

static void free_tickets(
	void *parent, void *item, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	struct tickets *tickets = item;

	(void)parent;
	(void)data;
	(void)index;
	(void)argl;
	(void)argp;
	if (!tickets)
		return;
	EVP_CIPHER_free(tickets->cipher);
	OPENSSL_cleanse(tickets->keys, sizeof(tickets->keys));
	free(tickets);
}

/* OpenSSL's own words for what failed last. */
static int fail(struct error *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	char text[256] = "no reason given";

	if (code)
		ERR_error_string_n(code, text, sizeof(text));
	ERR_clear_error();
	return error_set(err, -EINVAL, "%s: %s", what, text);
}

static void free_context(SSL_CTX **context)
{
	SSL_CTX_free(*context);
}

int tls_prepare(struct error *err)
{
	cleanup_with(free_context) SSL_CTX *context = NULL;
	unsigned char byte;

	if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				     OPENSSL_INIT_LOAD_CONFIG,
		    NULL) != 1)
		return fail(err, "cannot start OpenSSL");
	tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_tickets);
	context = SSL_CTX_new(TLS_server_method());
	if (tickets_index < 0 || !context || RAND_bytes(&byte, 1) != 1 || stream_prepare() < 0)
		return fail(err, "cannot start OpenSSL");
	return 0;
}

static const struct ticket_key *find_key(
	const struct tickets *tickets, const unsigned char name[static 16])
{
	for (size_t i = 0; i < tickets->n; i++)
		if (memcmp(tickets->keys[i].name, name, 16) == 0)
			return &tickets->keys[i];
	return NULL;
}

static bool use_mac_key(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
			OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 use it, 2 use it and give a new one, 0 ignore the
 * ticket, -1 fail. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_new)
{
	const struct tickets *tickets = SSL_CTX_get_ex_data(
		SSL_get_SSL_CTX(ssl), tickets_index);
	const struct ticket_key *key = is_new ? &tickets->keys[0] : find_key(tickets, name);

	if (!key)
		return 0;
	if (is_new) {
		memcpy(name, key->name, sizeof(key->name));
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) != 1)
			return -1;
	}
	if (!use_mac_key(mac, key) ||
		EVP_CipherInit_ex(cipher, tickets->cipher, NULL, key->cipher, iv, is_new) != 1)
		return -1;
	return key == &tickets->keys[0] ? 1 : 2;
}

static int use_tickets(
	SSL_CTX *context, const struct exchange_settings *settings, struct error *err)
{
	struct tickets *tickets;

	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_timeout(context, TICKET_SECONDS);
	(void)SSL_CTX_set_num_tickets(context, settings->n_ticket_keys > 0);
	if (settings->n_ticket_keys == 0) {
		(void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
		return 0;
	}
	tickets = xcalloc(1, sizeof(*tickets));
	tickets->n = settings->n_ticket_keys;
	memcpy(tickets->keys, settings->ticket_keys, tickets->n * sizeof(*tickets->keys));
	tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (SSL_CTX_set_ex_data(context, tickets_index, tickets) != 1) {
		free_tickets(NULL, tickets, NULL, 0, 0, NULL);
		return fail(err, "cannot keep the keys of TLS tickets");
	}
	if (!tickets->cipher || SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) != 1)
		return fail(err, "cannot use the keys of TLS tickets");
	return 0;
}

/* Clients that would like HTTP/2 are told that it is HTTP/1.1; who asks for neither, nothing.
 */
static int on_protocols(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
	const unsigned char *offered, unsigned n, void *argument)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)argument;
	return SSL_select_next_proto((unsigned char **)ret, ret_n, ours, sizeof(ours) - 1,
		       offered, n) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

static void free_bio(BIO **bio)
{
	(void)BIO_free(*bio);
}

static BIO *open_text(const char *text)
{
	BIO *bio = BIO_new_mem_buf(text, -1);

	if (!bio)
		abort(); /* no memory */
	return bio;
}

/* Without it OpenSSL would ask on a terminal. */
static int no_passphrase(char *ret, int size, int is_new, void *argument)
{
	(void)ret;
	(void)size;
	(void)is_new;
	(void)argument;
	return -1;
}

/* The certificates of a PEM text, one after the other. False when there are no more. */
static bool next_certificate(BIO *bio, X509 **ret)
{
	*ret = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	if (*ret)
		return true;
	/* What ends it is always an error, and mostly this one. */
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	return false;
}

static int use_chain(SSL_CTX *context, const char *pem, struct error *err)
{
	cleanup_with(free_bio) BIO *bio = open_text(pem);
	bool is_first = true;
	X509 *certificate;

	while (next_certificate(bio, &certificate)) {
		long ok = is_first ? SSL_CTX_use_certificate(context, certificate)
				   : SSL_CTX_add1_chain_cert(context, certificate);

		X509_free(certificate);
		is_first = false;
		if (ok != 1)
			return fail(err, "cannot use the server's certificate");
	}
	if (is_first || ERR_peek_error())
		return fail(err, "cannot read the server's certificate");
	return 0;
}

static void free_key(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static int use_key(SSL_CTX *context, const char *pem, struct error *err)
{
	cleanup_with(free_bio) BIO *bio = open_text(pem);
	cleanup_with(free_key)
		EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	if (!key)
		return fail(err, "cannot read the server's key");
	if (SSL_CTX_use_PrivateKey(context, key) != 1 ||
		SSL_CTX_check_private_key(context) != 1)
		return fail(err, "the server's key is not that of its certificate");
	return 0;
}

/* Who may have issued a client's certificate; their names are told to clients, too. */
static int use_authorities(SSL_CTX *context, const char *pem, struct error *err)
{
	cleanup_with(free_bio) BIO *bio = open_text(pem);
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	size_t n = 0;
	X509 *certificate;

	for (; next_certificate(bio, &certificate); n++) {
		bool ok = X509_STORE_add_cert(store, certificate) == 1 &&
			  SSL_CTX_add_client_CA(context, certificate) == 1;

		X509_free(certificate);
		if (!ok)
			return fail(err, "cannot use a certificate of the hosts' CA");
	}
	if (n == 0 || ERR_peek_error())
		return fail(err, "cannot read the certificate of the hosts' CA");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	return 0;
}

/* A session that one kind of listener or one CA admitted is not resumed under another. */
static int name_sessions(SSL_CTX *context, enum client_certificate certificate,
	const struct exchange_settings *settings, struct error *err)
{
	uint8_t name[DIGEST_BYTES] = { 0 };

	if (certificate != CLIENT_CERTIFICATE_OFF)
		digest_of(settings->ca_pem, strlen(settings->ca_pem), name);
	if (SSL_CTX_set_session_id_context(context, name, sizeof(name)) != 1)
		return fail(err, "cannot name TLS sessions");
	return 0;
}

static int configure(SSL_CTX *context, enum client_certificate certificate,
	const struct exchange_settings *settings, struct error *err)
{
	int r;

	(void)SSL_CTX_set_options(context,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS |
						SSL_MODE_ENABLE_PARTIAL_WRITE |
						SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_alpn_select_cb(context, on_protocols, NULL);
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return fail(err, "cannot choose TLS versions and ciphers");
	r = use_tickets(context, settings, err);
	if (r == 0)
		r = use_chain(context, settings->certificate_pem, err);
	if (r == 0)
		r = use_key(context, settings->key_pem, err);
	if (r == 0 && certificate != CLIENT_CERTIFICATE_OFF)
		r = use_authorities(context, settings->ca_pem, err);
	if (r == 0)
		r = name_sessions(context, certificate, settings, err);
	return r;
}

static int add_context(struct tls *tls, enum client_certificate certificate,
	const struct exchange_settings *settings, struct error *err)
{
	ERR_clear_error();
	if (tls->contexts[certificate])
		return 0;
	tls->contexts[certificate] = SSL_CTX_new(TLS_server_method());
	if (!tls->contexts[certificate])
		return fail(err, "cannot make a TLS context");
	return configure(tls->contexts[certificate], certificate, settings, err);
}

int tls_new(struct tls **ret, const struct exchange_settings *settings, struct error *err)
{
	cleanup_with(tls_freep) struct tls *tls = xcalloc(1, sizeof(*tls));

	for (size_t i = 0; i < settings->n_listeners; i++) {
		const struct exchange_listener *listener = &settings->listeners[i];
		int r = 0;

		if (listener->is_tls)
			r = add_context(tls, listener->client_certificate, settings, err);
		if (r < 0)
			return r;
	}
	*ret = take(&tls);
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(tls->contexts); i++)
		SSL_CTX_free(tls->contexts[i]);
	free(tls);
}

void tls_freep(struct tls **tls)
{
	tls_free(*tls);
}
