/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "connection.h"

static int tls_init(SSL_CTX **ret, const char *ca_path, struct error *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	int ok;

	if (!tls)
		return error_set(err, -ENOMEM, "cannot make a TLS context");
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Sessions are kept by each host, not by the context. */
	SSL_CTX_set_session_cache_mode(
		tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(tls, connection_on_session);
	ok = ca_path ? SSL_CTX_load_verify_locations(tls, ca_path, NULL)
		     : SSL_CTX_set_default_verify_paths(tls);
	if (ok != 1) {
		error_set(err, -EINVAL, "cannot read certificates from %s: %s",
			ca_path ? ca_path : "the system's store",
			ERR_error_string(ERR_peek_last_error(), NULL));
		SSL_CTX_free(tls);
		return -EINVAL;
	}
	*ret = tls;
	return 0;
}

static int resolve(
	struct endpoint *endpoint, const char *port, const char *url, struct error *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(endpoint->name, port, &hints, &found);

	if (r != 0)
		return error_set(err, -EHOSTUNREACH, "cannot find the host of %s: %s", url,
			gai_strerror(r));
	memcpy(&endpoint->address, found->ai_addr, found->ai_addrlen);
	endpoint->address_size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

int endpoint_init(struct endpoint *endpoint, struct reactor *reactor, const char *url,
	const char *ca_path, struct error *err)
{
	cleanup_with(freep) char *authority = NULL;
	struct in6_addr number;
	const char *rest;
	bool secure;
	char *port;
	int r;

	*endpoint = (struct endpoint){ .reactor = reactor };
	secure = strncmp(url, "https://", 8) == 0;
	if (!secure && strncmp(url, "http://", 7) != 0)
		return error_set(
			err, -EINVAL, "endpoint %s is neither https:// nor http://", url);
	rest = url + (secure ? 8 : 7);
	authority = xstrndup(rest, strcspn(rest, "/"));
	rest += strlen(authority);
	endpoint->authority = xstrdup(authority);
	endpoint->path = xstrdup(*rest ? rest : "/");
	port = strrchr(authority, ':');
	if (port)
		*port++ = '\0';
	endpoint->name = take(&authority);
	endpoint->name_is_address = inet_pton(AF_INET, endpoint->name, &number) == 1;
	r = resolve(endpoint, port ? port : secure ? "443" : "80", url, err);
	if (r == 0 && secure)
		r = tls_init(&endpoint->tls, ca_path, err);
	return r;
}

void endpoint_done(struct endpoint *endpoint)
{
	SSL_CTX_free(endpoint->tls);
	free(endpoint->name);
	free(endpoint->authority);
	free(endpoint->path);
	*endpoint = (struct endpoint){ 0 };
}
