/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/auth.h"

struct exchange_request;

/*
 * What a request asks for. The APIs are POST with the operation in X-Amz-Target; there are a
 * few pages for probes; all else is refused with a sentence.
 */
struct route {
	const struct operation *operation; /* NULL: the answer stands below */
	enum api api;

	int status;
	const char *type; /* of an error in the API's form; NULL: plain text */
	char text[256];
};

void route_find(struct route *ret, const struct exchange_request *request);

/* An operation of an API by its name, or NULL. */
const struct operation *route_operation(enum api api, const char *name);

/* The tables of an API, each ended by an operation without a name; NULL behind the last. */
const struct operation *const *route_tables(enum api api);
