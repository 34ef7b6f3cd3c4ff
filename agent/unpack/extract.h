/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;

/*
 * Takes an archive apart into a directory. What an entry may be: a regular file, a directory,
 * a symbolic link that stays inside, a hard link to a file before it. Anything else, and any
 * entry beyond the limits, ends it with the entry's name in err; what was made by then stays
 * for the caller to remove.
 *
 * Owners and modes are the archive's (those of a zip: root's), without the setuid and setgid
 * bits, which are dropped with a warning. Directories that no entry names are root's, 0755.
 */
struct extract_request {
	int archive_fd;
	int directory_fd;
	int control_fd; /* gets progress and warnings (message.h) */
	uint64_t max_entries;
	uint64_t max_bytes;
	unsigned max_ratio;
};

/* ret_wrapped: the root's only entry is a directory that is to be taken off. */
int extract(const struct extract_request *request, bool *ret_wrapped, struct error *err);
