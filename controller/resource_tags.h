/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/model.h"

struct store;

/*
 * Tags of applications, groups and configurations themselves, by their id. They say who pays or
 * owns; no host is chosen by them, so they are read from the store when somebody asks.
 */

/* For tags_done(). */
void resource_tags_load(struct store *store, const char *id, struct tags *ret);

/* None are forgotten altogether. */
void resource_tags_save(struct store *store, const char *id, const struct tags *tags);

void resource_tags_forget(struct store *store, const char *id);
