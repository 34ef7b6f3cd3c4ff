/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct sigv4_request;

/* The names of all the request's headers as SignedHeaders lists them; the caller frees it. */
char *sigv4_canonical_names(const struct sigv4_request *request);
