/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/lifecycle.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/suggest.h"

static const struct lifecycle_row {
	const char *name;
	bool scriptable;
	enum lifecycle_bundle bundle;
	enum lifecycle_bundle bundle_in_rollback;
} rows[N_LIFECYCLE_EVENTS] = {
	/* clang-format off */
	[EVENT_BEFORE_BLOCK_TRAFFIC] = { "BeforeBlockTraffic", true,  BUNDLE_LAST_SUCCESSFUL, BUNDLE_MOST_RECENT },
	[EVENT_AFTER_BLOCK_TRAFFIC]  = { "AfterBlockTraffic",  true,  BUNDLE_LAST_SUCCESSFUL, BUNDLE_MOST_RECENT },
	[EVENT_APPLICATION_STOP]     = { "ApplicationStop",    true,  BUNDLE_LAST_SUCCESSFUL, BUNDLE_LAST_SUCCESSFUL },
	[EVENT_DOWNLOAD_BUNDLE]      = { "DownloadBundle",     false, BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_BEFORE_INSTALL]       = { "BeforeInstall",      true,  BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_INSTALL]              = { "Install",            false, BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_AFTER_INSTALL]        = { "AfterInstall",       true,  BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_APPLICATION_START]    = { "ApplicationStart",   true,  BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_VALIDATE_SERVICE]     = { "ValidateService",    true,  BUNDLE_CURRENT,         BUNDLE_CURRENT },
	[EVENT_BEFORE_ALLOW_TRAFFIC] = { "BeforeAllowTraffic", true,  BUNDLE_CURRENT,         BUNDLE_LAST_SUCCESSFUL },
	[EVENT_AFTER_ALLOW_TRAFFIC]  = { "AfterAllowTraffic",  true,  BUNDLE_CURRENT,         BUNDLE_LAST_SUCCESSFUL },
	/* clang-format on */
};

const char *lifecycle_name(enum lifecycle_event event)
{
	return rows[event].name;
}

int lifecycle_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

enum lifecycle_bundle lifecycle_bundle_of(enum lifecycle_event event, bool rollback)
{
	return rollback ? rows[event].bundle_in_rollback : rows[event].bundle;
}

const char *lifecycle_suggest(const char *name)
{
	const char *names[N_LIFECYCLE_EVENTS];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].scriptable)
			names[n++] = rows[i].name;
	return suggest(name, names, n);
}
