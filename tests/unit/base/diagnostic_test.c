/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diagnostic.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "unit.h"

START_TEST(findings_are_ordered_by_place_and_those_without_one_come_last)
{
	cleanup_with(diagnostics_done) struct diagnostics list = { 0 };

	diagnostics_add(&list, SEVERITY_WARNING, "a.yml", 0, 0, "W-A", "general");
	diagnostics_add(&list, SEVERITY_ERROR, "a.yml", 10, 2, "E-B", "later");
	diagnostics_add(&list, SEVERITY_ERROR, "a.yml", 9, 7, "E-C", "earlier");
	diagnostics_sort(&list);
	ck_assert_str_eq(list.items[0].text, "earlier");
	ck_assert_str_eq(list.items[1].text, "later");
	ck_assert_str_eq(list.items[2].text, "general");
	ck_assert_uint_eq(list.n_errors, 2);
}
END_TEST

START_TEST(a_finding_prints_with_its_place)
{
	cleanup_with(diagnostics_done) struct diagnostics list = { 0 };
	cleanup_with(freep) char *text = NULL;

	diagnostics_add(&list, SEVERITY_WARNING, "a.yml", 1, 1, "W-A", "odd");
	diagnostics_add(&list, SEVERITY_ERROR, "a.yml", 3, 5, "E-B", "no key '%s'", "x");
	text = diagnostics_first_error(&list);
	ck_assert_str_eq(text, "a.yml:3:5: error: no key 'x'");
}
END_TEST

TESTS("diagnostic", findings_are_ordered_by_place_and_those_without_one_come_last,
	a_finding_prints_with_its_place)
