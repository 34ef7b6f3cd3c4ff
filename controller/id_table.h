/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Objects by a number that somebody else gives: chosen by an enemy, they still cannot be made
 * to meet in one place, because places are mixed with a secret of the table's.
 *
 * The entry is embedded in the object. A zeroed table is empty.
 */
struct id_entry {
	uint64_t id;
	struct id_entry *next; /* of the same place */
};

struct id_table {
	struct id_entry **places;
	size_t n_places; /* 0 or a power of two */
	size_t n;
	uint64_t secret;
};

struct id_entry *id_table_find(const struct id_table *table, uint64_t id);

/* The id must not be there. */
void id_table_add(struct id_table *table, struct id_entry *entry, uint64_t id);

/* It must be there. */
void id_table_remove(struct id_table *table, struct id_entry *entry);

/* For all, in no order. on_entry may remove, and free, the one it is given, and no other. */
void id_table_each(struct id_table *table,
	void (*on_entry)(void *context, struct id_entry *entry), void *context);

/* Frees the table, which must be empty. */
void id_table_done(struct id_table *table);
