/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "controller/model.h"

/*
 * What the group asks for and this version does not do, a list of sentences, empty if there is
 * nothing: told when the group is made or changed, and at the head of its deployments. For the
 * caller to release.
 */
json_t *group_unsupported(const struct group *group);
