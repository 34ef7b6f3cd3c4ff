/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/rollout_event.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static const struct row {
	const char *name;
	bool traffic;
	bool forgivable;
} rows[N_TARGET_EVENTS] = {
	/* clang-format off */
	[TARGET_BEFORE_BLOCK_TRAFFIC] = { "BeforeBlockTraffic", false, true },
	[TARGET_BLOCK_TRAFFIC]        = { "BlockTraffic",       true,  false },
	[TARGET_AFTER_BLOCK_TRAFFIC]  = { "AfterBlockTraffic",  false, true },
	[TARGET_APPLICATION_STOP]     = { "ApplicationStop",    false, true },
	[TARGET_DOWNLOAD_BUNDLE]      = { "DownloadBundle",     false, false },
	[TARGET_BEFORE_INSTALL]       = { "BeforeInstall",      false, false },
	[TARGET_INSTALL]              = { "Install",            false, false },
	[TARGET_AFTER_INSTALL]        = { "AfterInstall",       false, false },
	[TARGET_APPLICATION_START]    = { "ApplicationStart",   false, false },
	[TARGET_VALIDATE_SERVICE]     = { "ValidateService",    false, false },
	[TARGET_BEFORE_ALLOW_TRAFFIC] = { "BeforeAllowTraffic", false, false },
	[TARGET_ALLOW_TRAFFIC]        = { "AllowTraffic",       true,  false },
	[TARGET_AFTER_ALLOW_TRAFFIC]  = { "AfterAllowTraffic",  false, false },
	/* clang-format on */
};

/* The enum is in order, so a lifecycle is a stretch of it. */
static const struct stretch {
	enum target_event first;
	enum target_event last;
} stretches[] = {
	[LIFECYCLE_IN_PLACE] = { TARGET_APPLICATION_STOP, TARGET_VALIDATE_SERVICE },
	[LIFECYCLE_IN_PLACE_WITH_LOAD_BALANCER] = { TARGET_BEFORE_BLOCK_TRAFFIC,
		TARGET_AFTER_ALLOW_TRAFFIC },
};

const char *target_event_name(enum target_event event)
{
	return rows[event].name;
}

int target_event_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

bool target_event_is_traffic(enum target_event event)
{
	return rows[event].traffic;
}

bool target_event_is_forgivable(enum target_event event)
{
	return rows[event].forgivable;
}

size_t rollout_lifecycle_length(enum rollout_lifecycle lifecycle)
{
	return stretches[lifecycle].last - stretches[lifecycle].first + 1;
}

enum target_event rollout_lifecycle_at(enum rollout_lifecycle lifecycle, size_t step)
{
	assert(step < rollout_lifecycle_length(lifecycle));
	return stretches[lifecycle].first + step;
}
