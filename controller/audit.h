/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

/* To what a request was done, for the audit: "shop", "shop/prod", "d-ABCDEF123", the first of
 * several hosts. For the caller to free. */
char *audit_object(const json_t *input);
