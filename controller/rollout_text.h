/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "controller/rollout.h"

struct error;

/*
 * A rollout's configuration and its stored members as JSON, so that it goes on after a restart;
 * its targets have rows of their own.
 */

/* For the caller to free. */
char *rollout_write(const struct rollout *rollout);

/*
 * Fills in what rollout_write() wrote and leaves the rest alone. A member that is missing is 0.
 * Returns 0, or -EBADMSG with err filled; *ret is then half filled.
 */
int rollout_read(struct rollout *ret, const char *text, struct error *err);
