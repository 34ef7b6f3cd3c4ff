/* SPDX-License-Identifier: Apache-2.0 */
#include "kind.h"

#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"

static const struct kind kinds[] = {
	{
		.name = "ruby",
		.version = "OFFICIAL_1.8.1-0_deb",
		.user_agent = "aws-sdk-ruby3/3.168.1 ruby/3.1.2 x86_64-linux-gnu "
			      "aws-sdk-codedeploycommand/1.0.0",
		.probes = true,
		.tries = 4,
		.throttled_tries = 4,
		.idle_s = 5,
		.reports_failures_twice = true,
		.reports_early_failures = true,
		.tracks_one = true,
		.knows_noop = true,
		.success = "Succeeded: ",
	},
	{
		.name = "native",
		.version = "2.1.0",
		.user_agent = "codedeploy-agent/2.1.0",
		.probes = true,
		.tries = 1,
		.throttled_tries = 6,
		.reconnects = true,
		.idle_s = 60,
		.polls_after_command = true,
		.skips_running = true,
		.checks_signature = true,
		.success = "Succeeded",
	},
	{
		.name = "drover",
		.version = "drover-0.1.0",
		.user_agent = "drover-agent/0.1.0",
		.tries = 8,
		.throttled_tries = 8,
		.reconnects = true,
		.idle_s = 60,
		.reports_early_failures = true,
		.polls_after_command = true,
		.skips_running = true,
		.checks_signature = true,
		.knows_noop = true,
		.is_ours = true,
		.remembers = true,
		.success = "Succeeded",
	},
};

const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}
