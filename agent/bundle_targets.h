/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct appspec;
struct diagnostics;

/*
 * What a bundle would install where, without looking at the host: two sources for one path are
 * errors (E-COPY-DUP, E-COPY-OVER-MKDIR), and so are permissions that a file cannot have
 * (E-PERM-FILE-...); entries of permissions that apply to nothing are warnings
 * (W-PERM-UNMATCHED). The plan of a deployment finds the same with the host in view; this is
 * for a bundle's author. A bundle of more than 200,000 entries is not looked at.
 */
void bundle_check_targets(
	int bundle_fd, const struct appspec *spec, struct diagnostics *problems);
