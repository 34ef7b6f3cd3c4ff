/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "appspec/appspec.h"

struct error;

/*
 * Reads one entry: [default:](type:name|name):perms, as in "d:u:bob:rwx", "bob:7" or "mask:r".
 * On failure (-EINVAL) err says why and *ret_id is "E-ACE", "E-ACE-BASE" or "E-ACE-PERM".
 */
int acl_parse(
	struct appspec_acl *ret, const char *text, const char **ret_id, struct error *err);
