/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct error;
struct reactor;

/* Where the controller is and how to speak to it; shared by all connections. */
struct endpoint {
	struct reactor *reactor; /* borrowed */
	SSL_CTX *tls;            /* NULL for http:// */
	char *name;              /* for the certificate: DNS name or address */
	bool name_is_address;
	char *authority; /* for the Host header: name, and port unless it is the default */
	char *path;      /* "/" at least */
	struct sockaddr_storage address;
	socklen_t address_size;

	struct endpoint_counts {
		uint64_t connections, handshakes, resumed, failures, answers, undated;
	} counts;
};

/*
 * url:     http[s]://NAME[:PORT][/PATH]
 * ca_path: PEM file with the certificates that may have issued the server's; NULL: the
 * system's.
 */
int endpoint_init(struct endpoint *endpoint, struct reactor *reactor, const char *url,
	const char *ca_path, struct error *err);
void endpoint_done(struct endpoint *endpoint);
