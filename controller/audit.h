/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

/* To what a request was done, for the audit: "shop", "shop/prod", "d-ABCDEF123", "web-1 and 2
 * more"; of unchecked members some bytes each. For the caller to free. */
char *audit_object(const json_t *input);
