/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

struct check;

/*
 * The settings of a group, as CreateDeploymentGroup and UpdateDeploymentGroup give them and as
 * GetDeploymentGroup shows them.
 */

/*
 * Checks the members of the input that are settings and takes them over into `settings`: an
 * absent one keeps what is there, an empty list or object clears it, filters and a tag set of
 * one kind drive each other out. A new group needs a service role. If the check has failed,
 * `settings` is of no use.
 */
void group_settings_take(struct check *check, json_t *settings, bool is_new);

/* Parts of group_settings_take(). */
void group_settings_take_triggers(struct check *check, json_t *settings);
void group_settings_take_balancers(struct check *check, json_t *settings);
