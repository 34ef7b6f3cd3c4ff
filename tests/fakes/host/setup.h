/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct error;

struct setup_options {
	const char *url, *ca_path, *region, *account;
	const char *credentials_path, *profile;
	const char *out_path; /* appended to */
	const char *prefix;   /* of names: PREFIX00001 */
	size_t count, first;
	const char *tags[10]; /* KEY=VALUE */
	size_t n_tags;
};

/* Makes hosts known to the controller: a key each, registered, tagged; writes what the hosts
 * need to `out_path`, one JSON object a line, mode 0600. Returns 0 or a negative errno. */
int setup_run(const struct setup_options *options, struct error *err);
