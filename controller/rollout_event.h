/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What happens to one host in a deployment, by CodeDeploy's names; the API shows all of them.
 */
enum target_event {
	TARGET_BEFORE_BLOCK_TRAFFIC,
	TARGET_BLOCK_TRAFFIC,
	TARGET_AFTER_BLOCK_TRAFFIC,
	TARGET_APPLICATION_STOP,
	TARGET_DOWNLOAD_BUNDLE,
	TARGET_BEFORE_INSTALL,
	TARGET_INSTALL,
	TARGET_AFTER_INSTALL,
	TARGET_APPLICATION_START,
	TARGET_VALIDATE_SERVICE,
	TARGET_BEFORE_ALLOW_TRAFFIC,
	TARGET_ALLOW_TRAFFIC,
	TARGET_AFTER_ALLOW_TRAFFIC,
};
enum { N_TARGET_EVENTS = TARGET_AFTER_ALLOW_TRAFFIC + 1 };

enum rollout_lifecycle { LIFECYCLE_IN_PLACE, LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER };

const char *target_event_name(enum target_event event);

/* The event of that exact name, or -ENOENT. */
int target_event_find(const char *name);

/* BlockTraffic and AllowTraffic, which the controller does itself; no host hears of them. */
bool target_event_is_traffic(enum target_event event);

/* Whether ignoreApplicationStopFailures lets a host go on after this one failed. */
bool target_event_is_forgivable(enum target_event event);

/* The events of one host, in order: 7 or 13 of them. */
size_t rollout_lifecycle_length(enum rollout_lifecycle lifecycle);
enum target_event rollout_lifecycle_at(enum rollout_lifecycle lifecycle, size_t step);
