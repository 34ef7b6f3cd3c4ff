/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "agent/bundle.h"

struct error;

/*
 * The absolute path that a revision's location names: a directory or an archive on this host.
 * -EINVAL, with err saying what to do instead, for places elsewhere, for what is not there, and
 * for a directory where the type says archive or the reverse. The caller frees.
 */
int location_resolve(
	char **ret, const char *location, enum bundle_type type, struct error *err);
