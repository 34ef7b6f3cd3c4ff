/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/description.h"

struct report;

/*
 * Typed reading of the document's nodes, with complaints that name the field. A node that is
 * NULL (the key is not there) or null in YAML is absent: no error, and nothing is written. All
 * int results are 0, or -EINVAL after an error was reported.
 */

/* A key that a mapping may have; its value is stored if it is there. */
struct field {
	const char *name;
	const struct node **value;
};

/*
 * Takes a mapping apart. `what` names it in messages ("a files entry"). Keys not among the
 * fields are warned of.
 */
int field_mapping(struct report *report, const struct node *node, const char *what,
	const struct field *fields, size_t n);

/* A list or nothing; *ret_n is 0 for nothing. The items stay the document's. */
int field_list(struct report *report, const struct node *node, const char *what,
	struct node *const **ret, size_t *ret_n);

/* A scalar's text whatever its type (404, yes), without NUL bytes. The caller frees. */
int field_text(struct report *report, const struct node *node, const char *what, char **ret);

/* The same without blanks around it. */
int field_trimmed(struct report *report, const struct node *node, const char *what, char **ret);

/* A list of texts; the caller frees the texts and the array. */
int field_texts(struct report *report, const struct node *node, const char *what, char ***ret,
	size_t *ret_n);

/*
 * A path below the bundle: normalised, relative; "" is the bundle itself. `..` is refused, a
 * leading slash dropped.
 */
int field_bundle_path(struct report *report, const struct node *node, const char *what,
	const char *text, char **ret);

/* A path on the host: absolute, normalised. `..` and `~` are refused; a relative one is taken
 * below / with a warning. */
int field_host_path(struct report *report, const struct node *node, const char *what,
	const char *text, char **ret);
