/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct error;

/* `droverd init`: what a controller needs before it can run for the first time. */
struct init_request {
	const char *directory;
	const char *names;  /* separated by commas; NULL: localhost and its addresses */
	const char *listen; /* NULL: 127.0.0.1:8443 */
	const char *user;   /* NULL: droverd if there is such a user, and root runs this */
	uint64_t now_ms;
};

struct init_result {
	char fingerprint[DIGEST_HEX_SIZE]; /* of the authority's certificate */
	char *names;                       /* as the certificate bears them */
	char *owner;
	unsigned server_days;
};

/*
 * Makes keys, certificates, the first access key and droverd.yml in a new or empty directory.
 * Never overwrites anything. Killed half-way it leaves no droverd.yml, and a marker by which
 * the next init knows what to take away.
 *
 * Returns 0; -EINVAL if the request is at fault; -EEXIST if the directory is in use.
 */
int init_make(struct init_result *ret, const struct init_request *request, struct error *err);
void init_result_done(struct init_result *result);
