/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/id_table.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/alloc.h"

enum { FIRST_PLACES = 16 };

/* The finalizer of splitmix64: each bit of the id changes half of the result's. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static struct id_entry **place_of(const struct id_table *table, uint64_t id)
{
	return &table->places[mix(mix(id ^ table->secret) + table->secret) &
			      (table->n_places - 1)];
}

static void grow(struct id_table *table)
{
	struct id_entry **old = table->places;
	size_t n_old = table->n_places;

	if (n_old == 0 && getrandom(&table->secret, sizeof(table->secret), 0) < 0)
		abort(); /* asks for a few bytes, which cannot fail once the system runs */
	table->n_places = n_old ? 2 * n_old : FIRST_PLACES;
	table->places = xcalloc(table->n_places, sizeof(*table->places));
	for (size_t i = 0; i < n_old; i++)
		while (old[i]) {
			struct id_entry *entry = old[i];
			struct id_entry **place = place_of(table, entry->id);

			old[i] = entry->next;
			entry->next = *place;
			*place = entry;
		}
	free(old);
}

struct id_entry *id_table_find(const struct id_table *table, uint64_t id)
{
	if (table->n == 0)
		return NULL;
	for (struct id_entry *entry = *place_of(table, id); entry; entry = entry->next)
		if (entry->id == id)
			return entry;
	return NULL;
}

void id_table_add(struct id_table *table, struct id_entry *entry, uint64_t id)
{
	struct id_entry **place;

	if (table->n >= table->n_places)
		grow(table);
	place = place_of(table, id);
	*entry = (struct id_entry){ .id = id, .next = *place };
	*place = entry;
	table->n++;
}

void id_table_remove(struct id_table *table, struct id_entry *entry)
{
	struct id_entry **at = place_of(table, entry->id);

	while (*at && *at != entry)
		at = &(*at)->next;
	assert(*at);
	*at = entry->next;
	entry->next = NULL;
	table->n--;
}

void id_table_each(struct id_table *table,
	void (*on_entry)(void *context, struct id_entry *entry), void *context)
{
	for (size_t i = 0; i < table->n_places; i++) {
		struct id_entry *next;

		for (struct id_entry *entry = table->places[i]; entry; entry = next) {
			next = entry->next;
			on_entry(context, entry);
		}
	}
}

void id_table_done(struct id_table *table)
{
	assert(table->n == 0);
	free(table->places);
	*table = (struct id_table){ 0 };
}
