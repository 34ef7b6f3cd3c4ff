/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct options;
struct site;

/*
 * After a deployment that failed, says on standard error where all its scripts' output is, and
 * which command is the way back: rollback if it is what is installed now, redeploy if scripts
 * of the revision that still is may have stopped it. Of what cannot be read nothing is said.
 * With is_local (codedeploy-local) no command is named: that tool has none.
 */
void advice_print(const struct site *site, const struct options *options,
	const char *deployment, bool is_local);
