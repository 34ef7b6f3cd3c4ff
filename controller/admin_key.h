/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct buf;
struct error;

/*
 * The first access key, an administrator's: `droverd init` makes it, before there is a
 * database, and leaves it in a file of mode 0600 (JSON: AccessKeyId, SecretAccessKey,
 * CreatedMs). The core takes it into the store when it starts and has not taken the key of this
 * id before: a key that was deleted since does not come back, and another file is another key.
 */
enum { ADMIN_KEY_ID_LENGTH = 20, ADMIN_KEY_SECRET_LENGTH = 40 };
#define ADMIN_KEY_NAME "admin"

struct admin_key {
	char id[ADMIN_KEY_ID_LENGTH + 1];         /* "AKIA" and 16 of A-Z, 2-7 */
	char secret[ADMIN_KEY_SECRET_LENGTH + 1]; /* of A-Z, a-z, 0-9, + and / */
	uint64_t created_ms;
};

int admin_key_make(struct admin_key *ret, uint64_t now_ms, struct error *err);

/* Appends the file. */
void admin_key_format(struct buf *ret, const struct admin_key *key);

/* -ENOENT (err is filled then too) if there is no such file. */
int admin_key_read(struct admin_key *ret, const char *path, struct error *err);
