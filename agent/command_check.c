/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/command.h"

#include <errno.h>
#include <stdio.h>

#include "agent/check.h"
#include "agent/operation.h"
#include "agent/options.h"
#include "base/error.h"

int command_check(const struct options *options)
{
	struct error err = ERROR_NONE;

	if (!options->path)
		return operation_refuse(
			error_set(&err, -EINVAL,
				"what is to be checked? Name an appspec or a bundle"),
			&err);
	return check_path(options->path, options->strict, options->json, stdout);
}
