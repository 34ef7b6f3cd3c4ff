/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/id_table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "unit.h"

enum { N = 5000 };

static size_t n_seen;

static void remove_it(void *context, struct id_entry *entry)
{
	id_table_remove(context, entry);
	n_seen++;
}

START_TEST(what_was_added_is_found_until_it_is_removed)
{
	struct id_entry *entries = xcalloc(N, sizeof(*entries));
	struct id_table table = { 0 };

	ck_assert_ptr_null(id_table_find(&table, 1));
	/* Ids that differ in their high bits alone, as one would choose them. */
	for (uint64_t i = 0; i < N; i++)
		id_table_add(&table, &entries[i], i << 48 | i);
	for (uint64_t i = 0; i < N; i++)
		ck_assert_ptr_eq(id_table_find(&table, i << 48 | i), &entries[i]);
	ck_assert_ptr_null(id_table_find(&table, UINT64_MAX));
	for (uint64_t i = 0; i < N; i += 2)
		id_table_remove(&table, &entries[i]);
	for (uint64_t i = 0; i < N; i++)
		ck_assert_int_eq(id_table_find(&table, i << 48 | i) != NULL, i % 2 == 1);
	n_seen = 0;
	id_table_each(&table, remove_it, &table);
	ck_assert_uint_eq(n_seen, N / 2);
	id_table_done(&table);
	free(entries);
}
END_TEST

START_TEST(no_place_becomes_crowded)
{
	struct id_entry *entries = xcalloc(N, sizeof(*entries));
	struct id_table table = { 0 };
	size_t longest = 0;

	for (uint64_t i = 0; i < N; i++)
		id_table_add(&table, &entries[i], i * 65536);
	for (size_t i = 0; i < table.n_places; i++) {
		size_t n = 0;

		for (struct id_entry *at = table.places[i]; at; at = at->next)
			n++;
		if (n > longest)
			longest = n;
	}
	ck_assert_uint_lt(longest, 16);
	id_table_each(&table, remove_it, &table);
	id_table_done(&table);
	free(entries);
}
END_TEST

TESTS("id_table", what_was_added_is_found_until_it_is_removed, no_place_becomes_crowded)
