/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct bundle_request;
struct diagnostics;
struct error;

/*
 * A directory of its own below TMPDIR (or /var/tmp), for a bundle that is only looked at. While
 * it is there, signals that ask us to end are held back; scratch_done() removes it and lets
 * them happen, so that nothing stays behind.
 */
struct scratch {
	char *path;
};

int scratch_make(struct scratch *scratch, struct error *err);
void scratch_done(struct scratch *scratch);

/*
 * Unpacks a bundle, with a target below a scratch directory, and waits. -EINTR if one of those
 * signals came. Warnings of the unpacking go to `problems`.
 */
int scratch_unpack(
	const struct bundle_request *request, struct diagnostics *problems, struct error *err);
