/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct error;

/*
 * Addresses to listen at, as people write them: "192.0.2.1:8443", "[2001:db8::1]:8443", or
 * "unix:PATH" where PATH may be relative to `directory`. Names are not looked up: what a server
 * listens at must not hang on a name server.
 */
int address_parse(struct sockaddr_storage *ret, socklen_t *ret_length, const char *text,
	const char *directory, struct error *err);

/* The same form, of what the kernel gave: for messages. The caller frees. */
char *address_format(const struct sockaddr_storage *address, socklen_t length);

bool address_is_loopback(const struct sockaddr_storage *address);
bool address_equals(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* The path of a unix socket, borrowed. */
const char *address_path(const struct sockaddr_storage *address);
