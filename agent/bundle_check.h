/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct appspec;
struct diagnostics;

/*
 * Whether an unpacked bundle holds what its appspec names. Errors: a source or a script that is
 * missing, leads out of the bundle or is nothing one can install or run. Warnings: a script
 * that will hardly start (not executable, which is mended when it runs; carriage returns; an
 * interpreter that this host lacks), a single file whose destination looks like its new name,
 * and two appspecs. Nothing is changed or executed.
 */
void bundle_check(int bundle_fd, const struct appspec *spec, struct diagnostics *problems);

/*
 * The same for the author of the bundle: what no host could start is an error as well, and so
 * is what the plan of a deployment would find wrong on any host (agent/bundle_targets.h).
 */
void bundle_check_strictly(
	int bundle_fd, const struct appspec *spec, struct diagnostics *problems);
