/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "controller/model.h"

struct call;

/*
 * What the group asks for and this version does not do, a list of sentences, empty if there is
 * nothing: told when the group is made or changed, and at the head of its deployments. For the
 * caller to release.
 */
json_t *group_unsupported(const struct group *group);

/*
 * Deletes the group in fleet and store, whatever runs in it: what cleans up must not depend on
 * that. A deployment under way ends with `error_code`.
 */
void group_delete(struct call *call, struct group *group, const char *error_code);
