/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/*
 * Names under which the controller is reached, as its certificate bears them: DNS names (of
 * letters, digits and hyphens, at most 253 bytes, without a dot at the end) and IP addresses.
 */
bool name_is_valid(const char *name);
bool name_is_address(const char *name);
