/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* The lifecycle events that reach a host, in the order in which they run. */
enum lifecycle_event {
	EVENT_BEFORE_BLOCK_TRAFFIC,
	EVENT_AFTER_BLOCK_TRAFFIC,
	EVENT_APPLICATION_STOP,
	EVENT_DOWNLOAD_BUNDLE,
	EVENT_BEFORE_INSTALL,
	EVENT_INSTALL,
	EVENT_AFTER_INSTALL,
	EVENT_APPLICATION_START,
	EVENT_VALIDATE_SERVICE,
	EVENT_BEFORE_ALLOW_TRAFFIC,
	EVENT_AFTER_ALLOW_TRAFFIC,
};
enum { N_LIFECYCLE_EVENTS = EVENT_AFTER_ALLOW_TRAFFIC + 1 };

/* Which bundle's appspec and scripts an event uses. */
enum lifecycle_bundle { BUNDLE_CURRENT, BUNDLE_LAST_SUCCESSFUL, BUNDLE_MOST_RECENT };

const char *lifecycle_name(enum lifecycle_event event);

/* The event of that exact name, or -ENOENT. */
int lifecycle_find(const char *name);

/*
 * `rollback`: the rollback of a blue/green deployment. What is "last successful" or "most
 * recent" holds only while the deployment has no unpacked bundle of its own; afterwards every
 * event uses that.
 */
enum lifecycle_bundle lifecycle_bundle_of(enum lifecycle_event event, bool rollback);

/* The scriptable event that a misspelt name most probably means, or NULL if none is near. */
const char *lifecycle_suggest(const char *name);
