/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct error;

struct credentials {
	char access_key[129];
	char secret[129];
};

/* One profile of an AWS shared-credentials file. */
int credentials_read(
	struct credentials *ret, const char *path, const char *profile, struct error *err);
