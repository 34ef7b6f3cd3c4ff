/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct settings;

/* `droverd backup`: one tar file of all that a controller is. */
struct backup_request {
	const struct settings *settings;
	const char *path;
	bool with_keys;
	uint64_t now_ms;
};

/*
 * Copies the database as it is at one moment, whether or not the controller runs, and adds
 * settings, the authority's certificate and, if asked for, keys and all certificates; what lies
 * elsewhere than init puts it is stored under "elsewhere/". The file appears whole or not at
 * all, mode 0600; what is there already is not replaced (-EEXIST). *ret_bytes is its size.
 */
int backup_make(uint64_t *ret_bytes, const struct backup_request *request, struct error *err);
