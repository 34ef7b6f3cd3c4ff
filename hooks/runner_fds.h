/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a runner inherits from the agent beside 0, 1 and 2. */
enum {
	RUNNER_RECORD_FD = 3, /* the record directory, locked (flock) while the runner lives */
	RUNNER_LOCK_FD = 4,   /* the group's lock, if there is one */
};
