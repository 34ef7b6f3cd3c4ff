/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct settings;

/*
 * What is in a backup: a tar file that begins with backup.json, which names all others with
 * their size and SHA-256:
 *
 *     {"Format": 1, "Version": "0.1.0", "CreatedMs": 1795212000000, "Name": "ctl.example.net",
 *      "HoldsKeys": true, "Files": [{"Name": "droverd.db", "Bytes": 4096, "Sha256": "..."}]}
 */
#define BACKUP_INDEX "backup.json"
#define BACKUP_CONFIG "droverd.yml"

enum { BACKUP_FORMAT = 1, BACKUP_LIMIT_INDEX_BYTES = 64 * 1024 };

/* One file that a setting names. */
struct backup_item {
	const char *setting;
	const char *name; /* in the archive, and below the directory of the state by default */
	size_t offset;    /* of its path in struct settings */
	bool is_key;      /* only with keys: what the rest is worth nothing without, too */
	bool is_optional;
};

extern const struct backup_item backup_items[];
extern const size_t n_backup_items;

/* Its path, borrowed from the settings. */
const char *backup_item_path(const struct backup_item *item, const struct settings *settings);

/* Its name in the archive: the default one if it lies where that says, else
 * "elsewhere/<setting>". The caller frees. */
char *backup_item_name(const struct backup_item *item, const struct settings *settings);

/* Whether a backup may hold a file of this name. */
bool backup_name_is_known(const char *name);
